"""All strategies at the same tables, and what they come to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_bringup.examples.sorting.episode import Episode, Say, run_episode
from foley_bringup.examples.sorting.recorded import Models, RecordedThing, RecordedWorld
from foley_bringup.examples.sorting.strategies import NAMES, TEXT, strategy
from foley_bringup.examples.sorting.task import SortingTask
from foley_synthesis.metrics.bootstrap import hierarchical_weights, interval
from foley_synthesis.metrics.statistics import mean

FIGURES = {
    "success": "tables without a wrong grasp",
    "wrong": "wrong grasps a table",
    "touches": "touches a table",
    "score": "score a table",
}


@dataclasses.dataclass(frozen=True)
class Row:
    """One strategy at one table."""

    seed: int
    scene: str
    strategy: str
    episode: Episode

    def figure(self, name: str) -> float:
        return float(getattr(self.episode, name))


def run_tables(
    scenes: Mapping[str, Sequence[RecordedThing]],
    models: Models,
    task: SortingTask,
    seeds: Sequence[int],
    *,
    names: Sequence[str] = NAMES,
    engine: str = "pyperplan",
    say: Say = lambda line: None,
) -> list[Row]:
    """One table for each seed: the scenes in turn, the order of contacts drawn anew."""
    order, rows = sorted(scenes), []
    for seed in seeds:
        scene = order[seed % len(order)]
        for name in names:
            world = RecordedWorld(scenes[scene], models, task, seed)
            say(f"seed {seed}, {scene}: {TEXT[name]}")
            episode = run_episode(world, task, strategy(name, world, task, seed), engine=engine, say=say)
            rows.append(Row(seed, scene, name, episode))
    return rows


def figures_of(rows: Sequence[Row], *, replicates: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Means with 95 % intervals of a bootstrap over scenes, then tables; differences are of the same tables."""
    tables = sorted({(row.seed, row.scene) for row in rows})
    weights = hierarchical_weights(
        [scene for _, scene in tables], [str(number) for number, _ in tables], replicates, seed
    )
    found: dict[str, Any] = {"tables": len(tables), "scenes": len({scene for _, scene in tables})}
    of: dict[str, dict[str, NDArray[np.float64]]] = {}
    for row in rows:
        arrays = of.setdefault(row.strategy, {name: np.full(len(tables), np.nan) for name in FIGURES})
        for name in FIGURES:
            arrays[name][tables.index((row.seed, row.scene))] = row.figure(name)
    found["strategies"] = {
        name: {figure: _interval(values, weights) for figure, values in arrays.items()}
        for name, arrays in of.items()
    }
    found["not_reached"] = sum(not row.episode.reached for row in rows)
    found["differences"] = {
        f"{first} - {other}": {
            figure: _interval(of[first][figure] - of[other][figure], weights) for figure in FIGURES
        }
        for first, other in _PAIRS
        if first in of and other in of
    }
    return found


_PAIRS = (
    ("suggested", "random"),
    ("suggested", "vision"),
    ("worth", "vision"),
    ("worth", "all"),
)


def _interval(values: NDArray[np.float64], weights: NDArray[np.float64]) -> dict[str, float | None]:
    return interval(lambda w: mean(values, w), weights).to_dict()


def markdown(figures: Mapping[str, Any]) -> str:
    """The table."""
    lines = ["| strategy | " + " | ".join(FIGURES.values()) + " |", "| --- |" + " --- |" * len(FIGURES)]
    for kind in ("strategies", "differences"):
        for name, cells in figures[kind].items():
            told = " | ".join(_cell(cells[figure]) for figure in FIGURES)
            lines.append(f"| {TEXT.get(name, name)} | {told} |")
    return "\n".join(lines) + "\n"


def _cell(cell: Mapping[str, float | None]) -> str:
    value, low, high = (cell[name] for name in ("value", "low", "high"))
    if value is None:
        return ""
    return f"{value:.2f}" + ("" if low is None else f" [{low:.2f}, {high:.2f}]")
