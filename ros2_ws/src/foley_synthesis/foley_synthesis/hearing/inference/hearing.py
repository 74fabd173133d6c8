"""What is heard of one contact, as plain data."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.belief import MaterialBelief

_NAN = math.nan


@dataclasses.dataclass(frozen=True, eq=False)
class HeardFeatures:
    """What networks made of one contact on the way to an answer: for heads that others put on them."""

    own: NDArray[np.float32]  # [e], embedding of the network of the simulated world
    frozen: NDArray[
        np.float32
    ]  # [f], of the networks that learned from recordings, scaled; empty without them
    level: NDArray[np.float32]  # [frames, bands] of the front end, dB; NaN where nothing is known


@dataclasses.dataclass(frozen=True, eq=False)
class Hearing:
    """Everything that the hearing model says of one contact. Where nothing was to be heard, numbers are NaN."""

    belief: MaterialBelief
    families: dict[str, float]  # family of materials -> probability
    material_set: tuple[str, ...]  # holds the material in a share `coverage` of contacts; likeliest first
    coverage: float
    action: dict[str, float]  # action -> probability
    log10_density: tuple[float, float]  # mean and standard deviation [kg/m^3]
    contact: float  # probability that a contact is heard at all
    novelty: float  # percentile of what it was calibrated on [%]; near 100: unlike anything there
    embedding: NDArray[np.float32]  # [e]; zeros where nothing was to be heard
    logits: NDArray[np.float32]  # [m], before calibration; zeros where nothing was to be heard
    heard_s: float  # of sound after the onset that it rests on
    bandwidth_hz: float  # up to which the sound holds anything
    features: HeardFeatures | None = None  # None where nothing was to be heard

    def to_dict(self) -> dict[str, Any]:
        """For JSON: NaN becomes None; without embedding, logits and features."""

        def number(value: float) -> float | None:
            return round(float(value), 5) if math.isfinite(value) else None

        mean, std = self.log10_density
        return {
            **self.belief.to_dict(),
            "families": {name: number(p) for name, p in self.families.items()},
            "material_set": list(self.material_set),
            "coverage": number(self.coverage),
            "action": {name: number(p) for name, p in self.action.items()},
            "log10_density": {"mean": number(mean), "std": number(std)},
            "contact": number(self.contact),
            "novelty": number(self.novelty),
            "heard_s": number(self.heard_s),
            "bandwidth_hz": number(self.bandwidth_hz),
        }


def unheard(
    belief: MaterialBelief,  # that says why
    actions: tuple[str, ...],
    embedding: int,
    *,
    families: dict[str, float] | None = None,
) -> Hearing:
    """Nothing was to be heard: every material is possible."""
    vocabulary = belief.vocabulary
    return Hearing(
        belief, dict(families or {}), vocabulary, 1.0, {name: 1.0 / len(actions) for name in actions}, (_NAN, _NAN),
        _NAN, _NAN, np.zeros(embedding, np.float32), np.zeros(len(vocabulary), np.float32), 0.0, _NAN,
    )  # fmt: skip
