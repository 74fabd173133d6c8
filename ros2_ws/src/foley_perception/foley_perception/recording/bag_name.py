"""What a bag is called after where it lies."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

_SUFFIXES = (".zstd", ".mcap", ".db3")


def bag_name(path: Path) -> str:
    """The name of a bag's folder as it is, or that of its file without what every such file ends with.

    A dot is part of a name: `run.1` and `run.2` are two recordings.
    """
    path = path if path.name not in ("", "..") else path.resolve()
    name = path.name
    if not path.is_dir():
        for suffix in _SUFFIXES:
            name = name.removesuffix(suffix) or name
    return name


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """A name for each bag; of those that are called alike, with as much of the path as tells them apart."""
    places = [(*path.resolve().parts[:-1], bag_name(path)) for path in paths]
    names = [place[-1] for place in places]
    depth = 1
    while len(set(names)) < len(names) and depth < max(map(len, places)):
        depth += 1
        alike = {name for name in names if names.count(name) > 1}
        names = [
            "/".join(place[-depth:]) if name in alike else name
            for name, place in zip(names, places, strict=True)
        ]
    return names


def safe_name(name: str) -> str:
    """A name that files can have; of another name, another one: `a b` is not `a_b`."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
