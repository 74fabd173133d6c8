"""The file of a learnt own noise: arrays and facts in one .npz, without pickle."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from foley_perception.own_noise.model import OwnNoise

FILE = "own_noise.npz"
KIND, VERSION = "foley.own_noise", 1
_ARRAYS = ("edges_hz", "knots", "floor", "rise", "spread_db")
_CURE = "learn it anew with `foley calibrate noise`"


class OwnNoiseError(ValueError):
    """A file of own noise was refused; the message names file, field, value and cure."""


def write_own_noise(path: Path, model: OwnNoise) -> Path:
    """Write the file, whole or not at all. A folder gets `own_noise.npz`."""
    path = path / FILE if path.is_dir() or path.suffix != ".npz" else path
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "kind": KIND,
        "version": VERSION,
        "joints": list(model.joints),
        "sample_rate": model.sample_rate,
        "facts": dict(model.facts),
    }
    arrays: dict[str, Any] = {name: np.asarray(getattr(model, name), np.float64) for name in _ARRAYS}
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)
    part.replace(path)
    return path


def read_own_noise(
    path: str | Path, *, microphone: str = "", sample_rate: int = 0, robot: str = ""
) -> OwnNoise:
    """The model of a file, or of a folder with `own_noise.npz`.

    Args:
        microphone, sample_rate, robot: what is heard, where it is known: noise of another one is refused.

    Raises:
        OwnNoiseError: it cannot be read, is of another version, or was learnt of something else.
    """
    file = Path(path).expanduser()
    file = file / FILE if file.is_dir() else file
    try:
        with np.load(file, allow_pickle=False) as content:
            about = json.loads(str(content["about"]))
            arrays = {name: np.asarray(content[name], np.float64) for name in _ARRAYS}
    except OSError as error:
        raise OwnNoiseError(f"{file}: cannot be read ({error.strerror or error}); {_CURE}") from error
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise OwnNoiseError(f"{file}: no file of own noise ({error}); {_CURE}") from error
    model = _model(file, about, arrays)
    check_use(model, str(file), microphone=microphone, sample_rate=sample_rate, robot=robot)
    return model


def check_use(
    model: OwnNoise, where: str, *, microphone: str = "", sample_rate: int = 0, robot: str = ""
) -> None:
    """Whether it is the noise of what is heard; empty or 0 is not asked.

    Raises:
        OwnNoiseError: it was learnt of something else.
    """
    if sample_rate and sample_rate != model.sample_rate:
        raise OwnNoiseError(
            f"{where}: learnt at {model.sample_rate} Hz, the microphone gives {sample_rate} Hz; {_CURE}"
        )
    for name, wanted in (("microphone", microphone), ("robot", robot)):
        told = str(model.facts.get(name) or "")
        if wanted and told and told != wanted:
            raise OwnNoiseError(
                f"{where}: learnt of the {name} `{told}`, this is `{wanted}`; each has a noise of its own: {_CURE}"
            )


def digest_of(path: str | Path) -> str:
    """Of the file's bytes, for the identity of what was made with it. Raises OwnNoiseError."""
    file = Path(path).expanduser()
    file = file / FILE if file.is_dir() else file
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise OwnNoiseError(f"{file}: cannot be read ({error.strerror or error}); {_CURE}") from error


def _model(file: Path, about: Any, arrays: dict[str, Any]) -> OwnNoise:
    if not isinstance(about, dict) or about.get("kind") != KIND:
        raise OwnNoiseError(f"{file}: no file of own noise; {_CURE}")
    if about.get("version") != VERSION:
        raise OwnNoiseError(f"{file}: version {about.get('version')}, this Foley reads {VERSION}; {_CURE}")
    try:
        return OwnNoise(
            joints=tuple(str(name) for name in about["joints"]),
            sample_rate=int(about["sample_rate"]),
            facts=dict(about.get("facts") or {}),
            **arrays,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise OwnNoiseError(f"{file}: damaged ({error}); {_CURE}") from error
