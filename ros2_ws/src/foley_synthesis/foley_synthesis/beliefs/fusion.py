"""Evidence of what was seen and heard of one object, fused into one belief.

Classes are fused log-linearly: calibrated probabilities, divided by the prior, multiply. Read as independent, n
heard contacts of one object would soon claim certainty; they share the room, the striker and the model's mistakes.
So their product is tempered by the effective number of independent contacts

    n_eff = n / (1 + (n - 1) rho)          (the design effect of n observations with correlation rho)

Sight is one piece of evidence with a weight of its own, however often the object was looked at, and stays when the
object is touched: light and sound err independently, so together they say more than either. Weights, correlation and
temperature are fitted on contacts that no model learned from (:mod:`foley_synthesis.beliefs.fusion_fit`).
`method="dirichlet"` adds pseudo-counts instead, which averages and is slower to be convinced.

log10 of Young's modulus is fused as Gaussians with the same weights; roughness and hollowness are averages with
them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.answers import AnswerRule, rule_for
from foley_synthesis.beliefs.belief import NAN, MaterialBelief
from foley_synthesis.beliefs.evidence import Evidence

FLOOR = 1e-4  # over the number of labels: one contact cannot rule a class out by itself
_NO_EVIDENCE = MaterialBelief(abstain=True, reason="nothing was seen or heard of it")
Method = Literal["log_linear", "dirichlet"]


@dataclasses.dataclass(frozen=True)
class FusionConfig:
    """How evidence adds up, and when that is an answer."""

    method: Method = "log_linear"
    heard_weight: float = 1.0
    sight_weight: float = 1.0
    heard_correlation: float = (
        0.7  # between heard contacts with the same object; as it was fitted to the shipped model
    )
    temperature: float = 1.0  # of the fused classes; > 1 is less sure
    abstain_below: float = 0.4  # without `answers`: abstain while no class is more probable than this
    dirichlet_concentration: float = 4.0  # pseudo-counts that one fully weighted piece of evidence brings
    min_log10_e_std: float = 0.1  # floor of the fused standard deviation [decades]
    answers: tuple[AnswerRule, ...] | None = None  # None: nobody has bounded the risk of an answer
    calibrated_for: str = ""  # domain and evidence on which all this was fitted; empty: it was not

    def __post_init__(self) -> None:
        if self.method not in ("log_linear", "dirichlet"):
            raise ValueError(f"fusion method is `{self.method}`, known are log_linear, dirichlet")
        for name in ("heard_weight", "sight_weight", "heard_correlation", "abstain_below"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.0 <= value <= 1.0):
                raise ValueError(f"{name} is {value}, must be in [0, 1]")
        for name in ("temperature", "dirichlet_concentration", "min_log10_e_std"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise ValueError(f"{name} is {value}, must be positive")


@dataclasses.dataclass(frozen=True)
class FusedBelief:
    """What is believed about one object, and on what evidence."""

    belief: MaterialBelief = _NO_EVIDENCE
    contacts_heard: int = 0
    contacts_predicted: int = 0  # planned contacts whose picture counts: the newest one, so 0 or 1
    newest_ns: int = 0
    position: tuple[float, float, float] = (NAN, NAN, NAN)


def effective_number(n: int, correlation: float) -> float:
    """Number of independent observations that ``n`` observations with this correlation are worth."""
    return 0.0 if n <= 0 else n / (1.0 + (n - 1) * correlation)


def _tells(item: Evidence) -> bool:
    """Whether it says something of the material that is fit to be fused."""
    return item.belief.fit and bool(item.belief.probabilities)


def newest_sight(evidence: Iterable[Evidence]) -> list[Evidence]:
    """All that was heard, and of what was seen the newest look that is fit to be fused, or the newest of all."""
    items = list(evidence)
    seen = [item for item in items if item.kind == "seen"]
    kept = max(reversed(seen), key=lambda item: (_tells(item), item.time_ns), default=None)
    return [item for item in items if item.kind == "heard" or item is kept]


def _weights(evidence: Sequence[Evidence], config: FusionConfig) -> NDArray[np.float64]:  # [n]
    """Weight of each piece: what was heard shares its effective number times its weight."""
    heard = sum(item.kind == "heard" for item in evidence)
    each = config.heard_weight * effective_number(heard, config.heard_correlation) / max(heard, 1)
    return np.array([each if item.kind == "heard" else config.sight_weight for item in evidence])


def _classes(used: Sequence[Evidence], config: FusionConfig) -> NDArray[np.float64]:  # [labels]
    table = np.stack([item.belief.p() for item in used])  # [n, labels]
    weights = _weights(used, config)
    labels = table.shape[1]
    if config.method == "dirichlet":
        alpha = 1.0 + config.dirichlet_concentration * (weights[:, None] * table).sum(axis=0)
        scores = np.log(alpha)
    else:
        # The prior is uniform, so dividing by it is a constant.
        scores = (weights[:, None] * np.log(np.clip(table, FLOOR / labels, None))).sum(axis=0)
    scores = scores / config.temperature
    p = np.exp(scores - scores.max())
    return np.asarray(p / p.sum(), dtype=np.float64)


def _gaussian(used: Sequence[Evidence], config: FusionConfig) -> tuple[float, float]:
    if not used:
        return NAN, NAN
    means = np.array([item.belief.log10_e_mean for item in used])
    precision = _weights(used, config) / np.square([item.belief.log10_e_std for item in used])
    total = float(precision.sum())
    if total <= 0:
        return NAN, NAN
    return float((precision * means).sum() / total), max(total**-0.5, config.min_log10_e_std)


def _average(used: Sequence[Evidence], name: str, config: FusionConfig) -> float:
    if not used:
        return NAN
    weights = _weights(used, config)
    if weights.sum() <= 0:
        return NAN
    return float((weights * [getattr(item.belief, name) for item in used]).sum() / weights.sum())


def _finite(evidence: Sequence[Evidence], name: str) -> list[Evidence]:
    return [item for item in evidence if math.isfinite(getattr(item.belief, name))]


def _mean_position(evidence: Sequence[Evidence]) -> tuple[float, float, float]:
    known = [item.position for item in evidence if all(math.isfinite(v) for v in item.position)]
    if not known:
        return (NAN, NAN, NAN)
    x, y, z = np.mean(known, axis=0).tolist()
    return (x, y, z)


def _same_vocabulary(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Those with probabilities. Raises ValueError where they are over vocabularies of different size."""
    found = [item for item in evidence if item.belief.probabilities]
    sizes = {len(item.belief.probabilities) for item in found}
    if len(sizes) > 1:
        raise ValueError(
            f"evidence is over vocabularies of {sorted(sizes)} labels, they must be the same one"
        )
    return found


def fuse(evidence: Iterable[Evidence], config: FusionConfig | None = None) -> FusedBelief:
    """Fuse all evidence about one object.

    Evidence that abstains is left out of the numbers as long as there is other evidence, and counted all the same; but
    what is merely unsure is used: its probabilities are calibrated, and weigh as little as they say. The belief
    abstains when there is nothing fit to be used, and when its most probable class is not probable enough for an
    answer: `answers` says from where on the risk of one is bounded.

    Raises:
        ValueError: probabilities over vocabularies of different size.
    """
    config = config or FusionConfig()
    items = sorted(newest_sight(evidence), key=lambda item: (item.time_ns, item.kind, item.key))
    if not items:
        return FusedBelief()
    heard = [item for item in items if item.kind == "heard"]
    fit = [item for item in items if item.belief.fit]
    used = fit or items
    with_classes = _same_vocabulary(used)
    p = _classes(with_classes, config) if with_classes else np.zeros(0)
    mean, std = _gaussian(_finite(used, "log10_e_mean"), config)
    telling = [item for item in fit if item.belief.probabilities]
    doubt = _doubt(p, telling, config)
    return FusedBelief(
        MaterialBelief(
            probabilities=tuple(p.tolist()),
            log10_e_mean=mean,
            log10_e_std=std,
            roughness=_average(_finite(used, "roughness"), "roughness", config),
            hollowness=_average(_finite(used, "hollowness"), "hollowness", config),
            abstain=bool(doubt),
            calibrated_for=_calibrated_for(telling, config),
            reason=doubt,
        ),
        contacts_heard=len(heard),
        contacts_predicted=len(items) - len(heard),
        newest_ns=max(item.time_ns for item in items),
        position=_mean_position(heard) if heard else _mean_position(items),
    )


def _kinds(telling: Sequence[Evidence]) -> tuple[int, bool]:
    """How many contacts were heard, and whether there was sight."""
    heard = sum(item.kind == "heard" for item in telling)
    return heard, heard < len(telling)


def _doubt(p: NDArray[np.float64], telling: Sequence[Evidence], config: FusionConfig) -> str:
    """Why these probabilities are no answer; empty where they are one."""
    if not telling:
        return "no evidence about the material that does not abstain"
    best = float(p.max())
    if config.answers is None:
        if all(item.belief.abstain for item in telling):
            return "all its evidence is unsure"
        return "" if best >= config.abstain_below else f"no class is {config.abstain_below:g} probable"
    rule = rule_for(config.answers, *_kinds(telling))
    if rule is None or not rule.answers:
        return "the risk of an answer on such evidence has no bound that is low enough"
    return "" if best >= rule.least_probability else f"no class is {rule.least_probability:.2f} probable"


def _calibrated_for(telling: Sequence[Evidence], config: FusionConfig) -> str:
    """A fused belief has to earn its calibration; a single contact as the model gave it keeps its own."""
    if config.calibrated_for:
        rule = rule_for(config.answers or (), *_kinds(telling))
        return "" if rule is None else f"{config.calibrated_for}, {rule.text}"
    single = telling[0] if len(telling) == 1 and telling[0].kind == "heard" else None
    untouched = config.heard_weight == 1.0 and config.temperature == 1.0
    return single.belief.calibrated_for if single is not None and untouched else ""
