"""A linear head on frozen embeddings, for a handful of labelled contacts.

Kernel ridge regression on labels of -1 and 1, each class of the same total weight, every view of the embedding of the
same mean energy. A fixed ridge: with five contacts there is nothing to choose it by, and a head without choices can be
judged by leaving contacts out. Scores become probabilities by a slope that is fitted to left-out scores.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import scipy.special
from numpy.typing import NDArray

Array = NDArray[np.float64]

_RIDGE = 0.1  # of the mean energy of an embedding
_LEAST_ENERGY = 1e-3  # of a value of a view; in what varies less there is nothing to hear
_SLOPES = np.geomspace(0.3, 30.0, 61)
_USUAL_SLOPE, _SLOPE_SPREAD = 4.0, 1.0  # prior: median, and standard deviation of the logarithm


@dataclasses.dataclass(frozen=True, eq=False)
class Head:
    """Fitted by :func:`fit`."""

    centre: Array  # [d]
    scale: Array  # [d], centred embeddings are multiplied by it
    examples: Array  # [n, d], scaled
    dual: Array  # [n], weights of the examples

    def scaled(self, values: NDArray[np.floating]) -> Array:
        """Embeddings [k, d] in units in which an example is about 1 long."""
        return np.asarray((np.asarray(values, np.float64) - self.centre) * self.scale)

    def scores(self, values: NDArray[np.floating]) -> Array:
        """Of embeddings [k, d]: about 1 where it is as in positives, -1 as in negatives [k]."""
        return np.asarray(self.scaled(values) @ (self.examples.T @ self.dual))

    def nearest(self, values: NDArray[np.floating]) -> Array:
        """Distance of embeddings [k, d] to the nearest example [k]."""
        x = self.scaled(values)
        squares = np.square(x).sum(axis=1)[:, None] + np.square(self.examples).sum(axis=1)[None]
        return np.asarray(np.sqrt(np.maximum(squares - 2.0 * x @ self.examples.T, 0.0).min(axis=1)))


def fit(
    values: NDArray[np.floating],  # [n, d]
    labels: NDArray[np.bool_],  # [n], both classes
    sizes: Sequence[int],  # of the views in d
) -> Head:
    """Raises ValueError where there is one class alone."""
    if labels.all() or not labels.any():
        raise ValueError(f"{int(labels.sum())} of {len(labels)} are positive, both classes must be there")
    x = np.asarray(values, np.float64)
    # The middle of both classes, however many there are of each.
    centre = 0.5 * (x[labels].mean(axis=0) + x[~labels].mean(axis=0))
    scale, begin = np.zeros(x.shape[1]), 0
    for size in sizes:
        part = slice(begin, begin + size)
        energy = float(np.square(x[:, part] - centre[part]).sum(axis=1).mean())
        scale[part] = 1.0 / math.sqrt(max(energy, _LEAST_ENERGY * size) * len(sizes))
        begin += size
    z = (x - centre) * scale
    weights = balance(labels) * len(labels)
    dual = np.linalg.solve(z @ z.T + _RIDGE * np.diag(1.0 / weights), np.where(labels, 1.0, -1.0))
    return Head(centre, scale, z, dual)


def balance(labels: NDArray[np.bool_]) -> Array:
    """Weights [n] with which both classes count alike; their sum is one."""
    counts = np.where(labels, labels.sum(), (~labels).sum())
    return np.asarray(1.0 / counts / len({*labels.tolist()}))


def fit_slope(scores: Array, labels: NDArray[np.bool_]) -> float:
    """By which scores become log odds: maximum a posteriori, of scores [n] of contacts that were left out."""
    if not len(scores):
        return _USUAL_SLOPE
    weights = balance(labels) * len(labels)
    signed = np.where(labels, scores, -scores)
    losses = [float((weights * np.logaddexp(0.0, -slope * signed)).sum()) for slope in _SLOPES]
    prior = 0.5 * np.square(np.log(_SLOPES / _USUAL_SLOPE) / _SLOPE_SPREAD)
    return float(_SLOPES[int(np.argmin(losses + prior))])


def probabilities(scores: Array, slope: float, floor: float) -> Array:
    """Of scores [n]; nothing is surer than `floor` allows, which is shared by both answers."""
    return np.asarray((1.0 - floor) * scipy.special.expit(slope * scores) + 0.5 * floor)


def floor_of(count: int) -> float:
    """Laplace's rule of succession: so many times right leaves this for the next one to be wrong."""
    return 1.0 / (count + 2.0)
