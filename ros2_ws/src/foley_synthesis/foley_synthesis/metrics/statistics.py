"""Statistics of measured values, with weights that say how often each item counts (None: each once)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def mean(values: NDArray[np.floating], weights: Array | None = None) -> float:
    """Of values [n]; NaN values are left out, and nothing has the mean NaN."""
    known = np.isfinite(values)
    if weights is None:
        return float(values[known].mean()) if known.any() else float("nan")
    w = weights[known]
    return float(w @ values[known] / w.sum()) if w.sum() > 0 else float("nan")


def absolute_difference(pairs: NDArray[np.floating], weights: Array | None = None) -> float:
    """Mean distance of the two columns of pairs [n, 2]."""
    return mean(np.abs(pairs[:, 0] - pairs[:, 1]), weights)


def correlation(pairs: NDArray[np.floating], weights: Array | None = None) -> float:
    """Pearson's r of pairs [n, 2] over those that are known; 0 where one column does not vary."""
    known = np.isfinite(pairs).all(axis=1)
    a, b = (np.where(known, column, 0.0) for column in pairs.T)
    w = known.astype(float) if weights is None else weights * known
    total = w.sum()
    if total <= 0:
        return float("nan")
    x, y = a - w @ a / total, b - w @ b / total
    size = np.sqrt((w @ (x * x)) * (w @ (y * y)))
    return float(w @ (x * y) / size) if size > 1e-12 else 0.0


def rank_correlation(pairs: NDArray[np.floating], weights: Array | None = None) -> float:
    """Spearman's r of pairs [n, 2] over those that are known: Pearson's of their ranks, equal values sharing one."""
    known = np.isfinite(pairs).all(axis=1)
    own = known.sum() if weights is None else weights[known].sum()
    if own <= 0:
        return float("nan")
    w = np.ones(int(known.sum())) if weights is None else weights[known]
    ranks = np.stack([_ranks(column, w) for column in pairs[known].T], axis=1)
    return correlation(ranks, w)


def _ranks(values: NDArray[np.floating], weights: Array) -> Array:
    """Mean rank of each of values [n] where value i is there ``weights[i]`` times."""
    _, group = np.unique(values, return_inverse=True)
    counts = np.bincount(group, weights)
    return np.asarray((np.cumsum(counts) - 0.5 * (counts - 1.0))[group])


def median(values: NDArray[np.floating], weights: Array | None = None) -> float:
    """Of values [n] with NaN left out; the lower of two middle ones."""
    known = np.isfinite(values)
    w = known.astype(float) if weights is None else weights * known
    if w.sum() <= 0:
        return float("nan")
    order = np.argsort(values)
    reached = np.cumsum(w[order])
    return float(values[order][int(np.searchsorted(reached, 0.5 * reached[-1] - 1e-9))])


def ratio_of_sums(pairs: NDArray[np.floating], weights: Array | None = None) -> float:
    """Sum of the first column of pairs [n, 2] over that of the second."""
    above, below = pairs.sum(axis=0) if weights is None else weights @ pairs
    return float(above / below) if below > 0 else float("nan")


def f1(counts: NDArray[np.floating], weights: Array | None = None) -> float:
    """F1 of all items together, from counts [n, 2]: twice the hits, and what was false or missed."""
    twice, wrong = counts.sum(axis=0) if weights is None else weights @ counts
    return float(twice / (twice + wrong)) if twice + wrong > 0 else float("nan")
