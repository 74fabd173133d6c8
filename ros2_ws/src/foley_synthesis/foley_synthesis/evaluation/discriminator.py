"""The discriminator: which of two sounds belongs to this touch?

It says nothing of people: it hears only summaries of a cochleagram, and it can be fooled where people cannot and the
other way round. It is trained on pairs of other scenes than those it decides about, and what it expects of a touch
comes from real training sounds alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Expectation:
    """What a touch should sound like: ridge regression from its context to a summary of the sound."""

    mean: Array  # [d] of the summaries
    spread: Array  # [d]
    context_mean: Array  # [c]
    context_spread: Array  # [c]
    weights: Array  # [c, d]
    residual: Array  # [d] spread of what the context leaves open

    @classmethod
    def fit(
        cls, context: NDArray[np.floating], summary: NDArray[np.floating], ridge: float = 30.0
    ) -> Expectation:
        """From training touches: context [n, c] and summaries of their real sounds [n, d]."""
        context, summary = context.astype(float), summary.astype(float)
        mean, spread = summary.mean(axis=0), summary.std(axis=0) + 1e-6
        context_mean, context_spread = context.mean(axis=0), context.std(axis=0) + 1e-6
        x, y = (context - context_mean) / context_spread, (summary - mean) / spread
        count, dims = x.shape
        if count < dims:  # the same weights, from the smaller matrix
            weights = x.T @ np.linalg.solve(x @ x.T + ridge * np.eye(count), y)
        else:
            weights = np.linalg.solve(x.T @ x + ridge * np.eye(dims), x.T @ y)
        residual = (y - x @ weights).std(axis=0) + 0.05
        return cls(mean, spread, context_mean, context_spread, weights, residual)

    def evidence(self, context: NDArray[np.floating], summary: NDArray[np.floating]) -> Array:
        """What the decision is made from, [n, 2 d + 1]: the sound, how it differs from the expected, and how much."""
        x = (context.astype(float) - self.context_mean) / self.context_spread
        sound = (summary.astype(float) - self.mean) / self.spread
        off = np.clip((sound - x @ self.weights) / self.residual, -6.0, 6.0) ** 2
        return np.concatenate([sound, off, off.mean(axis=1, keepdims=True)], axis=1)


def fooled(
    real: Array,  # [n, e] evidence of the real sounds
    made: Array,  # [n, e] and of the made ones, of the same touches
    scenes: Sequence[str],
    *,
    folds: int = 5,
    strength: float = 0.01,
    seed: int = 0,
) -> Array:
    """For every pair 1 where it takes the made sound for the real one, 0 where it is not, 0.5 in a tie, [n].

    A logistic regression on the difference of the evidence, without a constant, so that the order of a pair cannot
    matter. Pairs of one scene are all in one fold; each fold is judged by what the others taught.
    """
    from sklearn.linear_model import LogisticRegression

    names = sorted(set(scenes))
    if len(names) < 2:
        return np.full(len(real), 0.5)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(names))
    fold_of = {names[i]: k % min(folds, len(names)) for k, i in enumerate(order)}
    fold = np.array([fold_of[s] for s in scenes])
    difference = real - made
    scale = np.abs(difference).mean(axis=0) + 1e-9
    difference = difference / scale
    result = np.full(len(real), 0.5)
    for k in np.unique(fold):
        own = difference[fold != k]
        pairs, answers = np.concatenate([own, -own]), np.repeat([1, 0], len(own))
        model = LogisticRegression(C=strength, fit_intercept=False, max_iter=500).fit(pairs, answers)
        margin = difference[fold == k] @ model.coef_[0]
        result[fold == k] = np.where(np.abs(margin) < 1e-12, 0.5, (margin < 0).astype(float))
    return result
