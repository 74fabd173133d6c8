"""What is believed about the material of one touched thing, as plain data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

NAN = math.nan
# log10 of Young's modulus [Pa] is predicted around this value and in this unit: 0.01 GPa to 1 TPa is +-2.5.
LOG10_E_CENTRE = 10.0


def entropy_of(probabilities: ArrayLike) -> float:
    """Shannon entropy [nat] of a distribution [m]; 0 log 0 is 0, and that of nothing NaN."""
    p = np.asarray(probabilities, np.float64)
    if p.size == 0:
        return NAN
    positive = p[p > 0]
    return max(0.0, float(-np.sum(positive * np.log(positive))))


@dataclasses.dataclass(frozen=True)
class MaterialBelief:
    """Probabilities over a vocabulary, and the numbers that go with them: of one contact, or fused over several.

    Unknown numbers are NaN; an unknown material is the uniform distribution with `abstain` set, or none at all.

    Raises:
        ValueError: a field has a value that cannot be; the message names it.
    """

    probabilities: tuple[float, ...] = ()  # [m], sums to one; empty: nothing is known
    vocabulary: tuple[str, ...] = ()  # [m]; empty where only whoever keeps the belief knows it
    log10_e_mean: float = NAN  # log10 of Young's modulus [Pa]
    log10_e_std: float = NAN  # standard deviation of the same
    roughness: float = NAN  # [0, 1]
    hollowness: float = NAN  # [0, 1]
    abstain: bool = False  # too uncertain, or outside of what the model was trained on
    calibrated_for: str = ""  # domain and evidence the probabilities were calibrated on; empty: uncalibrated
    reason: str = ""  # why it abstains; empty where it does not
    unsure: bool = False  # abstains for nothing but its entropy: calibrated all the same, and fit to be fused

    def __post_init__(self) -> None:
        if self.unsure and not self.abstain:
            raise ValueError("unsure is true of a belief that does not abstain")
        if self.vocabulary and len(self.probabilities) != len(self.vocabulary):
            raise ValueError(
                f"probabilities has {len(self.probabilities)} entries, vocabulary has {len(self.vocabulary)}"
            )
        if self.probabilities:
            p = self.p()
            if not np.all(np.isfinite(p)) or np.any(p < 0) or abs(float(p.sum()) - 1.0) > 1e-3:
                raise ValueError(
                    f"probabilities are {self.probabilities}, must be >= 0 and sum to 1, they sum to {float(p.sum())}"
                )
        if math.isinf(self.log10_e_mean):
            raise ValueError(f"log10_e_mean is {self.log10_e_mean}, must be finite or NaN")
        if math.isfinite(self.log10_e_mean) and not 0.0 < self.log10_e_std < math.inf:
            raise ValueError(f"log10_e_std is {self.log10_e_std}, must be positive and finite")
        for name in ("roughness", "hollowness"):
            if math.isinf(getattr(self, name)):
                raise ValueError(f"{name} is {getattr(self, name)}, must be finite or NaN")

    def p(self) -> NDArray[np.float64]:
        """The probabilities [m]."""
        return np.asarray(self.probabilities, dtype=np.float64)

    @property
    def entropy(self) -> float:
        """Of the probabilities [nat]; NaN where nothing is known."""
        return entropy_of(self.probabilities)

    @property
    def best(self) -> str:
        """The most probable material."""
        return self.vocabulary[int(np.argmax(self.probabilities))]

    @property
    def fit(self) -> bool:
        """Whether it may be fused with others: it answers, or is unsure and knows how much."""
        return self.unsure or not self.abstain

    def abstaining(self, reason: str) -> MaterialBelief:
        """The same numbers, marked as not to be acted on."""
        return dataclasses.replace(self, abstain=True, reason=reason, unsure=False)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: NaN becomes None."""

        def number(value: float) -> float | None:
            return round(float(value), 5) if math.isfinite(value) else None

        return {
            "material": self.best if self.p().max(initial=0.0) > self.p().min(initial=1.0) else None,
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


UNKNOWN = MaterialBelief()
"""Nothing is known, and over no vocabulary."""


def unknown_belief(vocabulary: Sequence[str], reason: str) -> MaterialBelief:
    """Nothing is known: uniform, NaN, abstaining for `reason`."""
    m = len(vocabulary)
    return MaterialBelief(
        probabilities=tuple(np.full(m, 1.0 / m, np.float32).tolist()),
        vocabulary=tuple(vocabulary),
        abstain=True,
        reason=reason,
    )
