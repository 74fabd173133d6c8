"""Statistics of numbers and images, by episode and of all: as LeRobot's `stats.json` has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
Stats = dict[str, Any]  # by name: numbers, or lists of them


def of_numbers(rows: NDArray[Any]) -> Stats:
    """Of numbers [n, d], each column by itself, of what is known; 0 where nothing is."""
    values = np.asarray(rows, np.float64).reshape(len(rows), -1)
    known = np.isfinite(values)
    some = known.any(axis=0)
    filled = np.where(some, values, 0.0)
    stats: Stats = {
        "min": np.nanmin(filled, axis=0),
        "max": np.nanmax(filled, axis=0),
        "mean": np.nanmean(filled, axis=0),
        "std": np.nanstd(filled, axis=0),
    }
    stats |= {name: np.nanquantile(filled, share, axis=0) for name, share in QUANTILES.items()}
    return {**{name: value.tolist() for name, value in stats.items()}, "count": [len(values)]}


class OfImages:
    """Of the pixels of some images, by colour, on a scale of 0 to 1."""

    def __init__(self) -> None:
        self._counts = np.zeros((3, 256), np.int64)
        self._images = 0

    def add(self, image: NDArray[np.uint8]) -> None:
        """RGB [H, W, 3], of which every fourth pixel each way is counted."""
        few = image[::4, ::4]
        for channel in range(3):
            self._counts[channel] += np.bincount(few[..., channel].ravel(), minlength=256)
        self._images += 1

    def stats(self) -> Stats:
        """Each of shape [3, 1, 1]."""
        levels = np.arange(256) / 255.0
        total = np.maximum(self._counts.sum(axis=1), 1)
        mean = self._counts @ levels / total
        there = self._counts > 0
        stats = {
            "min": levels[there.argmax(axis=1)],
            "max": levels[255 - there[:, ::-1].argmax(axis=1)],
            "mean": mean,
            "std": np.sqrt(np.maximum(self._counts @ levels**2 / total - mean**2, 0.0)),
        }
        below = np.cumsum(self._counts, axis=1) / total[:, None]
        stats |= {name: levels[(below < share).sum(axis=1)] for name, share in QUANTILES.items()}
        shaped = {name: value.reshape(3, 1, 1).tolist() for name, value in stats.items()}
        return {**shaped, "count": [self._images]}


def of_all(episodes: Sequence[Stats]) -> Stats:
    """Of all episodes together; quantiles are the means of theirs, weighted by their counts, as LeRobot does."""
    counts = np.array([stats["count"][0] for stats in episodes], np.float64)
    weights = counts / max(float(counts.sum()), 1.0)

    def stacked(name: str) -> NDArray[np.float64]:
        return np.stack([np.asarray(stats[name], np.float64) for stats in episodes])

    def weighted(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.tensordot(weights, values, axes=1), np.float64)

    mean = weighted(stacked("mean"))
    spread = weighted(stacked("std") ** 2 + (stacked("mean") - mean) ** 2)
    found = {
        "min": stacked("min").min(axis=0),
        "max": stacked("max").max(axis=0),
        "mean": mean,
        "std": np.sqrt(spread),
        **{name: weighted(stacked(name)) for name in QUANTILES},
    }
    return {**{name: value.tolist() for name, value in found.items()}, "count": [int(counts.sum())]}
