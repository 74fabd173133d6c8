"""How good what was taught is, judged by contacts that the head was not taught with."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.teaching.example import Example
from foley_synthesis.teaching.head import balance, fit, fit_slope, floor_of, probabilities

CERTAINTY = 0.9  # of the lower bound
_PARTS = 40  # that are left out in turn, at most; of more contacts or groups some are left out together


@dataclasses.dataclass(frozen=True, eq=False)
class LeftOut:
    """Of n examples, each judged by the others."""

    by: str  # what was left out together: `contact`, or `group`
    labels: NDArray[np.bool_]  # [n]
    scores: NDArray[np.float64]  # [n]
    p: NDArray[np.float64]  # [n], probability of TRUE
    distances: NDArray[np.float64]  # [n] to the nearest of the others

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which are told rightly [n]."""
        return np.asarray((self.p > 0.5) == self.labels)

    @property
    def accuracy(self) -> float:
        """Balanced: mean over both classes."""
        return 0.5 * float(self.right[self.labels].mean() + self.right[~self.labels].mean())

    @property
    def log_loss(self) -> float:
        """Balanced [nat]; one who knows nothing has 0.693."""
        p = np.where(self.labels, self.p, 1.0 - self.p)
        return float(-(balance(self.labels) * np.log(p)).sum())

    @property
    def bound(self) -> float:
        """Lower bound of the accuracy at CERTAINTY (Clopper and Pearson), taking contacts for independent.

        A balanced accuracy varies as that of 4 / (1/a + 1/b) contacts, of which a are positive and b negative.
        """
        return bound_of(self.accuracy, int(self.labels.sum()), int((~self.labels).sum()))

    def to_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        return {
            "by": self.by,
            "contacts": len(self.labels),
            "balanced_accuracy": round(self.accuracy, 4),
            "lower_bound_90": round(self.bound, 4),
            "log_loss": round(self.log_loss, 4),
            "chance": 0.5,
        }


def bound_of(accuracy: float, positives: int, negatives: int) -> float:
    """See :attr:`LeftOut.bound`."""
    from scipy.stats import beta

    count = 4.0 / (1.0 / positives + 1.0 / negatives)
    right = accuracy * count
    return float(beta.ppf(1.0 - CERTAINTY, right, count - right + 1.0)) if right > 0.0 else 0.0


def by_contact(examples: Sequence[Example]) -> LeftOut | None:
    """Each contact by all others; None where a class would have none left."""
    of = np.arange(len(examples)) % _PARTS
    return _judged("contact", examples, of, [of == k for k in range(int(of.max(initial=-1)) + 1)])


def by_group(examples: Sequence[Example]) -> LeftOut | None:
    """Each group by all others; None where there is one alone, or a class would have none left.

    A group of one class is left out together with one of the other, each of them in turn, and scores are averaged:
    groups of the other class that share something with it (the day, the room) would else outnumber its own, and what is
    told by nothing would always be told wrongly.
    """
    labels = np.array([example.label for example in examples], bool)
    names, of = np.unique([example.group for example in examples], return_inverse=True)
    if len(names) < 2:
        return None
    classes = [set(labels[of == k].tolist()) for k in range(len(names))]
    mixed = [k for k, own in enumerate(classes) if len(own) == 2]
    positive, negative = ([k for k, own in enumerate(classes) if own == {label}] for label in (True, False))
    folds = [of == k for k in mixed]
    if positive and negative:
        pairs = [
            (positive[i % len(positive)], negative[(i + shift) % len(negative)])
            for shift in range(min(len(positive), len(negative)))
            for i in range(max(len(positive), len(negative)))
        ]
        folds += [(of == a) | (of == b) for a, b in pairs[: max(_PARTS, len(positive), len(negative))]]
    else:
        folds += [of == k for k in positive + negative]
    return _judged("group", examples, of, folds)


def slope_and_floor(left: LeftOut, groups: int) -> tuple[float, float]:
    """Of the head that is taught with all of them."""
    return fit_slope(left.scores, left.labels), floor_of(groups if left.by == "group" else len(left.labels))


def _judged(
    by: str, examples: Sequence[Example], of: NDArray[np.int64], folds: Sequence[NDArray[np.bool_]]
) -> LeftOut | None:
    """Each fold by what is not in it; None where that is one class alone, or no fold.

    Args:
        of: [n] what an example is left out with; the slope of its scores is fitted to those of others.
        folds: masks [n], which hold each example once or more often.
    """
    labels = np.array([example.label for example in examples], bool)
    if not folds or any(len(set(labels[~out].tolist())) < 2 for out in folds):
        return None
    values = np.stack([example.embedding.values for example in examples])
    sizes = examples[0].embedding.sizes
    scores, distances, times = np.zeros(len(labels)), np.zeros(len(labels)), np.zeros(len(labels))
    for out in folds:
        head = fit(values[~out], labels[~out], sizes)
        scores[out] += head.scores(values[out])
        distances[out] = np.maximum(distances[out], head.nearest(values[out]))
        times[out] += 1.0
    scores /= times
    parts = np.unique(of)
    p, floor = np.zeros(len(labels)), floor_of(len(parts) - 1)
    for k in parts:
        out = of == k
        p[out] = probabilities(scores[out], fit_slope(scores[~out], labels[~out]), floor)
    return LeftOut(by, labels, scores, p, distances)
