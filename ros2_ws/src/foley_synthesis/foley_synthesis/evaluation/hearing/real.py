"""Materials of real recordings: models beside chance and what anybody could have used, pooled and for each source."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.evaluation.hearing.baselines import classes_of
from foley_synthesis.evaluation.hearing.choices import (
    PROBABILITY_METRICS,
    choice_metrics,
    confusion,
    family_members,
    family_metric,
    with_chance,
)
from foley_synthesis.evaluation.hearing.sounds import Sound, items_of
from foley_synthesis.evaluation.measure import Array, Table, fixed, measure, weights_of
from foley_synthesis.flow.what import MATERIALS

ASKED = ("wood", "metal", "stone", "glass")


@dataclasses.dataclass(frozen=True, eq=False)
class RealTable:
    """Of recordings whose material is one of those that are asked for."""

    materials: tuple[str, ...]
    pooled: Table
    sources: dict[str, Table]
    classes: dict[str, dict[str, int]]  # source -> material -> recordings
    confusions: dict[str, NDArray[np.float64]]  # method -> counts

    def to_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        return {
            "materials": list(self.materials),
            "recordings": len(self.pooled.items),
            "classes": self.classes,
            "chance": 1.0 / len(self.materials),
            "pooled": self.pooled.figures(),
            "sources": {name: table.figures() for name, table in self.sources.items()},
            "confusion": {name: counts.astype(int).tolist() for name, counts in self.confusions.items()},
        }


def rows_of(sounds: Sequence[Sound], materials: Sequence[str]) -> NDArray[np.int64]:
    """Which are of one of the materials."""
    return np.flatnonzero(classes_of(sounds, materials) >= 0)


def present(sounds: Sequence[Sound]) -> tuple[str, ...]:
    """The materials that occur."""
    there = {sound.material for sound in sounds}
    return tuple(name for k, name in enumerate(MATERIALS) if k in there)


def real_table(
    sounds: Sequence[Sound],
    materials: Sequence[str],
    said: Mapping[str, Array],
    *,
    meant: Sequence[str] = (),
    replicates: int = 1000,
    seed: int = 0,
) -> RealTable:
    """Balanced accuracy of every method; intervals draw sources, versions of one recording, and recordings.

    Args:
        sounds: all of one of the materials.
        said: method -> probabilities [n, materials].
        meant: the methods of which the probabilities themselves are measured, too.
    """
    truth = classes_of(sounds, materials)
    items = items_of(sounds, truth.tolist())
    metrics = [*choice_metrics(len(materials), scenes="sources")]
    members = family_members()[[MATERIALS.index(name) for name in materials]]
    if (members.sum(axis=0) > 0).sum() < len(materials):  # else it is the same question
        metrics.append(family_metric(members))
    methods = [fixed(name, "sound", [p]) for name, p in said.items()]
    pooled = measure(items, methods, metrics, weights_of(items, replicates, seed))
    if meant:
        calibrated = measure(
            items,
            [m for m in methods if m.key in meant],
            PROBABILITY_METRICS,
            weights_of(items, replicates, seed),
        )
        cells = {name: row | calibrated.cells.get(name, {}) for name, row in pooled.cells.items()}
        pooled = dataclasses.replace(pooled, metrics=[*metrics, *PROBABILITY_METRICS], cells=cells)
    sources: dict[str, Table] = {}
    classes: dict[str, dict[str, int]] = {}
    for source in dict.fromkeys(sound.scene for sound in sounds):
        rows = np.array([k for k, sound in enumerate(sounds) if sound.scene == source])
        classes[source] = {
            name: int((truth[rows] == k).sum())
            for k, name in enumerate(materials)
            if (truth[rows] == k).any()
        }
        # Within a source versions of one recording are what hangs together.
        alone = [dataclasses.replace(s, scene=s.group, group=s.name) for s in (sounds[k] for k in rows)]
        inside = items_of(alone, truth[rows].tolist())
        methods = [fixed(name, "sound", [p[rows]]) for name, p in said.items()]
        sources[source] = measure(
            inside, methods, choice_metrics(len(materials)), weights_of(inside, replicates, seed)
        )
    counts = {name: confusion(p, items) for name, p in said.items()}
    sources = {name: with_chance(table, materials) for name, table in sources.items()}
    return RealTable(tuple(materials), with_chance(pooled, materials), sources, classes, counts)
