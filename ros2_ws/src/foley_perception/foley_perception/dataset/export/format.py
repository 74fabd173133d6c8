"""What an export format is.

A format is made of a data set of clips, or of bags: whole demonstrations. It gives a :class:`Plan`: shards that are
written one after the other, each by itself, so that an export that was cut short goes on where it was
(``unfinished.py``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foley_perception.dataset.reader import ClipDataset

if TYPE_CHECKING:
    from foley_perception.dataset.export.demonstrations import Demonstrations

Step = Callable[[], None]
Facts = dict[str, Any]  # what JSON can hold
Write = Callable[[ClipDataset, Path, Step], None]


@dataclasses.dataclass(frozen=True)
class Shard:
    """A part of an export that is written in one go, and from its start again where that was cut short.

    ``write`` takes an empty folder, in which it lays its files as they are to lie in the export, and a function to call
    after each item. It returns what ``Plan.finish`` must know of it. It may raise DatasetError, EpisodeError or
    OSError.
    """

    name: str  # unique in the export
    items: int
    write: Callable[[Path, Step], Facts]


def _nothing(folder: Path, facts: Mapping[str, Facts]) -> Facts:
    return {}


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a source is written.

    ``finish`` takes the folder and the facts of all shards by name, when all are written. It writes what speaks of
    all of them, and returns what `export.json` is to say besides.
    """

    shards: tuple[Shard, ...]
    about: Facts  # for `export.json`
    finish: Callable[[Path, Mapping[str, Facts]], Facts] = _nothing


@dataclasses.dataclass(frozen=True)
class ShardedFormat:
    """A way to write a data set in shards."""

    name: str
    help: str  # a line: what is written, and who reads it
    plan: Callable[[ClipDataset], Plan]


@dataclasses.dataclass(frozen=True)
class ExportFormat:
    """A way to write a data set in one go: where that is cut short it begins anew.

    ``write`` takes a data set, a new empty folder, and a function to call after each clip and each window. It may raise
    DatasetError or OSError.
    """

    name: str
    help: str
    write: Write

    def plan(self, dataset: ClipDataset) -> Plan:
        def write(folder: Path, step: Step) -> Facts:
            self.write(dataset, folder, step)
            return {}

        return Plan((Shard("all", len(dataset) + len(dataset.windows), write),), {})


@dataclasses.dataclass(frozen=True)
class BagFormat:
    """A way to write bags, each an episode. ``plan`` may look at them, and keeps what it found in the folder given.

    ``check`` raises DatasetError where it cannot be done at all, before anything is begun.
    """

    name: str
    help: str
    plan: Callable[[Demonstrations, Path], Plan]
    video: bool = True  # images may be video, and are where nobody says otherwise
    check: Callable[[Demonstrations], object] = lambda bags: None


AnyFormat = ShardedFormat | ExportFormat | BagFormat
