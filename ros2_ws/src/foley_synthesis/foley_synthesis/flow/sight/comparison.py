"""How a trained sight does on several sets of views of the same things, such as the simulator's and those by Gaussians.

Only things that all sets show are scored, so that differences from the first set are paired: thing by thing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.flow.sight.examples import Examples
from foley_synthesis.flow.sight.model import SightModel
from foley_synthesis.flow.sight.score import FLOOR, REPLICATES, Score, score
from foley_synthesis.metrics.bootstrap import Interval, hierarchical_weights, interval, mean_interval
from foley_synthesis.metrics.classification import balanced_accuracy
from foley_synthesis.metrics.statistics import mean

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """Of things that every set shows; the first set is what the others are held against."""

    things: int
    scenes: int
    scores: dict[str, Score]
    differences: dict[str, dict[str, Interval]]  # of every other set: figure of it less that of the first
    likeness: dict[str, dict[str, Interval]]  # of every other set's features to the first one's

    @property
    def figures(self) -> dict[str, Any]:
        """For metrics.json."""

        def plain(sets: dict[str, dict[str, Interval]]) -> dict[str, Any]:
            return {name: {k: found.to_dict() for k, found in of.items()} for name, of in sets.items()}

        return {
            "things": self.things,
            "scenes": self.scenes,
            "scores": {name: found.to_dict() for name, found in self.scores.items()},
            "differences": plain(self.differences),
            "likeness": plain(self.likeness),
        }

    def lines(self) -> list[list[str]]:
        """A table: headings, then a line for each set, then one for each difference."""
        shown = {
            "material_balanced_accuracy": "material, balanced accuracy",
            "material_log_loss": "log loss [nat]",
            "material_ece": "ECE",
        }
        rows = [["", *shown.values()]]
        rows += [[name, *(s.figures[k].text() for k in shown)] for name, s in self.scores.items()]
        first = next(iter(self.scores))
        for name, found in self.differences.items():
            rows.append([f"{name} less {first}", *(found[k].text() if k in found else "" for k in shown)])
        return rows


def compare(
    model: SightModel, sets: Mapping[str, Examples], seed: int = 0, replicates: int = REPLICATES
) -> Comparison:
    """Score a sight on each set, and hold each against the first.

    Raises:
        ValueError: no thing is in all sets, or sight learned in one of the scenes.
    """
    known = set(model.facts.get("train_scenes", ()))
    if learned := sorted({scene for of in sets.values() for scene in of.scene} & known):
        raise ValueError(
            f"sight learned in {len(learned)} of the scenes, such as {learned[0]}; give unseen ones"
        )
    same = _shared(list(sets.values()))
    parts = dict(zip(sets, same, strict=True))
    first = same[0]
    count = len(first.material)
    weights = hierarchical_weights(first.scene, [str(k) for k in range(count)], replicates, seed)
    shapes = model.scaling.pairs.numpy().sum(axis=0) > 0
    said = {name: model.beliefs(of.inputs, of.object, count) for name, of in parts.items()}
    seen = {
        name: model.features(of.inputs, of.object, count).astype(np.float64) for name, of in parts.items()
    }
    reference, *others = parts
    differences, likeness = {}, {}
    for name in others:
        differences[name] = _difference(
            said[name].material, said[reference].material, first.material, weights
        )
        likeness[name] = _likeness(seen[name], seen[reference], weights)
    scores = {name: score(of, first, shapes, seed, replicates) for name, of in said.items()}
    return Comparison(count, len(set(first.scene)), scores, differences, likeness)


def _shared(sets: list[Examples]) -> list[Examples]:
    """The same things of each, in the same order.

    Raises:
        ValueError: there are none.
    """
    names = [list(zip(of.scene, of.name, strict=True)) for of in sets]
    kept = [thing for thing in names[0] if all(thing in other for other in names[1:])]
    if not kept:
        raise ValueError("no thing is in all sets; give sets of views of the same scenes")
    return [
        of.of_objects(np.array([own.index(thing) for thing in kept], np.int64))
        for of, own in zip(sets, names, strict=True)
    ]


def _difference(one: Array, other: Array, truth: NDArray[np.int64], weights: Array) -> dict[str, Interval]:
    """Of materials [m, materials] that ``one`` says, less those of ``other``."""
    classes, rows = one.shape[1], np.arange(len(truth))
    lost = [-np.log(np.clip(said[rows, truth], FLOOR, 1.0)) for said in (one, other)]
    top = [said.argmax(axis=1) for said in (one, other)]

    def accuracy(w: Array | None) -> float:
        return balanced_accuracy(truth, top[0], classes, w) - balanced_accuracy(truth, top[1], classes, w)

    return {
        "material_balanced_accuracy": interval(accuracy, weights),
        "material_log_loss": mean_interval(lost[0] - lost[1], weights),
        "material_same_answer": mean_interval((top[0] == top[1]).astype(float), weights),
    }


def _likeness(one: Array, other: Array, weights: Array) -> dict[str, Interval]:
    """Of features [m, dims] of the same things, about the mean of training."""
    cosines = _unit(one) @ _unit(other).T
    same, things = np.diagonal(cosines), len(cosines)
    apart = (cosines.sum(axis=1) - same) / max(things - 1, 1)
    measured: dict[str, Callable[[Array | None], float]] = {
        "cosine_same_thing": lambda w: mean(same, w),
        "cosine_other_things": lambda w: mean(apart, w),
        "nearest_is_the_same": lambda w: mean((cosines.argmax(axis=1) == np.arange(things)).astype(float), w),
    }
    return {name: interval(of, weights) for name, of in measured.items()}


def _unit(rows: Array) -> Array:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))
