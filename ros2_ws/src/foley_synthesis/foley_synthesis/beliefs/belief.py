"""What is believed about the material of one touched thing, as plain data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def entropy_of(probabilities: NDArray[np.floating[Any]]) -> float:
    """Shannon entropy [nat] of a distribution [m]; 0 log 0 is 0."""
    p = np.asarray(probabilities, np.float64)
    positive = p[p > 0]
    return float(-np.sum(positive * np.log(positive)))


@dataclasses.dataclass(frozen=True, eq=False)
class MaterialBelief:
    """Probabilities over a vocabulary, and the numbers that go with them.

    Unknown numbers are NaN; an unknown material is the uniform distribution with `abstain` set.
    """

    probabilities: NDArray[np.float32]  # [m], sums to one
    vocabulary: tuple[str, ...]  # [m], probabilities[i] belongs to vocabulary[i]
    log10_e_mean: float  # log10 of Young's modulus [Pa]
    log10_e_std: float  # standard deviation of the same
    roughness: float  # [0, 1]
    hollowness: float  # [0, 1]
    entropy: float  # of `probabilities` [nat]
    abstain: bool  # too uncertain, or outside of what the model was trained on
    calibrated_for: str = ""  # domain and evidence the probabilities were calibrated on; empty: uncalibrated
    reason: str = ""  # why it abstains; empty where it does not

    def __post_init__(self) -> None:
        if len(self.probabilities) != len(self.vocabulary):
            raise ValueError(
                f"probabilities has {len(self.probabilities)} entries, vocabulary has {len(self.vocabulary)}"
            )
        total = float(np.sum(self.probabilities))
        if not math.isclose(total, 1.0, abs_tol=1e-3):
            raise ValueError(f"probabilities sum to {total}, must sum to 1")

    @property
    def best(self) -> str:
        """The most probable material."""
        return self.vocabulary[int(np.argmax(self.probabilities))]

    def abstaining(self, reason: str) -> MaterialBelief:
        """The same numbers, marked as not to be acted on."""
        return dataclasses.replace(self, abstain=True, reason=reason)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: NaN becomes None."""

        def number(value: float) -> float | None:
            return round(float(value), 5) if math.isfinite(value) else None

        return {
            "material": self.best,
            "probabilities": {
                name: round(float(p), 5) for name, p in zip(self.vocabulary, self.probabilities, strict=True)
            },
            "log10_youngs_modulus": {"mean": number(self.log10_e_mean), "std": number(self.log10_e_std)},
            "roughness": number(self.roughness),
            "hollowness": number(self.hollowness),
            "entropy": number(self.entropy),
            "abstain": self.abstain,
            "reason": self.reason,
            "calibrated_for": self.calibrated_for,
        }


def unknown_belief(vocabulary: Sequence[str], reason: str) -> MaterialBelief:
    """Nothing is known: uniform, NaN, abstaining for `reason`."""
    m = len(vocabulary)
    return MaterialBelief(
        probabilities=np.full(m, 1.0 / m, np.float32),
        vocabulary=tuple(vocabulary),
        log10_e_mean=math.nan,
        log10_e_std=math.nan,
        roughness=math.nan,
        hollowness=math.nan,
        entropy=math.log(m),
        abstain=True,
        reason=reason,
    )
