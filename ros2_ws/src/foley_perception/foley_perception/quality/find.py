"""The bags of a folder, however deep they lie."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from foley_perception.dataset.schema import DatasetError
from foley_perception.recording.bag_files import is_bag, loose_files
from foley_perception.recording.beside import WRITING


def bags_below(paths: Iterable[str | Path]) -> list[Path]:
    """Bags among the given folders and files, each once; a folder stands for all bags in it and below it.

    Raises:
        DatasetError: a path does not exist, or holds no bag.
    """
    found: list[Path] = []
    for given in map(Path, paths):
        if not given.exists():
            raise DatasetError(f"{given}: does not exist")
        inside = [given] if given.is_file() or is_bag(given) else _below(given)
        if not inside:
            raise DatasetError(f"{given}: neither a bag nor a folder with bags in it")
        found += inside
    return list({bag.resolve(): bag for bag in found}.values())


def _below(folder: Path) -> list[Path]:
    """In order of their paths. Links to folders are bags or nothing: what they link to is not searched."""
    found: list[Path] = []
    for place, folders, _ in os.walk(folder):
        here = Path(place)
        folders[:] = [
            name for name in folders if not name.startswith(WRITING)
        ]  # not whole, and perhaps never
        bags = [name for name in folders if is_bag(here / name)]
        found += [here / name for name in bags]
        found += loose_files(here)
        folders[:] = [name for name in folders if name not in bags]
    return sorted(found)
