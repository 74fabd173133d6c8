"""Many sound files: which ones, what is heard in each, and where results about them go."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.sound_file import UnreadableSound
from foley_synthesis.hearing.inference.sound_file import HeardContact, listen, read_audible
from foley_synthesis.hearing.listening.listener import Listener

SUFFIXES = frozenset(
    (
        *(".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
        *(".aif", ".aiff", ".aifc", ".au", ".snd", ".caf"),
    )
)


@dataclasses.dataclass(frozen=True, eq=False)
class HeardFile:
    """A file and its contacts, or why it could not be heard."""

    path: Path
    contacts: tuple[HeardContact, ...] = ()
    error: str = ""  # names the file
    samples: NDArray[np.float32] = dataclasses.field(default_factory=lambda: np.zeros(0, np.float32))  # [n]
    rate: int = 0

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        if self.error:
            return {"file": str(self.path), "error": self.error}
        return {"file": str(self.path), "contacts": [contact.to_dict() for contact in self.contacts]}

    @property
    def reason(self) -> str:
        """The error without the file's name."""
        return self.error.removeprefix(f"{self.path}: ")


def sound_files(paths: Sequence[Path]) -> list[Path]:
    """The files that are named, and for each folder the sound files anywhere below it, in order; hidden ones not.

    A folder that holds none stays in the list: it is told as what cannot be heard.
    """
    found: list[Path] = []
    for path in paths:
        inside = sorted(_below(path)) if path.is_dir() else []
        found += inside or [path]
    return found


def _below(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (
            Path(where, name)
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        )


def hear_file(path: Path, model: Listener) -> HeardFile:
    """What is heard in one file; never raises for what the file is."""
    try:
        if path.is_dir():
            raise UnreadableSound(f"{path}: holds no sound files ({', '.join(sorted(SUFFIXES))})")
        samples, rate = read_audible(path)
    except UnreadableSound as error:
        return HeardFile(path, error=str(error))
    return HeardFile(path, tuple(listen(samples, rate, model)), samples=samples, rate=rate)


def short_names(paths: Sequence[Path]) -> dict[Path, Path]:
    """Each path from the folder on that all have in common; a single one by its name."""
    absolute = {path: path.absolute() for path in paths}
    common = Path(os.path.commonpath([path.parent for path in absolute.values()])) if paths else Path()
    return {path: whole.relative_to(common) for path, whole in absolute.items()}


def printable(path: Path) -> str:
    """A name that a terminal can show, whatever bytes it is made of."""
    return os.fsencode(path).decode("utf-8", "replace")
