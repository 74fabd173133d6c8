"""A dataset as the commands that need sound and pictures open it: what lacks one is left out, and that is said."""

from __future__ import annotations

import sys
from pathlib import Path

from foley_perception.dataset.reader import ClipDataset


def open_complete(path: str | Path) -> ClipDataset:
    """The clips and windows that have both.

    Raises:
        DatasetError: as of ClipDataset.
    """
    dataset = ClipDataset(path, complete=True)
    for told in (*(f"warning: its splits leak: {leak}" for leak in dataset.leaks), *dataset.left_out):
        print(f"{path}: {told}", file=sys.stderr)
    return dataset
