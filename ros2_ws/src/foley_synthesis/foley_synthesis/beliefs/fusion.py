"""Evidence of what was seen and heard of one object, fused into one belief.

Classes are fused log-linearly: calibrated probabilities, divided by the prior, multiply. The product of what was heard
is tempered by the effective number of independent contacts (:mod:`foley_synthesis.beliefs.weights`).

Sight is one piece of evidence with a weight of its own, however often the object was looked at, and stays when the
object is touched: light and sound err independently, so together they say more than either. So is what a user's image
model says (`vision`). Weights, correlations and temperature are fitted on contacts that no model learned from
(:mod:`foley_synthesis.evaluation.fusion.fit`).
`method="dirichlet"` adds pseudo-counts instead, which averages and is slower to be convinced.

log10 of Young's modulus is fused as Gaussians with the same weights; roughness and hollowness are averages with
them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.answers import AnswerRule, rule_for
from foley_synthesis.beliefs.belief import NAN, MaterialBelief
from foley_synthesis.beliefs.evidence import KINDS, Evidence, Kind
from foley_synthesis.beliefs.weights import NO_PLACE, Correlations, ages, places, shares

FLOOR = 1e-4  # over the number of labels: one contact cannot rule a class out by itself
_UNMEASURED = "an image model says so, and nobody has measured how often that one is right"
_NO_EVIDENCE = MaterialBelief(abstain=True, reason="nothing was seen or heard of it")
Method = Literal["log_linear", "dirichlet"]
Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class FusionConfig:
    """How evidence adds up, and when that is an answer."""

    method: Method = "log_linear"
    heard_weight: float = 1.0
    sight_weight: float = 1.0
    vision_weight: float = 0.5  # of a user's image model; nobody has measured that one yet
    heard_correlation: float = 0.7  # between places of one object at which contacts were heard
    place_correlation: float = 0.0  # between contacts at one place, beyond that
    place_radius_m: float = 0.015  # contacts this near to the first one of a place are at that place
    temperature: float = 1.0  # of the fused classes; > 1 is less sure
    abstain_below: float = 0.4  # without `answers`: abstain while no class is more probable than this
    dirichlet_concentration: float = 4.0  # pseudo-counts that one fully weighted piece of evidence brings
    min_log10_e_std: float = 0.1  # floor of the fused standard deviation [decades]
    split_above: float = math.inf  # [nat] from which on an object has two parts (parts.py); infinite: never
    answers: tuple[AnswerRule, ...] | None = None  # None: nobody has bounded the risk of an answer
    calibrated_for: str = ""  # domain and evidence on which all this was fitted; empty: it was not
    calibration_id: str = ""  # which fit this is; empty: none

    def __post_init__(self) -> None:
        if self.method not in ("log_linear", "dirichlet"):
            raise ValueError(f"fusion method is `{self.method}`, known are log_linear, dirichlet")
        for name in (
            *("heard_weight", "sight_weight", "vision_weight"),
            *("heard_correlation", "place_correlation", "abstain_below"),
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.0 <= value <= 1.0):
                raise ValueError(f"{name} is {value}, must be in [0, 1]")
        for name in ("temperature", "dirichlet_concentration", "min_log10_e_std", "place_radius_m"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise ValueError(f"{name} is {value}, must be positive")
        if not self.split_above > 0.0:
            raise ValueError(f"split_above is {self.split_above}, must be positive, or infinite for never")

    @property
    def correlations(self) -> Correlations:
        """Of heard contacts."""
        return Correlations(self.heard_correlation, self.place_correlation, self.place_radius_m)


@dataclasses.dataclass(frozen=True)
class FusedBelief:
    """What is believed about one object, and on what evidence."""

    belief: MaterialBelief = _NO_EVIDENCE
    contacts_heard: int = 0
    contacts_predicted: int = 0  # planned contacts whose picture counts: the newest one, so 0 or 1
    newest_ns: int = 0
    position: tuple[float, float, float] = (NAN, NAN, NAN)
    calibration_id: str = ""  # of the fit that the probabilities are calibrated by; empty: they are not
    kinds: tuple[Kind, ...] = ()  # of the evidence that tells the material, in the order of KINDS
    parts: tuple[str, ...] = ()  # names of its parts, where its places are of two materials


def _tells(item: Evidence) -> bool:
    """Whether it says something of the material that is fit to be fused."""
    return item.belief.fit and bool(item.belief.probabilities)


def newest_sight(evidence: Iterable[Evidence]) -> list[Evidence]:
    """All that was heard, and of what was seen, and of what an image model said, the newest that is fit to be fused,
    or the newest of all.
    """
    items = list(evidence)
    kept: list[Evidence | None] = [
        max(
            reversed([item for item in items if item.kind == kind]),
            key=lambda item: (_tells(item), item.time_ns),
            default=None,
        )
        for kind in ("seen", "vision")
    ]
    return [item for item in items if item.kind == "heard" or any(item is one for one in kept)]


@dataclasses.dataclass(frozen=True)
class _Standing:
    """Of one piece of evidence among all about an object."""

    left: float  # share of its weight that age has left
    place: int  # of a heard contact


def _weights(
    evidence: Sequence[Evidence], standing: Mapping[int, _Standing], config: FusionConfig
) -> Array:  # [n]
    """Weight of each piece, of which those heard share what they are worth together.

    Args:
        standing: by the id() of the piece.
    """
    kept = np.array([standing[id(item)].left for item in evidence])
    heard = np.array([item.kind == "heard" for item in evidence], bool)
    weights = np.array(
        [config.vision_weight if item.kind == "vision" else config.sight_weight for item in evidence]
    )
    weights *= kept
    if heard.any():
        place = np.array([standing[id(item)].place for item in evidence if item.kind == "heard"])
        weights[heard] = config.heard_weight * shares(place, kept[heard], config.correlations)
    return weights


def _classes(used: Sequence[Evidence], weights: Array, config: FusionConfig) -> Array:  # [labels]
    table = np.stack([item.belief.p() for item in used])  # [n, labels]
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


def _gaussian(used: Sequence[Evidence], weights: Array, config: FusionConfig) -> tuple[float, float]:
    means = np.array([item.belief.log10_e_mean for item in used])
    precision = weights / np.square([item.belief.log10_e_std for item in used])
    total = float(precision.sum())
    if total <= 0:
        return NAN, NAN
    return float((precision * means).sum() / total), max(total**-0.5, config.min_log10_e_std)


def _average(used: Sequence[Evidence], weights: Array, name: str) -> float:
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


def fuse(
    evidence: Iterable[Evidence],
    config: FusionConfig | None = None,
    *,
    now_ns: int = 0,
    forget_after_s: float = 0.0,
) -> FusedBelief:
    """Fuse all evidence about one object.

    Evidence that abstains is left out of the numbers as long as there is other evidence, and counted all the same; but
    what is merely unsure is used: its probabilities are calibrated, and weigh as little as they say. The belief
    abstains when there is nothing fit to be used, and when its most probable class is not probable enough for an
    answer: `answers` says from where on the risk of one is bounded. An image model that no rule counts with never
    makes an answer; it can take one back.

    Args:
        now_ns: when it is to hold; matters only where something is forgotten.
        forget_after_s: half-life of evidence [s]; 0: nothing is forgotten. See :func:`weights.ages`.

    Raises:
        ValueError: probabilities over vocabularies of different size.
    """
    config = config or FusionConfig()
    items = sorted(newest_sight(evidence), key=lambda item: (item.time_ns, item.kind, item.key))
    left = ages(items, now_ns, forget_after_s)
    items, left = [item for item, share in zip(items, left, strict=True) if share > 0], left[left > 0]
    if not items:
        return FusedBelief()
    heard = [item for item in items if item.kind == "heard"]
    place = iter(places(heard, config.place_radius_m).tolist())
    standing = {
        id(item): _Standing(float(share), next(place) if item.kind == "heard" else NO_PLACE)
        for item, share in zip(items, left, strict=True)
    }
    fit = [item for item in items if item.belief.fit]
    used = fit or items

    def average(name: str) -> float:
        known = _finite(used, name)
        return _average(known, _weights(known, standing, config), name) if known else NAN

    def classes(of: Sequence[Evidence]) -> Array:
        told = _same_vocabulary(of)
        return _classes(told, _weights(told, standing, config), config) if told else np.zeros(0)

    with_stiffness = _finite(used, "log10_e_mean")
    mean, std = NAN, NAN
    if with_stiffness:
        mean, std = _gaussian(with_stiffness, _weights(with_stiffness, standing, config), config)
    p = classes(used)
    telling = [item for item in fit if item.belief.probabilities]
    measured = _measured(telling, config)
    doubt = _UNMEASURED if telling and not measured else _doubt(p, measured, config)
    if not doubt and len(measured) < len(telling):
        before = classes(measured)
        doubt = _doubt(before, measured, config) or (_UNMEASURED if before.argmax() != p.argmax() else "")
    calibrated = "" if len(measured) < len(telling) else _calibrated_for(telling, config)
    return FusedBelief(
        MaterialBelief(
            probabilities=tuple(p.tolist()),
            log10_e_mean=mean,
            log10_e_std=std,
            roughness=average("roughness"),
            hollowness=average("hollowness"),
            abstain=bool(doubt),
            calibrated_for=calibrated,
            reason=doubt,
        ),
        contacts_heard=len(heard),
        contacts_predicted=sum(item.kind == "seen" for item in items),
        newest_ns=max(item.time_ns for item in items),
        position=_mean_position(heard) if heard else _mean_position(items),
        calibration_id=config.calibration_id if calibrated else "",
        kinds=tuple(kind for kind in KINDS if any(item.kind == kind for item in telling)),
    )


def _measured(telling: Sequence[Evidence], config: FusionConfig) -> list[Evidence]:
    """Those whose risk somebody has bounded: without an image model, where no rule counts with one."""
    if config.answers is None or any(rule.vision for rule in config.answers):
        return list(telling)
    return [item for item in telling if item.kind != "vision"]


def _rule(telling: Sequence[Evidence], config: FusionConfig) -> AnswerRule | None:
    """For so many heard contacts, with sight or without, with an image model or without."""
    heard, seen, vision = (sum(item.kind == kind for item in telling) for kind in KINDS)
    return rule_for(config.answers or (), heard, bool(seen), bool(vision))


def _doubt(p: Array, telling: Sequence[Evidence], config: FusionConfig) -> str:
    """Why these probabilities are no answer; empty where they are one."""
    if not telling:
        return "no evidence about the material that does not abstain"
    best = float(p.max())
    if config.answers is None:
        if all(item.belief.abstain for item in telling):
            return "all its evidence is unsure"
        return "" if best >= config.abstain_below else f"no class is {config.abstain_below:g} probable"
    rule = _rule(telling, config)
    if rule is None or not rule.answers:
        return "the risk of an answer on such evidence has no bound that is low enough"
    return "" if best >= rule.least_probability else f"no class is {rule.least_probability:.2f} probable"


def _calibrated_for(telling: Sequence[Evidence], config: FusionConfig) -> str:
    """A fused belief has to earn its calibration; a single contact as the model gave it keeps its own."""
    if config.calibrated_for:
        rule = _rule(telling, config)
        return "" if rule is None else f"{config.calibrated_for}, {rule.text}"
    single = telling[0] if len(telling) == 1 and telling[0].kind == "heard" else None
    untouched = config.heard_weight == 1.0 and config.temperature == 1.0
    return single.belief.calibrated_for if single is not None and untouched else ""
