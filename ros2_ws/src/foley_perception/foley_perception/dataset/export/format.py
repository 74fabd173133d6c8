"""What an export format is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from foley_perception.dataset.reader import ClipDataset

Write = Callable[[ClipDataset, Path, Callable[[], None]], None]


@dataclasses.dataclass(frozen=True)
class ExportFormat:
    """A way to write a dataset for other tools.

    ``write`` takes a dataset, a new empty folder, and a function to call after each clip and each window. It may raise
    DatasetError or OSError: then nothing is left of the folder.
    """

    name: str
    help: str  # a line: what is written, and who reads it
    write: Write
