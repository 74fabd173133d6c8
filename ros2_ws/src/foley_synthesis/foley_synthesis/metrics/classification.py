"""Figures of merit, as functions of arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def confusion_matrix(
    truth: NDArray[np.integer],
    said: NDArray[np.integer],
    classes: int,
    weights: NDArray[np.floating] | None = None,
) -> NDArray[np.float64]:
    """[classes, classes], rows are the truth. Rows with an unknown truth (-1) are left out."""
    known = truth >= 0
    flat = truth[known] * classes + said[known]
    w = None if weights is None else weights[known]
    return (
        np.bincount(flat, weights=w, minlength=classes * classes).reshape(classes, classes).astype(np.float64)
    )


def balanced_accuracy(
    truth: NDArray[np.integer],
    said: NDArray[np.integer],
    classes: int,
    weights: NDArray[np.floating] | None = None,
) -> float:
    """Mean recall over the classes that occur; NaN where none does."""
    return balanced_accuracy_of(confusion_matrix(truth, said, classes, weights))


def balanced_accuracy_of(confusion: NDArray[np.floating]) -> float:
    """The same from a confusion matrix."""
    total = confusion.sum(axis=1)
    present = total > 0
    if not present.any():
        return float("nan")
    return float((np.diag(confusion)[present] / total[present]).mean())


def brier_score(
    probabilities: NDArray[np.floating],
    truth: NDArray[np.integer],
    weights: NDArray[np.floating] | None = None,
) -> float:
    """Mean squared distance to the one-hot truth, in [0, 2]."""
    known = truth >= 0
    p = probabilities[known].astype(np.float64)
    of_truth = p[np.arange(len(p)), truth[known]]
    apart = (p**2).sum(axis=1) - 2 * of_truth + 1.0
    return float(apart.mean() if weights is None else np.average(apart, weights=weights[known]))


def log_loss(
    probabilities: NDArray[np.floating],
    truth: NDArray[np.integer],
    weights: NDArray[np.floating] | None = None,
) -> float:
    """Mean negative log likelihood [nat]."""
    known = truth >= 0
    p = probabilities[known][np.arange(int(known.sum())), truth[known]]
    loss = -np.log(np.maximum(p, 1e-12))
    return float(loss.mean() if weights is None else np.average(loss, weights=weights[known]))


def expected_calibration_error(
    probabilities: NDArray[np.floating],
    truth: NDArray[np.integer],
    bins: int = 10,
    weights: NDArray[np.floating] | None = None,
) -> float:
    """Difference of confidence and accuracy, averaged over bins of equal width by their share."""
    known = truth >= 0
    p = probabilities[known]
    w = np.ones(len(p)) if weights is None else weights[known]
    apart = p.max(axis=1) - (p.argmax(axis=1) == truth[known])
    which = np.minimum((p.max(axis=1) * bins).astype(int), bins - 1)
    return float(np.abs(np.bincount(which, w * apart, minlength=bins)).sum() / w.sum())
