"""Datasets: clips around contacts and long windows, with splits that do not leak."""

from foley_perception.dataset.reader import Clip, ClipDataset
from foley_perception.dataset.schema import DatasetError, LeakError

__all__ = ["Clip", "ClipDataset", "DatasetError", "LeakError"]
