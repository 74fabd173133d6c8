"""Simulated contacts of scenes that no model was trained in: material, family, hardness and calibration."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.evaluation.hearing.answers import Answers
from foley_synthesis.evaluation.hearing.choices import (
    PROBABILITY_METRICS,
    choice_metrics,
    confusion,
    family_members,
    family_metric,
    truth_of,
    with_chance,
)
from foley_synthesis.evaluation.hearing.choices import said as most_probable
from foley_synthesis.evaluation.hearing.sounds import Sound, items_of
from foley_synthesis.evaluation.measure import Array, Item, Metric, Table, fixed, measure, weights_of
from foley_synthesis.flow.what import MATERIALS
from foley_synthesis.metrics.classification import balanced_accuracy


@dataclasses.dataclass(frozen=True, eq=False)
class SimulatedTable:
    """Of the contacts of one set of sessions."""

    table: Table
    confusions: dict[str, NDArray[np.float64]]

    def to_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        counts = np.bincount(truth_of(self.table.items), minlength=len(MATERIALS))
        return {
            **self.table.count("contacts", "objects"),
            "materials": {name: int(k) for name, k in zip(MATERIALS, counts, strict=True)},
            "chance": 1.0 / int((counts > 0).sum()),
            "methods": self.table.figures(),
            "confusion": {name: c.astype(int).tolist() for name, c in self.confusions.items()},
        }


def simulated_table(
    sounds: Sequence[Sound],
    answers: Mapping[str, Answers],
    said: Mapping[str, Array],
    vocabularies: Mapping[str, Sequence[str]],
    *,
    replicates: int = 1000,
    seed: int = 0,
) -> SimulatedTable:
    """Every figure of models, and material and family of simple methods; intervals draw scenes, objects and contacts.

    Args:
        answers: model -> what it says.
        said: simple method -> probabilities [n, 13].
        vocabularies: model -> what it can say.
    """
    items = items_of(sounds, [sound.material for sound in sounds])
    weights = weights_of(items, replicates, seed)
    hardness = np.array([sound.log10_e for sound in sounds])
    every = {name: found.p for name, found in answers.items()} | dict(said)
    metrics: list[Metric] = [*choice_metrics(len(MATERIALS)), family_metric(family_members())]
    choices = measure(items, [fixed(name, "sound", [p]) for name, p in every.items()], metrics, weights)
    cells = choices.cells
    shown = [*metrics]
    if answers:
        of_answers = _answer_metrics(hardness, vocabularies)
        # What a model knows of its own words depends on which model it is.
        outputs = [fixed(name, "sound", [(name, found)]) for name, found in answers.items()]
        told = measure(items, outputs, of_answers, weights)
        cells = {name: row | told.cells.get(name, {}) for name, row in cells.items()}
        shown += of_answers
    table = dataclasses.replace(choices, metrics=shown, cells=cells)
    return SimulatedTable(
        with_chance(table, MATERIALS), {name: confusion(p, items) for name, p in every.items()}
    )


def _answer_metrics(hardness: Array, vocabularies: Mapping[str, Sequence[str]]) -> list[Metric]:
    def error(named: tuple[str, Answers], items: Sequence[Item]) -> Array:
        return np.asarray(np.abs(named[1].log10_e[:, 0] - hardness))

    def sure(named: tuple[str, Answers], items: Sequence[Item]) -> NDArray[np.float64]:
        """[2, n]: whether it answers, and whether that is right."""
        answers = named[1]
        right = most_probable(answers.p) == truth_of(items)
        return np.stack([~answers.abstain, ~answers.abstain & right]).astype(np.float64)

    def own(named: tuple[str, Answers], items: Sequence[Item]) -> NDArray[np.int64]:
        """[2, n]: truth, -1 where the model has no word for it, and said."""
        name, answers = named
        truth = truth_of(items)
        words = [MATERIALS.index(word) for word in vocabularies[name]]
        return np.stack([np.where(np.isin(truth, words), truth, -1), most_probable(answers.p)])

    def coverage(counts: Array, weights: Array | None) -> float:
        w = np.ones(counts.shape[1]) if weights is None else weights
        return float(counts[0] @ w / w.sum())

    def accuracy(counts: Array, weights: Array | None) -> float:
        w = np.ones(counts.shape[1]) if weights is None else weights
        answered = float(counts[0] @ w)
        return float(counts[1] @ w) / answered if answered else float("nan")

    def unwrapped(metric: Metric) -> Metric:
        return dataclasses.replace(metric, fn=lambda named, items: metric.fn(named[1].p, items))

    return [
        Metric("own_words", "of the words it has", "higher", own,
               lambda pair, weights: balanced_accuracy(pair[0], pair[1], len(MATERIALS), weights), format=".3f",
               note="Of the words it has: among contacts with materials of its vocabulary."),
        Metric("hardness_mae", "log10 E error", "lower", error, unit="log10 Pa"),
        *(unwrapped(metric) for metric in PROBABILITY_METRICS),
        Metric("coverage", "answers", "none", sure, coverage),
        Metric("accuracy_answered", "right where it answers", "higher", sure, accuracy),
    ]  # fmt: skip
