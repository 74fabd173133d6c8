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

from foley_synthesis.checkpoint import CONFIG_FILE, CorruptCheckpoint, load_plain, save_plain, schema_of
from foley_synthesis.flow.codec.config import CodecConfig
from foley_synthesis.flow.codec.network import Codec

SCHEMA = "foley-codec-1"
_IN_FLOW = ("foley-contact-flow-2", "codec.")
"""Schema of a flow's folder, which holds its codec in half precision, and how names of its weights begin there."""
_CURE = "copy the checkpoint again, or train one with `foley codec train`"


def save_codec(codec: Codec, facts: dict[str, Any], path: Path, metrics: dict[str, Any]) -> str:
    """Write the folder whole or not at all (an existing one is replaced) and return the model id."""
    config = {"codec": dataclasses.asdict(codec.config), **facts}
    return save_plain(path, SCHEMA, codec.state_dict(), config, metrics)


def load_codec(path: Path) -> tuple[Codec, dict[str, Any], str]:
    """The codec, what it was trained on, and its model id; of a flow of contacts that which it works in.

    Raises:
        CorruptCheckpoint: a file is missing or damaged, or it is no codec.
    """
    schema, start = _IN_FLOW
    if schema_of(path, _CURE) == schema:
        facts, tensors, flow_id = load_plain(path, schema, _CURE)
        model_id = str(facts.get("codec_id") or flow_id)
        tensors = {
            name.removeprefix(start): value.float()
            for name, value in tensors.items()
            if name.startswith(start)
        }
        facts = {"codec": facts["codec"]}
    else:
        facts, tensors, model_id = load_plain(path, SCHEMA, _CURE)
    try:
        codec = Codec(CodecConfig(**facts.pop("codec")))
        codec.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CorruptCheckpoint(
            path / CONFIG_FILE, f"sizes and weights do not fit ({error})", _CURE
        ) from error
    return codec.eval(), facts, model_id


def is_codec(path: Path) -> bool:
    """Whether a folder says that it is one."""
    try:
        return schema_of(path) == SCHEMA
    except CorruptCheckpoint:
        return False
