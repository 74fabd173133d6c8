"""Which files a bag has, in order, and those that are missing, empty or not named where they should be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foley_perception.recording.damage import Damage
from foley_perception.recording.errors import BagError

_STORED = re.compile(r"(?P<stem>.+?)(?:_(?P<number>\d+))?\.(?:mcap|db3)(?:\.zstd)?$")

_MOST_FILES = 10_000  # of a recording; larger numbers are dates or times


def find_files(path: Path, information: Mapping[str, Any]) -> tuple[list[Path], list[Damage]]:
    """The files of a bag, and what is wrong with them as files.

    Args:
        path: folder of a bag, or one of its files.
        information: of ``metadata.yaml``; empty without it.

    Raises:
        BagError: there is none.
    """
    if not path.is_dir():
        return [path], []
    listed = _listed(information)
    there = sorted((p for p in path.iterdir() if p.is_file() and _STORED.match(p.name)), key=_order)
    files, damages = [], []
    for name, entry in listed.items():
        file = _as_stored(path / name)
        if file is None:
            damages.append(_missing(name, entry))
        elif file not in files:
            files.append(file)
    more = [p for p in there if _plain(p.name) not in {_plain(f.name) for f in files}]
    if not files:
        files += _without_doubles(more)
    else:
        numbers: dict[str, set[int]] = {}
        for file in files:
            stem, number = _split_number(file)
            numbers.setdefault(stem, set()).add(number)
        # A recorder that was killed has not yet named its newest files. Other files are not of this bag.
        for file in _without_doubles(more):
            stem, number = _split_number(file)
            if number >= 0 and -1 not in numbers.get(stem, {-1}):
                damages.append(
                    Damage(file.name, 0, 0, "metadata.yaml does not name it; it is read", messages=0)
                )
                files.append(file)
                files.sort(key=_order)
    known = [*files, *(path / name for name in listed)]
    damages += _holes(path, known, begin=not listed)
    if not files:
        raise BagError(f"{path}: no .mcap or .db3 file in it; give the folder of one bag")
    return files, damages


def _holes(folder: Path, files: list[Path], *, begin: bool) -> list[Damage]:
    """Files that nothing but a gap in the numbers of the others tells of.

    Args:
        begin: the numbers begin at 0. A recorder that drops its oldest files says in metadata.yaml which it kept.
    """
    numbers: dict[str, dict[int, Path]] = {}
    for file in files:
        stem, number = _split_number(file)
        if 0 <= number < _MOST_FILES:
            numbers.setdefault(stem, {})[number] = file
    damages = []
    for stem, there in numbers.items():
        # One file with a number in its name is a part of a recording only where it has the folder's name.
        from_zero = begin and (len(there) > 1 or stem == folder.name)
        before = -1 if from_zero else min(there) - 1
        for number in sorted(there):
            if number > before + 1:
                suffix = Path(_plain(there[number].name)).suffix
                also = f", like the next {number - before - 2}" if number > before + 2 else ""
                what = f"this file is missing{also}, as {there[number].name} tells by its number"
                damages.append(Damage(f"{stem}_{before + 1}{suffix}", 0, 0, what))
            before = number
    return damages


def _listed(information: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Names in ``metadata.yaml``, and what it says of each."""
    entries = {
        Path(str(entry.get("path"))).name: entry
        for entry in information.get("files") or ()
        if isinstance(entry, dict)
    }
    names = [Path(str(name)).name for name in information.get("relative_file_paths") or ()]
    return {name: entries.get(name, entries.get(_plain(name), {})) for name in names}


def _missing(name: str, entry: Mapping[str, Any]) -> Damage:
    count, first, last = entry.get("message_count"), 0, 0
    try:
        first = int(entry["starting_time"]["nanoseconds_since_epoch"])
        last = first + int(entry["duration"]["nanoseconds"])
    except (KeyError, TypeError, ValueError):
        first = last = 0
    # Zero is what a recorder wrote at its start.
    messages = count if isinstance(count, int) and count > 0 else None
    return Damage(name, 0, 0, "metadata.yaml names this file, which is missing", messages, first, last)


def of_unreadable(name: str, reason: str, information: Mapping[str, Any]) -> Damage:
    """A file of which nothing can be read, with what ``metadata.yaml`` says was in it."""
    entry = _listed(information).get(name, {})
    known = _missing(name, entry)
    return Damage(name, 0, 0, reason, known.messages, known.first_ns, known.last_ns)


def is_bag(folder: Path) -> bool:
    """Whether a folder is one bag: it has metadata.yaml, or parts of one recording.

    Other files are one bag each, such as ``monday_1.mcap`` and ``monday_2.mcap`` in a folder of another name.
    """
    try:
        if (folder / "metadata.yaml").is_file():
            return True
        parts = [_split_number(path) for path in folder.iterdir() if _STORED.match(path.name)]
    except OSError:  # of somebody else
        return False
    return any(number == 0 or (number > 0 and stem == folder.name) for stem, number in parts)


def loose_files(folder: Path) -> list[Path]:
    """Files of a folder that is no bag, each of which is one, compressed or not."""
    stored = [path for path in folder.iterdir() if path.is_file() and _STORED.match(path.name)]
    return sorted(_without_doubles(stored))


def message_count(name: str, information: Mapping[str, Any]) -> int | None:
    """Messages in a file, as ``metadata.yaml`` says; None if it does not."""
    listed = _listed(information)
    named = next((n for n in listed if _plain(n) == _plain(name)), None)
    known = _missing(name, listed[named]).messages if named is not None else None
    total = information.get("message_count")
    only = known is None and len(listed) == 1 and named is not None
    return total if only and isinstance(total, int) and total > 0 else known


def _as_stored(file: Path) -> Path | None:
    """A file that may have been compressed or decompressed since its name was written down."""
    plain = file.with_name(_plain(file.name))
    candidates = (file, plain, plain.with_name(plain.name + ".zstd"))
    return next((one for one in candidates if one.is_file()), None)


def _without_doubles(files: list[Path]) -> list[Path]:
    """Not both of a file and its compressed copy."""
    plain = {file.name for file in files if file.suffix != ".zstd"}
    return [file for file in files if file.suffix != ".zstd" or file.stem not in plain]


def _plain(name: str) -> str:
    return name.removesuffix(".zstd")


def _split_number(file: Path) -> tuple[str, int]:
    """Name and number of a file of a split recording; -1 for one that has none."""
    found = _STORED.match(file.name)
    return (found["stem"], int(found["number"] or -1)) if found else (file.name, -1)


def _order(file: Path) -> tuple[list[int], str]:
    return [int(number) for number in re.findall(r"\d+", _plain(file.name).rsplit(".", 1)[0])] or [
        0
    ], file.name
