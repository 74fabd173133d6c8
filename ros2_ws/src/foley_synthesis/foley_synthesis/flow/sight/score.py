"""How well sight knows what things are: on objects that training never saw, with intervals over their scenes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.flow.sight.examples import Examples
from foley_synthesis.flow.sight.model import Beliefs
from foley_synthesis.flow.what import MATERIALS, SHAPES
from foley_synthesis.metrics.bootstrap import Interval, hierarchical_weights, interval
from foley_synthesis.metrics.classification import (
    balanced_accuracy,
    confusion_matrix,
    expected_calibration_error,
    log_loss,
)
from foley_synthesis.metrics.statistics import mean

Array = NDArray[np.float64]

REPLICATES = 1000  # of the bootstrap
FLOOR = 1e-6  # of a probability that is scored


@dataclasses.dataclass(frozen=True, eq=False)
class Score:
    """Of one way to know what m objects are."""

    figures: dict[str, Interval]
    confusion: Array  # [materials, materials], rows are the truth

    def to_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        return {name: found.to_dict() for name, found in self.figures.items()}


def score(
    said: Beliefs,
    truth: Examples,
    known_shapes: NDArray[np.bool_],
    seed: int = 0,
    replicates: int = REPLICATES,
) -> Score:
    """Score beliefs of each of the objects.

    Args:
        known_shapes: [shapes] which training has seen; others have figures of their own.
    """
    count = len(truth.material)
    weights = hierarchical_weights(truth.scene, [str(k) for k in range(count)], replicates, seed)
    figures = {
        f"material_{name}": found for name, found in _classes(said.material, truth.material, weights).items()
    }
    familiar = known_shapes[truth.shape]
    shape = np.where(familiar, truth.shape, -1)
    for name, found in _classes(said.shape, shape, weights).items():
        figures[f"shape_{name}"] = found
    if familiar.any() and not familiar.all():
        for group, rows in (("known", familiar), ("new", ~familiar)):
            material = np.where(rows, truth.material, -1)
            figures[f"material_accuracy_{group}_shapes"] = interval(
                lambda w, t=material: _accuracy(t, said.material.argmax(axis=1), w),  # type: ignore[misc]
                weights,
            )
    hollow = (truth.hollowness > 0).astype(np.int64)
    two = np.stack([1 - said.hollow, said.hollow], axis=1)
    for name, found in _classes(two, hollow, weights).items():
        figures[f"hollow_{name}"] = found
    off = np.abs(said.log_size - truth.log_size)
    for axis, name in enumerate(("length", "width", "height")):
        figures[f"size_error_{name}"] = interval(lambda w, a=axis: mean(off[:, a], w), weights)  # type: ignore[misc]
    inside = (off <= 1.645 * said.log_size_std).mean(axis=1)
    figures["size_inside_90"] = interval(lambda w: mean(inside, w), weights)
    confusion = confusion_matrix(truth.material, said.material.argmax(axis=1), len(MATERIALS))
    return Score(figures, confusion)


def classes_only(probabilities: Array, truth: Examples, seed: int = 0, replicates: int = REPLICATES) -> Score:
    """Of one that says materials alone [m, materials]."""
    count = len(truth.material)
    weights = hierarchical_weights(truth.scene, [str(k) for k in range(count)], replicates, seed)
    figures = {f"material_{n}": f for n, f in _classes(probabilities, truth.material, weights).items()}
    return Score(figures, confusion_matrix(truth.material, probabilities.argmax(axis=1), len(MATERIALS)))


def look_known(training: Examples, truth: Examples) -> Array | None:
    """What one would say who knew each look without fail [m, materials]: no picture can say more of a material but by
    its shape. None where the looks are not known."""
    looks = sorted({*training.look, *truth.look})
    if "" in looks:
        return None
    counts = np.full((len(looks), len(MATERIALS)), 1e-2)
    for look, material in zip(training.look, training.material, strict=True):
        counts[looks.index(look), material] += 1.0
    shares = counts / counts.sum(axis=1, keepdims=True)
    return np.asarray(shares[[looks.index(look) for look in truth.look]])


def shapes_of(training: Examples) -> NDArray[np.bool_]:
    """[shapes] which occur."""
    return np.bincount(training.shape, minlength=len(SHAPES)) > 0


def _classes(probabilities: Array, truth: NDArray[np.integer], weights: Array) -> dict[str, Interval]:
    """Objects whose truth is -1 are left out."""
    said, classes = probabilities.argmax(axis=1), probabilities.shape[1]
    kept = np.clip(probabilities, FLOOR, 1.0)
    figures: dict[str, Callable[[Array | None], float]] = {
        "balanced_accuracy": lambda w: balanced_accuracy(truth, said, classes, w),
        "log_loss": lambda w: log_loss(*_drawn(kept, truth, w)),
        "ece": lambda w: expected_calibration_error(*_drawn(kept, truth, w)),
    }
    return {name: interval(of, weights) for name, of in figures.items()}


def _drawn(
    probabilities: Array, truth: NDArray[np.integer], weights: Array | None
) -> tuple[Array, NDArray[np.integer]]:
    """Each row as often as a replicate draws it."""
    if weights is None:
        return probabilities, truth
    rows = np.repeat(np.arange(len(truth)), weights.astype(np.int64))
    return probabilities[rows], truth[rows]


def _accuracy(truth: NDArray[np.integer], said: NDArray[np.integer], weights: Array | None) -> float:
    return mean(np.where(truth >= 0, (said == truth).astype(float), np.nan), weights)
