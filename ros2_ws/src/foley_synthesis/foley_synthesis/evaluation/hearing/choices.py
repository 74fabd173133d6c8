"""Which of some materials was said, and how well: metrics of probabilities over classes.

The truth of an item is its class; what is said of n items are probabilities [n, classes].
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.evaluation.measure import Array, Given, Item, Metric, Table, figure
from foley_synthesis.flow.what import MATERIALS
from foley_synthesis.hearing.inference.families import Hierarchy
from foley_synthesis.metrics.classification import (
    balanced_accuracy,
    confusion_matrix,
    expected_calibration_error,
)
from foley_synthesis.metrics.statistics import mean

FAMILIES = ("hard and ringing", "stone", "stiff and dull", "soft", "loose")
"""Of the hierarchy, those that share out all materials."""

CHANCE = "chance"
_LEAST = 1e-3  # of a probability in the log loss: who rules out what is true loses 6.9 nat


def restricted(
    p: Array, materials: Sequence[str], prior: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """What p [n, 13] says once it is known that it is one of some materials, [n, k].

    Args:
        prior: [13] with which p was made; that of the asked ones is taken to be uniform. None: it was uniform.
    """
    asked = [MATERIALS.index(name) for name in materials]
    likely = p[:, asked] if prior is None else p[:, asked] / np.maximum(prior[asked], 1e-6)
    total = likely.sum(axis=1, keepdims=True)
    return np.where(total > 0, likely / np.maximum(total, 1e-300), 1.0 / len(asked))


def family_members() -> NDArray[np.float64]:
    """Which materials each of FAMILIES holds, [13, families]."""
    tree = Hierarchy.over(MATERIALS)
    return np.asarray(tree.members[[tree.index(name) for name in FAMILIES]].T, np.float64)


def said(p: Array, seed: int = 0) -> NDArray[np.int64]:
    """The most probable class [n]; of equal ones any, so that who says nothing is right by chance."""
    noise = np.random.default_rng(seed).random(p.shape)
    return np.asarray((p + 1e-9 * noise).argmax(axis=1), np.int64)


def truth_of(items: Sequence[Item]) -> NDArray[np.int64]:
    """Classes [n]."""
    return np.array([item.truth for item in items], np.int64)


def _triple(p: Array, items: Sequence[Item]) -> NDArray[np.int64]:
    """[3, n]: true, said, and number of the scene."""
    scenes = list(dict.fromkeys(item.scene for item in items))
    return np.stack([truth_of(items), said(p), [scenes.index(item.scene) for item in items]])


def _over_scenes(classes: int) -> Callable[[NDArray[np.int64], Array | None], float]:
    """Balanced accuracy in each scene over the classes that it has, averaged; a scene counts as often as drawn."""

    def statistic(triple: NDArray[np.int64], weights: Array | None) -> float:
        w = np.ones(triple.shape[1]) if weights is None else weights
        found = []
        for scene in np.unique(triple[2]):
            rows = triple[2] == scene
            if w[rows].sum() > 0:
                drawn = 1.0 if weights is None else float(w[rows].sum() / rows.sum())
                found.append((balanced_accuracy(triple[0, rows], triple[1, rows], classes, w[rows]), drawn))
        values, times = np.array(found).T
        return float(values @ times / times.sum())

    return statistic


def choice_metrics(classes: int, *, scenes: str = "") -> tuple[Metric, ...]:
    """Balanced accuracy, and its mean over scenes where these have a name."""
    metrics = [
        Metric(
            "balanced_accuracy", "balanced accuracy", "higher", _triple,
            lambda t, weights: balanced_accuracy(t[0], t[1], classes, weights), format=".3f",
            note="Balanced accuracy is the mean recall over the classes that occur.",
        )
    ]  # fmt: skip
    if scenes:
        metrics.append(
            Metric(
                "mean_over_scenes", f"mean over {scenes}", "higher", _triple, _over_scenes(classes), format=".3f",
                note=f"The mean over {scenes} has in each the classes that it has.",
            )
        )  # fmt: skip
    return tuple(metrics)


def family_metric(members: NDArray[np.float64]) -> Metric:
    """Balanced accuracy of the family of what is said; `members` [classes, families]: which of them a class is in."""
    of_class = members.argmax(axis=1)

    def pair(p: Array, items: Sequence[Item]) -> NDArray[np.int64]:
        return np.stack([of_class[truth_of(items)], of_class[said(p)]])

    return Metric(
        "family", "family", "higher", pair,
        lambda t, weights: balanced_accuracy(t[0], t[1], members.shape[1], weights), format=".3f",
        note=f"Families: {', '.join(FAMILIES)}.",
    )  # fmt: skip


def log_losses(p: Array, items: Sequence[Item]) -> Array:
    """[n] in nat."""
    return np.asarray(-np.log(np.maximum(p[np.arange(len(items)), truth_of(items)], _LEAST)))


def _calibration(p: Array, items: Sequence[Item]) -> tuple[Array, NDArray[np.int64]]:
    return p, truth_of(items)


PROBABILITY_METRICS = (
    Metric("log_loss", "log loss", "lower", log_losses, mean, format=".2f",
           note="Of log losses a probability counts as at least 0.001."),
    Metric("ece", "ECE", "lower", _calibration, lambda c, _: expected_calibration_error(*c), format=".3f",
           bootstrap=False),
)  # fmt: skip
"""Of methods that mean their probabilities."""


def confusion(p: Array, items: Sequence[Item]) -> NDArray[np.float64]:
    """Counts [classes, classes], rows are the truth."""
    return confusion_matrix(truth_of(items), said(p), p.shape[1])


def with_chance(table: Table, materials: Sequence[str]) -> Table:
    """The same with a first row of who draws one of the materials, or of their families: exact, as luck has no part."""
    families = int((family_members()[[MATERIALS.index(name) for name in materials]].sum(axis=0) > 0).sum())
    chances = {"balanced_accuracy": len(materials), "mean_over_scenes": len(materials), "family": families}
    keys = [metric.key for metric in table.metrics]
    row = {key: figure(1.0 / choices) for key, choices in chances.items() if key in keys}
    given: dict[str, Given] = {CHANCE: "nothing", **table.given}
    return dataclasses.replace(table, cells={CHANCE: row, **table.cells}, given=given)
