"""A trained codec as a folder of plain files.

model.safetensors   weights and the scale of the latent
config.yaml         schema, size, what it was trained on
metrics.json        figures of the training; not part of the model's identity
manifest.yaml       sha256 of the first two files
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from foley_common.metrics_file import write_metrics
from foley_synthesis.checkpoint import (
    CONFIG_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    CorruptCheckpoint,
    read_yaml,
    schema_of,
    sha256_of,
    staged,
    write_yaml,
)
from foley_synthesis.flow.codec.config import CodecConfig
from foley_synthesis.flow.codec.network import Codec

SCHEMA = "foley-codec-1"
_CURE = "copy the checkpoint again, or train one with `foley codec train`"


def save_codec(codec: Codec, facts: dict[str, Any], path: Path, metrics: dict[str, Any]) -> str:
    """Write the folder whole or not at all (an existing one is replaced) and return the model id."""
    from safetensors.torch import save_file

    tensors = {name: value.detach().clone().contiguous() for name, value in codec.state_dict().items()}
    with staged(path) as staging:
        save_file(tensors, staging / MODEL_FILE)
        write_yaml(
            staging / CONFIG_FILE, {"schema": SCHEMA, "codec": dataclasses.asdict(codec.config), **facts}
        )
        write_metrics(staging, metrics)
        write_yaml(staging / MANIFEST_FILE, {n: sha256_of(staging / n) for n in (MODEL_FILE, CONFIG_FILE)})
    return sha256_of(path / MANIFEST_FILE)


def load_codec(path: Path) -> tuple[Codec, dict[str, Any], str]:
    """The codec, what it was trained on, and its model id.

    Raises:
        CorruptCheckpoint: a file is missing or damaged, or it is no codec.
    """
    from safetensors.torch import load_file

    manifest = read_yaml(path / MANIFEST_FILE, _CURE)
    for name in (MODEL_FILE, CONFIG_FILE):
        if not (path / name).is_file() or name not in manifest:
            raise CorruptCheckpoint(path / name, "not found, or not named by manifest.yaml", _CURE)
        if sha256_of(path / name) != manifest[name]:
            raise CorruptCheckpoint(path / name, "content does not match the sha256 in manifest.yaml", _CURE)
    facts = read_yaml(path / CONFIG_FILE, _CURE)
    if facts.pop("schema", None) != SCHEMA:
        raise CorruptCheckpoint(path / CONFIG_FILE, f"schema is not `{SCHEMA}`", _CURE)
    try:
        codec = Codec(CodecConfig(**facts.pop("codec")))
        codec.load_state_dict(load_file(path / MODEL_FILE))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CorruptCheckpoint(
            path / CONFIG_FILE, f"sizes and weights do not fit ({error})", _CURE
        ) from error
    return codec.eval(), facts, sha256_of(path / MANIFEST_FILE)


def is_codec(path: Path) -> bool:
    """Whether a folder says that it is one."""
    try:
        return schema_of(path) == SCHEMA
    except CorruptCheckpoint:
        return False
