"""Intervals that respect how contacts hang together: scenes hold objects, objects hold contacts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.metrics.statistics import mean


@dataclasses.dataclass(frozen=True)
class Interval:
    """A figure and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """For JSON: NaN becomes None."""
        return {
            name: round(float(value), 5) if np.isfinite(value) else None
            for name, value in (("value", self.value), ("low", self.low), ("high", self.high))
        }

    def text(self, form: str = ".3f") -> str:
        """`value [low, high]`; empty where it is unknown, and without an interval where there is none."""
        if not np.isfinite(self.value):
            return ""
        ends = f" [{self.low:{form}}, {self.high:{form}}]" if np.isfinite(self.low) else ""
        return format(self.value, form) + ends


def hierarchical_weights(
    scenes: Sequence[str], objects: Sequence[str], replicates: int, seed: int
) -> NDArray[np.float64]:
    """How often each contact is drawn in each replicate, [replicates, n].

    Scenes are drawn with replacement; in each drawn scene its objects; of each drawn object its contacts. Two
    draws of one scene draw its objects independently.
    """
    if len(scenes) != len(objects):
        raise ValueError(f"{len(scenes)} scenes for {len(objects)} objects, must be one of each per contact")
    tree: dict[str, dict[str, list[int]]] = {}
    for index, (scene, thing) in enumerate(zip(scenes, objects, strict=True)):
        tree.setdefault(scene, {}).setdefault(thing, []).append(index)
    rng = np.random.default_rng(seed)
    weights = np.zeros((replicates, len(scenes)))
    # How often each of k equal things is drawn in n draws is multinomial, and so is the sum over several draws.
    for things, scene_draws in zip(
        tree.values(), _draws(rng, np.full(replicates, len(tree)), len(tree)), strict=True
    ):
        object_draws = _draws(rng, scene_draws * len(things), len(things))
        for rows, draws in zip(things.values(), object_draws, strict=True):
            weights[:, rows] = _draws(rng, draws * len(rows), len(rows)).T
    return weights


def _draws(rng: np.random.Generator, count: NDArray[np.int64], things: int) -> NDArray[np.int64]:
    """How often each thing is drawn in `count` [replicates] draws, [things, replicates]."""
    return np.asarray(rng.multinomial(count, np.full(things, 1.0 / things)).T, np.int64)


def interval(
    statistic: Callable[[NDArray[np.float64] | None], float],
    weights: NDArray[np.float64],
    share: float = 0.95,
) -> Interval:
    """Percentile interval of a statistic that takes weights [n] (None: each contact once)."""
    return of_replicates(statistic(None), np.asarray([statistic(row) for row in weights]), share)


def of_replicates(value: float, replicates: NDArray[np.float64], share: float = 0.95) -> Interval:
    """Percentile interval of a figure from what it is in every replicate; those in which it is NaN are left out."""
    known = replicates[np.isfinite(replicates)]
    tail = 50.0 * (1.0 - share)
    if len(known) == 0:
        return Interval(value, float("nan"), float("nan"))
    low, high = np.percentile(known, [tail, 100.0 - tail])
    return Interval(value, float(low), float(high))


def mean_interval(values: NDArray[np.floating], weights: NDArray[np.float64]) -> Interval:
    """Interval of the mean of values [n]; NaN values are left out."""
    return interval(lambda row: mean(values, row), weights)
