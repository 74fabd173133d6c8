"""A hearing model adapted to one robot, as a folder beside the model's own: bound to it by its model id.

model.safetensors   one head for each length of sound heard, and what counts as novel now
config.yaml         schema, model id of the base, materials, and what is promised, judged on recordings left out
metrics.json        the report
manifest.yaml       sha256 of the first two files
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.checkpoint import (
    CONFIG_FILE,
    CorruptCheckpoint,
    Vocabulary,
    load_arrays,
    save_plain,
    schema_of,
)
from foley_synthesis.hearing.inference.adapt import Adaptation
from foley_synthesis.hearing.inference.calibration import HearingCalibration, Stage
from foley_synthesis.hearing.inference.conformal import ConformalSets
from foley_synthesis.hearing.inference.risk import Abstention

SCHEMA = "foley-hearing-adaptation-1"
CURE = "copy it again, or make one with `foley train hearing --adapt FOLDER --out DIR`"


@dataclasses.dataclass(frozen=True, eq=False)
class AdaptedStage:
    """What takes the place of a part of the base model's calibration."""

    heard_s: float
    adaptation: Adaptation | None  # None: it did not help at this length
    sets: ConformalSets
    abstention: Abstention
    novelty: NDArray[np.float64]  # quantiles: nothing that is like the taps is novel


@dataclasses.dataclass(frozen=True, eq=False)
class HearingAdaptation:
    """All lengths of sound."""

    base: str  # model id that it is for
    base_at: str  # where that model was: a name that ships, or a folder
    labels: tuple[str, ...]  # the base's vocabulary, then what is new
    stages: tuple[AdaptedStage, ...]  # one for each of the base's
    least_contact: float  # probability of a contact under which none is heard: taps are contacts
    calibrated_for: str
    model_id: str = ""  # empty until saved

    def vocabulary_of(self, base: Vocabulary) -> Vocabulary:
        """Of the adapted model: another one only where something is new."""
        if self.labels == base.labels:
            return base
        version = hashlib.sha256("\n".join(self.labels).encode()).hexdigest()[:8]
        return Vocabulary(base.name, version, self.labels)

    def applied_to(self, calibration: HearingCalibration, model_id: str) -> HearingCalibration:
        """The calibration of the adapted model.

        Raises:
            CorruptCheckpoint: it is for another model.
        """
        lengths = [stage.heard_s for stage in calibration.stages]
        if self.base != model_id or [stage.heard_s for stage in self.stages] != lengths:
            raise CorruptCheckpoint(
                Path(CONFIG_FILE),
                f"the adaptation is for the model {self.base[:12]}, this one is {model_id[:12]}",
                "adapt this one with `foley train hearing --adapt FOLDER --model DIR --out DIR`",
            )
        stages = [_adapted(own, new) for own, new in zip(calibration.stages, self.stages, strict=True)]
        return HearingCalibration(
            tuple(stages), min(calibration.least_contact, self.least_contact), self.calibrated_for
        )


def _adapted(base: Stage, new: AdaptedStage) -> Stage:
    return dataclasses.replace(
        base,
        adaptation=new.adaptation,
        sets=new.sets,
        abstention=new.abstention,
        novelty=dataclasses.replace(base.novelty, quantiles=new.novelty),
    )


def save_adaptation(adaptation: HearingAdaptation, path: Path, metrics: dict[str, Any]) -> str:
    """Write the folder whole or not at all (an existing one is replaced) and return its model id."""
    tensors: dict[str, NDArray[np.floating]] = {}
    stages = []
    for i, stage in enumerate(adaptation.stages):
        own = stage.adaptation
        tensors[f"stage{i}.novelty"] = stage.novelty
        if own is not None:
            tensors |= {f"stage{i}.{name}": value for name, value in own.to_tensors().items()}
        stages.append(
            {
                "heard_s": None if math.isinf(stage.heard_s) else stage.heard_s,
                "adaptation": None if own is None else own.to_config(),
                "sets": stage.sets.to_dict(),
                "abstention": stage.abstention.to_dict(),
            }
        )
    config = {
        "base": adaptation.base,
        "base_at": adaptation.base_at,
        "labels": list(adaptation.labels),
        "least_contact": adaptation.least_contact,
        "calibrated_for": adaptation.calibrated_for,
        "stages": stages,
    }
    weights = {name: np.asarray(value, np.float32) for name, value in tensors.items()}
    return save_plain(path, SCHEMA, weights, config, metrics)


def load_adaptation(path: Path) -> HearingAdaptation:
    """What :func:`save_adaptation` wrote.

    Raises:
        CorruptCheckpoint: a file is missing or damaged, or it is no adaptation.
    """
    config, tensors, model_id = load_arrays(path, SCHEMA, CURE)
    try:
        stages = tuple(_stage(values, tensors, f"stage{i}.") for i, values in enumerate(config["stages"]))
        labels = tuple(map(str, config["labels"]))
        return HearingAdaptation(
            str(config["base"]),
            str(config["base_at"]),
            labels,
            stages,
            float(config["least_contact"]),
            str(config["calibrated_for"]),
            model_id,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptCheckpoint(path / CONFIG_FILE, f"not an adaptation ({error})", CURE) from error


def _stage(values: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], prefix: str) -> AdaptedStage:
    own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    about = values["adaptation"]
    return AdaptedStage(
        math.inf if values["heard_s"] is None else float(values["heard_s"]),
        None if about is None else Adaptation.of(own, about),
        ConformalSets.from_dict(values["sets"]),
        Abstention.from_dict(values["abstention"]),
        np.asarray(own["novelty"], np.float64),
    )


def is_adaptation(path: Path) -> bool:
    """Whether a folder says that it is one."""
    try:
        return schema_of(path) == SCHEMA
    except CorruptCheckpoint:
        return False
