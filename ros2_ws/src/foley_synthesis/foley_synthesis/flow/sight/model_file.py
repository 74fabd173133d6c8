"""A trained sight as a folder of plain files.

model.safetensors   weights of the members, how inputs and sizes are scaled, how materials go with shapes, how it errs,
                    principal components of views
                    (a compact copy has its matrices as int8 with a scale for each row)
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

from foley_synthesis.checkpoint import (
    CONFIG_FILE,
    CorruptCheckpoint,
    load_plain,
    located,
    save_plain,
    schema_of,
)
from foley_synthesis.flow.sight.head import HeadConfig, SightHead
from foley_synthesis.flow.sight.model import Confusions, Scaling, SightCalibration, SightModel
from foley_synthesis.flow.what import MATERIALS, SHAPES

SCHEMA = "foley-sight-2"
WITHIN = "sight"
"""Folder within that of a flow, of the sight that goes with it."""
_CURE = "copy the folder again, or train one with `foley flow sight`"
_LEAST_PACKED = 10_000  # weights of a matrix


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
    packed = _packed(tensors) if "compact_of" in model.facts else tensors
    return save_plain(path, SCHEMA, packed, config, metrics)


def compact(model: SightModel, members: int) -> SightModel:
    """A model of fewer members that shows a flow the same; see `SightModel.features_id`.

    Raises:
        ValueError: it has fewer members than that, or was not saved.
    """
    if not 1 <= members <= len(model.members):
        raise ValueError(f"members is {members}, must be in [1, {len(model.members)}]")
    if not model.model_id:
        raise ValueError("sight has no model id yet: save it first")
    facts = {**model.facts, "compact_of": model.features_id}
    kept = tuple(SightHead(dataclasses.replace(m.config, members=members)) for m in model.members[:members])
    for head, member in zip(kept, model.members, strict=False):
        head.load_state_dict(member.state_dict())
    return dataclasses.replace(model, members=kept, facts=facts, model_id="")


def sight_within(folder: Path) -> Path | None:
    """The sight that a flow's folder holds; None where it holds none. Raises CorruptCheckpoint: there is no folder."""
    inner = located(folder) / WITHIN
    return inner if inner.is_dir() else None


def _packed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Matrices as int8 with the scale of each row: a weight is changed by half a hundredth of its row's largest."""
    found: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if value.ndim == 2 and value.numel() >= _LEAST_PACKED:
            scale = value.float().abs().amax(dim=1).clamp(min=1e-12) / 127.0
            found[f"{name}.int8"] = (value / scale[:, None]).round().to(torch.int8)
            found[f"{name}.scale"] = scale
        else:
            found[name] = value
    return found


def _unpacked(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    found = {name: value for name, value in tensors.items() if not name.endswith((".int8", ".scale"))}
    for name in (key.removesuffix(".int8") for key in tensors if key.endswith(".int8")):
        found[name] = tensors[f"{name}.int8"].float() * tensors[f"{name}.scale"][:, None]
    return found


def load_sight(path: Path) -> SightModel:
    """Read and verify a folder.

    Raises:
        CorruptCheckpoint: a file is missing or damaged, or it is no sight.
    """
    config, tensors, model_id = load_plain(path, SCHEMA, _CURE)
    tensors = _unpacked(tensors)
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
