"""Evidence of several contacts with one object, fused into one belief.

Classes are fused log-linearly: each contact's calibrated probabilities, divided by the prior, multiply. Read
as independent, n contacts of one object would soon claim certainty; they share the room, the striker and the
model's mistakes. So the product is tempered by the effective number of independent contacts

    n_eff = n / (1 + (n - 1) rho)          (the design effect of n observations with correlation rho)

with one rho for heard and one for predicted evidence: predictions all come from the same look at the same
surface, so their rho is close to 1. Predicted evidence also carries a weight below 1, so what was heard
dominates. `method="dirichlet"` adds pseudo-counts instead, which averages and is slower to be convinced.

log10 of Young's modulus is fused as Gaussians with the same effective numbers; roughness and hollowness are
averages with the same weights.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.evidence import NAN, Evidence

_FLOOR = 1e-4  # one contact cannot rule a class out by itself
Method = Literal["log_linear", "dirichlet"]


@dataclasses.dataclass(frozen=True)
class FusionConfig:
    """How evidence adds up. Correlations are between contacts with the same object."""

    method: Method = "log_linear"
    heard_weight: float = 1.0
    predicted_weight: float = 0.3
    heard_correlation: float = 0.4
    predicted_correlation: float = 0.95
    temperature: float = 1.0  # of the fused classes; > 1 is less sure
    abstain_below: float = 0.4  # abstain while no class is more probable than this
    dirichlet_concentration: float = 4.0  # pseudo-counts that one fully weighted contact brings
    min_log10_e_std: float = 0.1  # floor of the fused standard deviation [decades]

    def __post_init__(self) -> None:
        if self.method not in ("log_linear", "dirichlet"):
            raise ValueError(f"fusion method is `{self.method}`, known are log_linear, dirichlet")
        for name in ("heard_weight", "predicted_weight"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.0 <= value <= 1.0):
                raise ValueError(f"{name} is {value}, must be in [0, 1]")
        for name in ("heard_correlation", "predicted_correlation", "abstain_below"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.0 <= value <= 1.0):
                raise ValueError(f"{name} is {value}, must be in [0, 1]")
        for name in ("temperature", "dirichlet_concentration", "min_log10_e_std"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise ValueError(f"{name} is {value}, must be positive")


@dataclasses.dataclass(frozen=True)
class FusedBelief:
    """What is believed about one object. The fields are those of MaterialEstimate."""

    probabilities: tuple[float, ...] = ()
    log10_e_mean: float = NAN
    log10_e_std: float = NAN
    roughness: float = NAN
    hollowness: float = NAN
    entropy: float = NAN  # [nat]
    abstain: bool = True
    contacts_heard: int = 0
    contacts_predicted: int = 0
    newest_ns: int = 0
    calibrated_for: str = ""
    position: tuple[float, float, float] = (NAN, NAN, NAN)


def effective_number(n: int, correlation: float) -> float:
    """Number of independent observations that ``n`` observations with this correlation are worth."""
    return 0.0 if n <= 0 else n / (1.0 + (n - 1) * correlation)


def entropy(probabilities: NDArray[np.float64] | Sequence[float]) -> float:
    """Shannon entropy [nat]; NaN of nothing."""
    p = np.asarray(probabilities, dtype=np.float64)
    if p.size == 0:
        return NAN
    positive = p[p > 0]
    return max(0.0, float(-(positive * np.log(positive)).sum()))


def _weights(evidence: Sequence[Evidence], config: FusionConfig) -> NDArray[np.float64]:  # [n]
    """Weight of each piece: those of one kind sum to its effective number times its weight."""
    weights = np.zeros(len(evidence))
    for kind, weight, rho in (
        ("heard", config.heard_weight, config.heard_correlation),
        ("predicted", config.predicted_weight, config.predicted_correlation),
    ):
        members = [i for i, item in enumerate(evidence) if item.kind == kind]
        if members:
            weights[members] = weight * effective_number(len(members), rho) / len(members)
    return weights


def _classes(used: Sequence[Evidence], config: FusionConfig) -> NDArray[np.float64]:  # [labels]
    table = np.stack([item.p() for item in used])  # [n, labels]
    weights = _weights(used, config)
    labels = table.shape[1]
    if config.method == "dirichlet":
        alpha = 1.0 + config.dirichlet_concentration * (weights[:, None] * table).sum(axis=0)
        scores = np.log(alpha)
    else:
        # The prior is uniform, so dividing by it is a constant.
        scores = (weights[:, None] * np.log(np.clip(table, _FLOOR / labels, None))).sum(axis=0)
    scores = scores / config.temperature
    p = np.exp(scores - scores.max())
    return np.asarray(p / p.sum(), dtype=np.float64)


def _gaussian(used: Sequence[Evidence], config: FusionConfig) -> tuple[float, float]:
    if not used:
        return NAN, NAN
    means = np.array([item.log10_e_mean for item in used])
    precision = _weights(used, config) / np.square([item.log10_e_std for item in used])
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
    return float((weights * [getattr(item, name) for item in used]).sum() / weights.sum())


def _finite(evidence: Sequence[Evidence], name: str) -> list[Evidence]:
    return [item for item in evidence if math.isfinite(getattr(item, name))]


def _mean_position(evidence: Sequence[Evidence]) -> tuple[float, float, float]:
    known = [item.position for item in evidence if all(math.isfinite(v) for v in item.position)]
    if not known:
        return (NAN, NAN, NAN)
    x, y, z = np.mean(known, axis=0).tolist()
    return (x, y, z)


def fuse(evidence: Iterable[Evidence], config: FusionConfig | None = None) -> FusedBelief:
    """Fuse all evidence about one object.

    Evidence that abstains is left out of the numbers as long as there is other evidence, and counted all the
    same. The belief abstains when nothing but such evidence is left, or when no class stands out.

    Raises:
        ValueError: probabilities over vocabularies of different size.
    """
    config = config or FusionConfig()
    items = sorted(evidence, key=lambda item: (item.time_ns, item.kind, item.key))
    if not items:
        return FusedBelief()
    heard = [item for item in items if item.kind == "heard"]
    counts = {
        "contacts_heard": len(heard),
        "contacts_predicted": len(items) - len(heard),
        "newest_ns": max(item.time_ns for item in items),
        "position": _mean_position(heard) if heard else _mean_position(items),
    }
    trusted = [item for item in items if not item.abstain]
    used = trusted or items
    with_classes = [item for item in used if item.probabilities]
    sizes = {len(item.probabilities) for item in with_classes}
    if len(sizes) > 1:
        raise ValueError(
            f"evidence is over vocabularies of {sorted(sizes)} labels, they must be the same one"
        )
    p = _classes(with_classes, config) if with_classes else np.zeros(0)
    mean, std = _gaussian(_finite(used, "log10_e_mean"), config)
    # A single contact as the model gave it keeps its calibration; a fused belief has to earn its own.
    single = used[0] if len(used) == 1 and used[0].kind == "heard" else None
    untouched = single is not None and config.heard_weight == 1.0 and config.temperature == 1.0
    return FusedBelief(
        probabilities=tuple(p.tolist()),
        log10_e_mean=mean,
        log10_e_std=std,
        roughness=_average(_finite(used, "roughness"), "roughness", config),
        hollowness=_average(_finite(used, "hollowness"), "hollowness", config),
        entropy=entropy(p),
        abstain=not trusted or p.size == 0 or float(p.max()) < config.abstain_below,
        calibrated_for=single.calibrated_for if single is not None and untouched else "",
        **counts,  # type: ignore[arg-type]
    )
