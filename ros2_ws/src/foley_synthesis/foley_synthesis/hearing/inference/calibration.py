"""What makes a hearing model's answers honest, fitted on validation: one set of it for each length of sound heard."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.calibration import softmax
from foley_synthesis.hearing.inference.adapt import Adaptation
from foley_synthesis.hearing.inference.conformal import ConformalSets
from foley_synthesis.hearing.inference.novelty import Novelty
from foley_synthesis.hearing.inference.risk import Abstention

STAGES_S = (0.06, 0.15, 0.5, math.inf)  # of sound after the onset that answers are calibrated for


@dataclasses.dataclass(frozen=True, eq=False)
class Stage:
    """Of answers that rest on so much sound, or on more but less than the next stage's."""

    heard_s: float
    temperature: float  # logits are divided by it
    log10_e_scale: float  # standard deviations are multiplied by it
    log10_density_scale: float
    sets: ConformalSets
    abstention: Abstention
    novelty: Novelty
    adaptation: Adaptation | None = None  # to the things of one robot; kept in a file of its own

    def probabilities(
        self, logits: NDArray[np.floating], embedding: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Of each material of the sets' vocabulary, from logits [m] and an embedding [e]; what is new is impossible
        where nothing was adapted."""
        if self.adaptation is not None:
            adapted = self.adaptation.probabilities(logits[None] / self.temperature, embedding[None])
            return np.asarray(adapted[0])
        known = softmax(logits, self.temperature)
        return np.asarray(np.pad(known, (0, len(self.sets.vocabulary) - len(known))))

    def to_dict(self) -> dict[str, Any]:
        """For YAML, without the novelty, whose numbers are tensors."""
        return {
            "heard_s": None if math.isinf(self.heard_s) else self.heard_s,
            "temperature": self.temperature,
            "log10_e_scale": self.log10_e_scale,
            "log10_density_scale": self.log10_density_scale,
            "sets": self.sets.to_dict(),
            "abstention": self.abstention.to_dict(),
        }


@dataclasses.dataclass(frozen=True, eq=False)
class HearingCalibration:
    """All of it."""

    stages: tuple[Stage, ...]  # from the shortest on
    least_contact: float  # probability of a contact under which none is heard
    calibrated_for: str  # domain of what it was fitted on

    def at(self, heard_s: float) -> Stage:
        """What holds for so much sound after the onset."""
        reached = [stage for stage in self.stages if stage.heard_s <= heard_s]
        return reached[-1] if reached else self.stages[0]

    def to_dict(self) -> dict[str, Any]:
        """For YAML; see :meth:`to_tensors`."""
        return {
            "calibrated_for": self.calibrated_for,
            "least_contact": self.least_contact,
            "stages": [stage.to_dict() for stage in self.stages],
        }

    def to_tensors(self) -> dict[str, NDArray[np.float32]]:
        """For safetensors."""
        tensors: dict[str, NDArray[np.float32]] = {}
        for i, stage in enumerate(self.stages):
            tensors |= stage.novelty.to_tensors(f"novelty{i}.")
        return tensors

    @classmethod
    def of(cls, values: Mapping[str, Any], tensors: Mapping[str, Any]) -> HearingCalibration:
        """What both made. Raises KeyError, TypeError or ValueError for what is missing or nonsense."""
        stages = []
        for i, stage in enumerate(values["stages"]):
            heard_s = stage["heard_s"]
            stages.append(
                Stage(
                    math.inf if heard_s is None else float(heard_s),
                    float(stage["temperature"]),
                    float(stage["log10_e_scale"]),
                    float(stage["log10_density_scale"]),
                    ConformalSets.from_dict(stage["sets"]),
                    Abstention.from_dict(stage["abstention"]),
                    Novelty.from_tensors(tensors, f"novelty{i}."),
                )
            )
        if not stages:
            raise ValueError("calibration has no stages")
        return cls(tuple(stages), float(values["least_contact"]), str(values["calibrated_for"]))
