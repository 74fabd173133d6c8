"""Temperature, spread and abstention, chosen on the validation split alone."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.belief import entropy_of


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Applied to the outputs of one head."""

    temperature: float = 1.0  # logits are divided by it
    std_scale: float = 1.0  # the standard deviation of log10 E is multiplied by it
    entropy_threshold: float = math.inf  # [nat]; above it the head abstains
    calibrated_for: str = ""  # domain and evidence; empty: not calibrated

    def to_dict(self) -> dict[str, Any]:
        """For config.yaml."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Calibration:
        """From config.yaml."""
        return cls(**values)


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities [n, m]."""
    z = logits.astype(np.float64) / temperature
    z = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(z / z.sum(axis=-1, keepdims=True))


def entropies(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Of each row [n, m], in nat."""
    return np.array([entropy_of(row) for row in probabilities], np.float64)


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The temperature in [0.25, 8] with the least negative log likelihood (a line search in its log)."""
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        p = softmax(logits, math.exp(log_temperature))
        return float(-np.log(np.maximum(p[rows, labels], 1e-12)).mean())

    low, high = math.log(0.25), math.log(8.0)
    ratio = (math.sqrt(5.0) - 1.0) / 2.0
    for _ in range(40):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return math.exp((low + high) / 2.0)


def risk_coverage(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Keeping the k surest contacts, for every k: (coverage, risk, entropy of the last one kept), each [n]."""
    entropy = entropies(probabilities)
    order = np.argsort(entropy, kind="stable")
    wrong = (probabilities.argmax(axis=1) != labels)[order]
    kept = np.arange(1, len(labels) + 1)
    return kept / len(labels), np.cumsum(wrong) / kept, entropy[order]


def choose_threshold(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.integer],
    *,
    target_risk: float = 0.2,
    least_coverage: float = 0.4,
) -> float:
    """The entropy up to which the most contacts are kept at this risk; never fewer than the least coverage."""
    coverage, risk, entropy = risk_coverage(probabilities, labels)
    enough = coverage >= least_coverage
    good = enough & (risk <= target_risk)
    chosen = int(np.flatnonzero(good)[-1]) if good.any() else int(np.flatnonzero(enough)[0])
    # Half-way to the next one, so that the threshold is not a knife's edge.
    following = entropy[min(chosen + 1, len(entropy) - 1)]
    return float((entropy[chosen] + following) / 2)


def calibrate(
    logits: NDArray[np.floating],
    labels: NDArray[np.integer],
    log10_e: tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]],
    calibrated_for: str,
) -> Calibration:
    """All of it for one head.

    Args:
        logits: [n, m].
        labels: [n], -1 where unknown.
        log10_e: mean [n], std [n] and truth [n] (NaN where unknown).
        calibrated_for: what the data was.
    """
    known = labels >= 0
    if int(known.sum()) < 8:
        return Calibration()
    temperature = fit_temperature(logits[known], labels[known])
    probabilities = softmax(logits[known], temperature)
    mean, std, truth = log10_e
    measured = np.isfinite(truth)
    z = (truth[measured] - mean[measured]) / std[measured]
    scale = float(np.clip(np.sqrt(np.mean(z**2)), 0.5, 4.0)) if len(z) >= 8 else 1.0
    return Calibration(temperature, scale, choose_threshold(probabilities, labels[known]), calibrated_for)
