"""How right answers are, with intervals over scenes, objects, contacts and seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.metrics.bootstrap import Interval
from foley_synthesis.metrics.classification import balanced_accuracy, confusion_matrix

Labels = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class Score:
    """One input on one set. Chance and majority are for the classes that occur in the set."""

    balanced: Interval  # mean recall of the classes, fitted on every training contact
    plain: Interval  # share of the contacts, fitted on every training contact
    seeds_mean: float  # balanced, mean of the fits on a draw of the training contacts
    chance: float
    confusion: NDArray[np.int64]  # [classes, classes], rows are the truth
    p_value: float  # of the balanced accuracy, against labels dealt anew among the objects

    @property
    def beats_chance(self) -> bool:
        """Whether the whole interval lies above chance."""
        return self.balanced.low > self.chance

    @property
    def verdict(self) -> str:
        """In words."""
        if self.beats_chance:
            return "beats chance"
        return "below chance" if self.balanced.high < self.chance else "interval includes chance"

    def to_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        return {
            "balanced_accuracy": self.balanced.to_dict(),
            "accuracy": self.plain.to_dict(),
            "balanced_accuracy_mean_of_draws": round(self.seeds_mean, 5),
            "chance": round(self.chance, 5),
            "p_value": round(self.p_value, 5),
            "verdict": self.verdict,
            "confusion": self.confusion.tolist(),
        }


def score(
    truth: Labels,  # [n]
    fitted_once: Labels,  # [n]
    said: Labels,  # [seeds, n]
    objects: Sequence[str],
    weights: NDArray[np.float64],  # [replicates, n]
    *,
    classes: int,
    permutations: int = 1000,
) -> Score:
    """Each replicate of the bootstrap also draws the S seeds anew, with replacement.

    A draw of the training set holds fewer different scenes than the set, so its fits are worse. Therefore the value
    is of the fit on everything, and the seeds give only the deviation of their mean, scaled by sqrt(S / (S - 1)) so
    that S of them have the variance of the population.

    Raises:
        ValueError: no contacts.
    """
    if len(truth) == 0:
        raise ValueError("0 contacts to score: the set holds none of a class that train knows")
    right = np.stack([fitted_once, *said]) == truth
    accuracies = _accuracies(truth, right.astype(np.float64), weights, classes)
    values = _accuracies(truth, right.astype(np.float64), np.ones((1, len(truth))), classes)
    balanced, plain = (_interval(v[0], r) for v, r in zip(values, accuracies, strict=True))
    return Score(
        balanced=balanced,
        plain=plain,
        seeds_mean=float(values[0][0, 1:].mean()),
        chance=1.0 / len(np.unique(truth)),
        confusion=confusion_matrix(truth, fitted_once, classes).astype(np.int64),
        p_value=permutation_p_value(truth, fitted_once, objects, classes=classes, permutations=permutations),
    )


def permutation_p_value(
    truth: Labels, said: Labels, objects: Sequence[str], *, classes: int, permutations: int, seed: int = 0
) -> float:
    """Share of dealings that do at least as well: the labels of whole objects change places.

    Contacts of one object are not independent, so an object's labels move together: contact i of an object gets
    label i of the other object, over and over where that one has fewer (for materials they are all the same).
    """
    names, group = np.unique(np.asarray(objects, dtype=str), return_inverse=True)
    by_object = np.argsort(group, kind="stable")
    sizes = np.bincount(group, minlength=len(names))
    starts = np.cumsum(sizes) - sizes
    place = np.empty(len(truth), np.int64)  # of a contact among those of its object
    place[by_object] = np.arange(len(truth)) - np.repeat(starts, sizes)
    rng = np.random.default_rng(seed)

    def statistic(labels: Labels) -> float:
        return balanced_accuracy(labels, said, classes)

    observed, as_good = statistic(truth), 0
    for _ in range(permutations):
        other = rng.permutation(len(names))[group]
        as_good += statistic(truth[by_object[starts[other] + place % sizes[other]]]) >= observed - 1e-12
    return (1 + as_good) / (1 + permutations)


def _accuracies(
    truth: Labels, right: NDArray[np.float64], weights: NDArray[np.float64], classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Balanced and plain accuracy, each [replicates, seeds]; NaN where nothing was drawn."""
    member = np.eye(classes)[truth]  # [n, classes]
    total = weights @ member  # [replicates, classes]
    hits = np.stack(
        [weights @ (member * row[:, None]) for row in right], axis=1
    )  # [replicates, seeds, classes]
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(total[:, None] > 0, hits / total[:, None], 0.0)
        balanced = recall.sum(axis=2) / (total > 0).sum(axis=1)[:, None]
        plain = hits.sum(axis=2) / total.sum(axis=1)[:, None]
    return balanced, plain


def _interval(value: NDArray[np.float64], replicates: NDArray[np.float64]) -> Interval:
    """Of [1 + seeds] and [replicates, 1 + seeds]; the fit on everything comes first."""
    fits, seeds = replicates[:, 0], replicates[:, 1:]
    count = seeds.shape[1]
    if count > 1:
        drawn = np.random.default_rng(0).integers(count, size=seeds.shape)
        deviation = np.take_along_axis(seeds, drawn, axis=1).mean(axis=1) - seeds.mean(axis=1)
        fits = np.clip(fits + deviation * np.sqrt(count / (count - 1)), 0.0, 1.0)
    low, high = np.percentile(fits[np.isfinite(fits)], [2.5, 97.5])
    return Interval(float(value[0]), float(low), float(high))
