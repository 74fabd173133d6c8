"""Heads learned from a handful of labelled taps, on features that stay as they are.

Every head is linear in the base model's logits z and in features x, so that one form holds all of them:
log q = log softmax(scale z + x weights + bias). What differs is how it is fitted:

    bias      scale and bias alone, near 1 and 0: the base model under another prior and another temperature
    means     nearest class mean under a shared covariance (linear discriminant analysis), without the base model
    head      logistic regression whose prior mean is the base model (maximum a posteriori)
    mixture   of the probabilities of `bias` and `means`

Numbers that taps must decide (the temperature of `means`, the strength of `head`, the share in `mixture`) are chosen
by leaving recordings out within the taps that are fitted on.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

_SCALE_STD, _BIAS_STD = (
    0.5,
    2.0,
)  # prior of `bias`: of the logits' factor around 1, and of what is added around 0
_STRENGTHS = (1.0, 10.0)  # prior variance of the weights of `head`, for features of about unit length
_SHARES = tuple(k / 10 for k in range(11))
_INNER_FOLDS = 4
_LOG_SCALES = (math.log(1e-2), math.log(1e3))  # searched for `means`
_MEAN_PRIOR = 0.5  # taps at the mean of all that each class mean is drawn towards


@dataclasses.dataclass(frozen=True, eq=False)
class Taps:
    """What heads are fitted on: n taps of c classes."""

    logits: Array  # [n, c] of the base model
    features: Array  # [n, r]
    labels: Labels  # [n]
    groups: Labels  # [n] which recording a tap is of

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        """That are told apart."""
        return int(self.logits.shape[1])

    def at(self, rows: NDArray[np.bool_]) -> Taps:
        """Some of them."""
        return Taps(self.logits[rows], self.features[rows], self.labels[rows], self.groups[rows])

    def balance(self) -> Array:
        """Weights [n] with which every class counts alike, whose sum is one."""
        counts = np.bincount(self.labels, minlength=self.classes)
        weights = 1.0 / counts[self.labels]
        return np.asarray(weights / weights.sum())


@dataclasses.dataclass(frozen=True, eq=False)
class LinearHead:
    """log softmax(scale z + x weights + bias)."""

    scale: float
    weights: Array  # [r, c]
    bias: Array  # [c]

    def raw(self, taps: Taps) -> Array:
        """Before the softmax [n, c]."""
        return np.asarray(self.scale * taps.logits + taps.features @ self.weights + self.bias)


@dataclasses.dataclass(frozen=True, eq=False)
class FewTapHead:
    """A mixture of heads, and a floor: n taps cannot make anybody surer than about 1 - 1 / n."""

    parts: tuple[tuple[float, LinearHead], ...]  # share and head; shares sum to one
    floor: float  # probability that is spread evenly over the classes

    def probabilities(self, taps: Taps) -> Array:
        """[n, c]."""
        q = sum((share * np.exp(log_softmax(head.raw(taps))) for share, head in self.parts), np.float64(0.0))
        return np.asarray((1.0 - self.floor) * q + self.floor / taps.classes)


Fit = Callable[[Taps], FewTapHead]


def log_softmax(raw: Array) -> Array:
    """Of rows [n, c]."""
    centred = raw - raw.max(axis=1, keepdims=True)
    return np.asarray(centred - np.log(np.exp(centred).sum(axis=1, keepdims=True)))


def folds(groups: Labels, labels: Labels, most: int) -> Iterator[NDArray[np.bool_]]:
    """Masks [n] of what is left out: whole recordings, each once; one at a time, or in ``most`` parts alike."""
    names, first = np.unique(groups, return_index=True)
    order = names[np.argsort(labels[first], kind="stable")]  # those of a class lie in different parts
    for part in range(min(most, len(order))):
        yield np.isin(groups, order[part::most])


def left_out(taps: Taps, fit: Callable[[Taps], LinearHead]) -> tuple[Array, NDArray[np.bool_]]:
    """What heads fitted without a tap's recording make of it, before the softmax [n, c], and where that is known.

    A tap whose class is in no other recording is not judged.
    """
    raw, known = np.zeros_like(taps.logits), np.zeros(len(taps), bool)
    for out in folds(taps.groups, taps.labels, _INNER_FOLDS):
        rest = taps.at(~out)
        judged = out & np.isin(taps.labels, rest.labels)
        if judged.any() and len(np.unique(rest.labels)) > 1:
            raw[judged], known = fit(rest).raw(taps.at(judged)), known | judged
    return raw, known


def floor_of(taps: Taps) -> float:
    """Laplace's rule of succession: n times right leaves 1 / (n + 2) for the next one to be wrong."""
    return 1.0 / (len(np.unique(taps.groups)) + 2.0)


def mean_log_loss(probabilities: Array, labels: Labels, weights: Array) -> float:
    """[nat]."""
    p = probabilities[np.arange(len(labels)), labels]
    return float(-(weights * np.log(np.maximum(p, 1e-12))).sum() / weights.sum())


def fit_bias(taps: Taps) -> LinearHead:
    """The base model under another prior and another temperature; convex."""
    z, rows, w = taps.logits, np.arange(len(taps)), taps.balance() * len(taps)

    def loss(at: Array) -> tuple[float, Array]:
        scale, bias = at[0], at[1:]
        log_q = log_softmax(scale * z + bias)
        error = w[:, None] * np.exp(log_q)
        error[rows, taps.labels] -= w
        pull = np.r_[(scale - 1.0) / _SCALE_STD**2, bias / _BIAS_STD**2]
        value = -(w * log_q[rows, taps.labels]).sum() + 0.5 * (pull * np.r_[scale - 1.0, bias]).sum()
        return float(value), np.r_[(error * z).sum(), error.sum(axis=0)] + pull

    best = _minimum(loss, np.r_[1.0, np.zeros(taps.classes)])
    return LinearHead(float(best[0]), np.zeros((taps.features.shape[1], taps.classes)), best[1:])


def fit_means(taps: Taps) -> LinearHead:
    """Nearest class mean, untempered. The covariance within classes is shrunk towards a round one, as r is large."""
    x, y, c = taps.features, taps.labels, taps.classes
    dims = x.shape[1]
    centre = x.mean(axis=0)
    counts = np.bincount(y, minlength=c)[:, None]
    sums = np.stack([x[y == k].sum(axis=0) for k in range(c)])
    means = (sums + _MEAN_PRIOR * centre) / (counts + _MEAN_PRIOR)
    residual = x - (sums / np.maximum(counts, 1))[y]
    free = max(len(x) - len(np.unique(y)), 0)
    scatter = residual.T @ residual
    variance = max(float(np.trace(scatter)) / max(free * dims, 1), 1e-9)
    covariance = (scatter + dims * variance * np.eye(dims)) / (free + dims)
    weights = np.linalg.solve(covariance, (means - centre).T)  # [r, c]
    bias = -0.5 * np.einsum("rc,cr->c", weights, means + centre)
    bias[counts[:, 0] == 0] = -1e3  # nothing is near to a class without taps
    return LinearHead(0.0, weights, bias)


def fit_head(taps: Taps, strength: float) -> LinearHead:
    """Logistic regression around the base model: weights have a prior variance and a mean of zero; convex."""
    z, x, rows, w = taps.logits, taps.features, np.arange(len(taps)), taps.balance() * len(taps)
    shape = (x.shape[1], taps.classes)
    start = fit_bias(taps)

    def loss(at: Array) -> tuple[float, Array]:
        weights, bias = at[: shape[0] * shape[1]].reshape(shape), at[shape[0] * shape[1] :]
        log_q = log_softmax(start.scale * z + x @ weights + bias)
        error = w[:, None] * np.exp(log_q)
        error[rows, taps.labels] -= w
        value = -(w * log_q[rows, taps.labels]).sum() + 0.5 * (
            np.square(weights).sum() / strength + np.square(bias).sum() / _BIAS_STD**2
        )
        slope = np.r_[(x.T @ error + weights / strength).ravel(), error.sum(axis=0) + bias / _BIAS_STD**2]
        return float(value), slope

    best = _minimum(loss, np.r_[np.zeros(shape[0] * shape[1]), start.bias])
    return LinearHead(start.scale, best[: shape[0] * shape[1]].reshape(shape), best[shape[0] * shape[1] :])


def _minimum(loss: Callable[[Array], tuple[float, Array]], start: Array) -> Array:
    from scipy.optimize import minimize

    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 100})
    return np.asarray(found.x, np.float64)


def bias(taps: Taps) -> FewTapHead:
    """The base model under another prior and another temperature."""
    return FewTapHead(((1.0, fit_bias(taps)),), floor_of(taps))


def means(taps: Taps) -> FewTapHead:
    """Nearest class mean, with the temperature that left-out recordings ask for."""
    scale = _means_scale(taps, *left_out(taps, fit_means))
    return FewTapHead(((1.0, _times(fit_means(taps), scale)),), floor_of(taps))


def head(taps: Taps) -> FewTapHead:
    """Logistic regression around the base model, as free as left-out recordings let it be."""
    floor = floor_of(taps)
    losses = []
    for strength in _STRENGTHS:
        raw, known = left_out(taps, lambda some, strength=strength: fit_head(some, strength))  # type: ignore[misc]
        losses.append(_loss(np.exp(log_softmax(raw)), known, taps, floor))
    return FewTapHead(((1.0, fit_head(taps, _STRENGTHS[int(np.argmin(losses))])),), floor)


def mixture(taps: Taps) -> FewTapHead:
    """Probabilities of `bias` and `means` in the shares that left-out recordings ask for."""
    floor = floor_of(taps)
    raw, known = left_out(taps, fit_means)
    scale = _means_scale(taps, raw, known)
    near, base = np.exp(log_softmax(scale * raw)), np.exp(log_softmax(left_out(taps, fit_bias)[0]))
    losses = [_loss(share * near + (1.0 - share) * base, known, taps, floor) for share in _SHARES]
    # Of shares that do equally well, as where too little is known to judge, the one in the middle.
    level = np.flatnonzero(np.array(losses) <= min(losses) + 1e-9)
    share = _SHARES[int(level[len(level) // 2])]
    return FewTapHead(((1.0 - share, fit_bias(taps)), (share, _times(fit_means(taps), scale))), floor)


FITS: Mapping[str, Fit] = {"bias": bias, "means": means, "head": head, "mixture": mixture}


def _means_scale(taps: Taps, raw: Array, known: NDArray[np.bool_]) -> float:
    """By a line search over its logarithm, as the loss has one minimum; 1 where nothing can be judged."""
    if not known.any():
        return 1.0
    floor = floor_of(taps)
    grid = np.linspace(*_LOG_SCALES, 60)
    losses = [_loss(np.exp(log_softmax(math.exp(at) * raw)), known, taps, floor) for at in grid]
    return math.exp(grid[int(np.argmin(losses))])


def _loss(q: Array, known: NDArray[np.bool_], taps: Taps, floor: float) -> float:
    if not known.any():
        return 0.0
    p = (1.0 - floor) * q + floor / taps.classes
    return mean_log_loss(p[known], taps.labels[known], taps.balance()[known])


def _times(head: LinearHead, factor: float) -> LinearHead:
    return LinearHead(head.scale * factor, head.weights * factor, head.bias * factor)


def names_of(labels: Sequence[str]) -> tuple[str, ...]:
    """Classes in the order in which they first come."""
    return tuple(dict.fromkeys(labels))
