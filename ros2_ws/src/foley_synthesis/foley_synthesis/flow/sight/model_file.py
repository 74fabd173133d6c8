"""A trained sight as a folder of plain files.

model.safetensors   weights of the members, how inputs and sizes are scaled, how materials go with shapes, how it errs,
                    principal components of views
config.yaml         schema, sizes, calibration, vision encoder, where the training data came from
metrics.json        figures; not part of the model's identity
manifest.yaml       sha256 of the first two files
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from foley_synthesis.checkpoint import CONFIG_FILE, CorruptCheckpoint, load_plain, save_plain, schema_of
from foley_synthesis.flow.sight.head import HeadConfig, SightHead
from foley_synthesis.flow.sight.model import Confusions, Scaling, SightCalibration, SightModel
from foley_synthesis.flow.what import MATERIALS, SHAPES

SCHEMA = "foley-sight-2"
_CURE = "copy the folder again, or train one with `foley flow sight`"


def save_sight(model: SightModel, path: Path, metrics: dict[str, Any]) -> str:
    """Write the folder whole or not at all (an existing one is replaced) and return the model id."""
    tensors = {
        f"member.{k}.{key}": value
        for k, member in enumerate(model.members)
        for key, value in member.state_dict().items()
    }
    tensors |= {f"scaling.{f.name}": getattr(model.scaling, f.name) for f in dataclasses.fields(Scaling)}
    if model.confusions is not None:
        tensors |= {
            f"confusions.{f.name}": torch.as_tensor(getattr(model.confusions, f.name))
            for f in dataclasses.fields(Confusions)
        }
    config = {
        "head": dataclasses.asdict(model.members[0].config),
        "calibration": dataclasses.asdict(model.calibration),
        "materials": list(MATERIALS),
        "shapes": list(SHAPES),
        **model.facts,
    }
    return save_plain(path, SCHEMA, tensors, config, metrics)


def load_sight(path: Path) -> SightModel:
    """Read and verify a folder.

    Raises:
        CorruptCheckpoint: a file is missing or damaged, or it is no sight.
    """
    config, tensors, model_id = load_plain(path, SCHEMA, _CURE)
    words = (tuple(config.pop("materials", ())), tuple(config.pop("shapes", ())))
    if words != (MATERIALS, SHAPES):
        raise CorruptCheckpoint(path / CONFIG_FILE, "materials or shapes are not those of this Foley", _CURE)
    try:
        head = HeadConfig(**config.pop("head"))
        members = []
        for k in range(head.members):
            start = f"member.{k}."
            member = SightHead(head)
            member.load_state_dict(
                {key.removeprefix(start): v for key, v in tensors.items() if key.startswith(start)}
            )
            members.append(member.eval())
        scaling = Scaling(**{f.name: tensors[f"scaling.{f.name}"] for f in dataclasses.fields(Scaling)})
        calibration = SightCalibration(**config.pop("calibration"))
        confusions = _confusions(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CorruptCheckpoint(
            path / CONFIG_FILE, f"sizes and weights do not fit ({error})", _CURE
        ) from error
    return SightModel(tuple(members), scaling, calibration, config, confusions, model_id)


def _confusions(tensors: dict[str, Tensor]) -> Confusions | None:
    start = "confusions."
    found: dict[str, Any] = {
        k.removeprefix(start): v.double().numpy() for k, v in tensors.items() if k.startswith(start)
    }
    return Confusions(**{**found, "hollowness": float(found["hollowness"])}) if found else None


def is_sight(path: Path) -> bool:
    """Whether a folder says that it is one."""
    try:
        return schema_of(path) == SCHEMA
    except CorruptCheckpoint:
        return False
