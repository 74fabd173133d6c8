"""The times files of The Greatest Hits: `time material action reaction` per line."""

from __future__ import annotations

import codecs
import dataclasses
import math
from pathlib import Path

from foley_perception.dataset.schema import DatasetError

_LONGEST_S = 86_400.0  # of a video; a later time is none


@dataclasses.dataclass(frozen=True)
class Hit:
    """One line of a times file; what is not known is empty."""

    time_s: float
    material: str
    action: str
    reaction: str


def read_times(path: Path) -> list[Hit]:
    """Hits in order of time.

    Raises:
        DatasetError: a line has no valid time; the message names file and line.
    """
    hits = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            time_s = float(words[0])
        except ValueError:
            time_s = math.nan
        if not 0 <= time_s <= _LONGEST_S:
            raise DatasetError(
                f"{path}, line {number}: time is `{_shown(words[0])}`, must be seconds from the beginning, at most "
                f"{_LONGEST_S:.0f}; correct the file"
            )
        names = [("" if word == "None" else word) for word in (*words[1:4], "", "", "")[:3]]
        hits.append(Hit(time_s, names[0], names[1], names[2]))
    return sorted(hits, key=lambda hit: hit.time_s)


def read_text(path: Path) -> str:
    """Text as editors save it: UTF-8 with or without a byte order mark, or UTF-16 with one.

    Raises:
        DatasetError: it is neither, or cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error})") from error
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DatasetError(f"{path}, line {line}: is not UTF-8 ({error.reason}); save it as UTF-8") from error


def _shown(word: str) -> str:
    """A word of a file with what cannot be seen made visible."""
    return ascii(word[:40])[1:-1]
