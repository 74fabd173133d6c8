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


def f1(counts: NDArray[np.floating], weights: Array | None = None) -> float:
    """F1 of all items together, from counts [n, 2]: twice the hits, and what was false or missed."""
    twice, wrong = counts.sum(axis=0) if weights is None else weights @ counts
    return float(twice / (twice + wrong)) if twice + wrong > 0 else float("nan")
