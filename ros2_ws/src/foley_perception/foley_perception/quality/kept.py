"""What was measured of each bag, kept beside the page, so that a second run measures only what is new.

::

    OUT/report.html, OUT/metrics.json
    OUT/bags/NAME.html           all of one bag, on a page of its own
    OUT/bags/NAME.json           its figures, and of which files they are
    OUT/bags/NAME.pictures.json  what its page shows beside them
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from foley_common.metrics_file import plain
from foley_perception.quality.shown_text import printable
from foley_perception.recording.bag_name import safe_name

VERSION = 1  # of how bags are measured: what an earlier one kept is measured again
FOLDER = "bags"
_LONGEST = 120


def identity(bag: Path, options: str) -> str:
    """Of the files of a bag's folder by name, size and time, and of how they are measured.

    Raises:
        OSError: it is not there any more.
    """
    digest = hashlib.sha256(f"{VERSION} {options}".encode("utf-8", "backslashreplace"))
    files = sorted(f for f in bag.iterdir() if f.is_file()) if bag.is_dir() else [bag]
    for file in files:
        stat = file.stat()
        digest.update(os.fsencode(file.name) + f" {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def file_names(names: Sequence[str]) -> list[str]:
    """What the files of bags are called, different ones for different bags."""
    found: list[str] = []
    for name in names:
        safe = safe_name(printable(name)).lstrip(".") or "bag"
        if len(safe) > _LONGEST:
            safe = f"{safe[:_LONGEST]}-{hashlib.sha256(safe.encode()).hexdigest()[:8]}"
        number = 2
        unique = safe
        while unique in found:  # names that differ in what is no text alone
            unique, number = f"{safe}-{number}", number + 1
        found.append(unique)
    return found


class Kept:
    """The files of one bag.

    Args:
        out: the report's folder.
        name: of the bag, as :func:`file_names` gives it.
    """

    def __init__(self, out: Path, name: str) -> None:
        self.page = out / FOLDER / f"{name}.html"
        self._figures, self._pictures = (
            self.page.with_name(f"{name}.json"),
            self.page.with_name(f"{name}.pictures.json"),
        )

    def figures(self, identity: str) -> dict[str, Any] | None:
        """What was kept, if it is of the same files; None where there is nothing that can be used."""
        found = _read(self._figures)
        usable = found is not None and found.get("identity") == identity and self._pictures.is_file()
        return found if usable else None

    def pictures(self) -> dict[str, Any]:
        return _read(self._pictures) or {"thumbs": {}, "contacts": []}

    def write(self, figures: dict[str, Any], pictures: dict[str, Any]) -> dict[str, Any]:
        """Keep both; returns the figures as they are read again. The pictures come first: figures say all is there."""
        _write(self._pictures, pictures)
        return _write(self._figures, figures)


def _read(path: Path) -> dict[str, Any] | None:
    """None where it is not there, or was not written to its end."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else None
    return None


def _write(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    path.parent.mkdir(parents=True, exist_ok=True)
    shown: dict[str, Any] = printable(plain(content))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(shown, allow_nan=False, separators=(",", ":")), encoding="utf-8")
    temporary.replace(path)
    return shown
