"""The one measuring loop: what methods predict of items, summed up by metrics, with intervals.

A metric has two halves. ``fn`` measures once what a method predicts of all items; ``statistic`` sums the measured
values up, once as they are and once for every replicate of the bootstrap. Metrics that share ``fn`` share its
values. Whoever adds a metric adds it to a list of them: `metrics.json`, tables, pictures and pages come from there.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.metrics.bootstrap import Interval, hierarchical_weights, of_replicates
from foley_synthesis.metrics.statistics import mean

Array = NDArray[np.float64]
Better = Literal["lower", "higher", "none"]
Given = Literal["nothing", "place", "plan", "motion", "motion and force", "sound", "truth", "unknown"]
DECIMALS = 5  # of every figure in metrics.json


@dataclasses.dataclass(frozen=True, eq=False)
class Item:
    """One thing to be predicted: a contact, or a window of a session."""

    row: int  # of its data set
    scene: str
    group: str  # in the scene, of which items are alike: the object of a contact, the session of a window
    truth: Any = None


@dataclasses.dataclass(frozen=True, eq=False)
class Method:
    """Something that predicts.

    ``predict`` takes the items, and a function to call after each of them; it gives one output about all items for
    every seed that the method was trained with (one where it was not trained).
    """

    key: str  # its name everywhere
    predict: Callable[[Sequence[Item], Callable[[], None]], Sequence[Any]]
    given: Given = "nothing"  # of motion and sound, beside pictures; `truth`: it was given the answer


@dataclasses.dataclass(frozen=True, eq=False)
class Metric:
    """A figure of merit."""

    key: str  # in metrics.json
    title: str
    better: Better
    fn: Callable[[Any, Sequence[Item]], Any]
    """Measured values [n, ...] of one output and the items; NaN where unknown; None: it says nothing of such output."""
    statistic: Callable[[Any, Array | None], float] = mean
    """Of measured values, and of weights [n] of the items (None: each once)."""
    unit: str = ""
    format: str = ".2f"
    bootstrap: bool = True  # else the figure has no interval
    shown: bool = True  # in tables and pictures; metrics.json has all
    note: str = ""  # what a reader of the table must know

    @property
    def heading(self) -> str:
        """Title with unit."""
        return f"{self.title} [{self.unit}]" if self.unit else self.title


@dataclasses.dataclass(frozen=True, eq=False)
class Detail:
    """What a figure is made up of, for metrics.json: anything JSON knows, from the measured values of every seed."""

    key: str
    fn: Callable[[Any, Sequence[Item]], Any]
    summarise: Callable[[list[Any]], Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Cell:
    """A figure of one method."""

    found: Interval  # the mean over seeds
    seeds: int = 1
    seed_std: float = 0.0
    replicates: Array | None = None  # the figure in every replicate
    values: Any = None  # as they were measured, of the first seed

    def to_dict(self, seeds: bool = False) -> dict[str, Any]:
        """For metrics.json: an interval where there is one, and the spread over seeds where it is wanted."""
        figure = self.found.to_dict()
        if self.replicates is None:
            return {"value": figure["value"]}
        spread = {"seeds": self.seeds, "seed_std": round(self.seed_std, DECIMALS)}
        return {**figure, **(spread if seeds else {})}


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """Methods by metrics."""

    items: Sequence[Item]
    metrics: Sequence[Metric]
    cells: dict[str, dict[str, Cell]]  # method -> metric; what a method has no figure of is not there
    details: dict[str, dict[str, Any]]
    given: dict[str, Given]
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)  # beside the figures in metrics.json
    seconds: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    """Method -> `predicting` and `measuring` -> what it took on the clock, bootstrap included."""

    @property
    def shown(self) -> list[Metric]:
        """The metrics of tables and pictures: those that any method has."""
        return [m for m in self.metrics if m.shown and any(m.key in row for row in self.cells.values())]

    def count(self, items: str, groups: str = "") -> dict[str, int]:
        """Of items and scenes, and of groups where they have a name."""
        found = {items: len(self.items), "scenes": len({i.scene for i in self.items})}
        return found | ({groups: len({i.group for i in self.items})} if groups else {})

    def figures(self, seeds: bool = False) -> dict[str, dict[str, Any]]:
        """Method -> metric -> figure, with the details."""
        return {
            method: {key: cell.to_dict(seeds) for key, cell in row.items()} | self.details.get(method, {})
            for method, row in self.cells.items()
        }

    def to_dict(self, seeds: bool = False) -> dict[str, Any]:
        """For metrics.json."""
        return {**self.facts, "methods": self.figures(seeds)}

    def differences(self, pairs: Sequence[tuple[str, str]]) -> dict[str, dict[str, dict[str, float | None]]]:
        """`a > b` -> metric -> figure of a less that of b, paired: within each replicate both are of the same items."""
        found: dict[str, dict[str, dict[str, float | None]]] = {}
        for a, b in pairs:
            if a not in self.cells or b not in self.cells:
                continue
            row = found.setdefault(f"{a} > {b}", {})
            for key in (k for k in self.cells[a] if k in self.cells[b]):
                first, second = self.cells[a][key], self.cells[b][key]
                apart = round(first.found.value, DECIMALS) - round(second.found.value, DECIMALS)
                if first.replicates is not None and second.replicates is not None and np.isfinite(apart):
                    row[key] = of_replicates(apart, first.replicates - second.replicates).to_dict()
        return found


def fixed(key: str, given: Given, outputs: Sequence[Any]) -> Method:
    """A method that has predicted already, with each of its seeds."""
    return Method(key, lambda items, step: outputs, given)


def weights_of(items: Sequence[Item], replicates: int, seed: int) -> Array:
    """How often each item counts in each replicate, [replicates, n]: scenes, their groups and items are drawn."""
    return hierarchical_weights([i.scene for i in items], [i.group for i in items], replicates, seed)


def measure(
    items: Sequence[Item],
    methods: Sequence[Method],
    metrics: Sequence[Metric],
    weights: Array,
    *,
    details: Sequence[Detail] = (),
    seen: Callable[[str, Any], None] = lambda method, output: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    told: Callable[[str, dict[str, float]], None] = lambda method, seconds: None,
) -> Table:
    """Let every method predict, one after the other, and measure it.

    Args:
        weights: [replicates, n] of the items, see `weights_of`. Several seeds are averaged within a replicate.
        seen: called with the method's key and its output for the first seed.
        progress: called with items done and their number over all methods.
        told: called with each method's key when it is measured, and `Table.seconds` of it.

    Raises:
        ValueError: there are no items, or two methods or two metrics of one key.
    """
    if not items:
        raise ValueError("0 items to measure, there must be at least 1")
    for name, keys in (("methods", [m.key for m in methods]), ("metrics", [m.key for m in metrics])):
        if len(set(keys)) < len(keys):
            raise ValueError(f"{name} are {', '.join(keys)}: every key must be there once")
    done, total = 0, len(items) * len(methods)

    def step() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    cells: dict[str, dict[str, Cell]] = {}
    seconds: dict[str, dict[str, float]] = {}
    rest: dict[str, dict[str, Any]] = {}
    for number, method in enumerate(methods):
        begun = time.monotonic()
        outputs = method.predict(items, step)
        predicted = time.monotonic()
        done = (number + 1) * len(items)
        progress(done, total)
        seen(method.key, outputs[0])
        measured: dict[Any, list[Any]] = {
            fn: [fn(output, items) for output in outputs]
            for fn in dict.fromkeys([m.fn for m in metrics] + [d.fn for d in details])
        }
        cells[method.key] = {
            m.key: _cell(m, measured[m.fn], weights) for m in metrics if measured[m.fn][0] is not None
        }
        rest[method.key] = {d.key: d.summarise(measured[d.fn]) for d in details}
        spent = {"predicting": predicted - begun, "measuring": time.monotonic() - predicted}
        seconds[method.key] = {name: round(value, 2) for name, value in spent.items()}
        told(method.key, seconds[method.key])
        del outputs, measured  # sounds take much room: before the next method predicts
    return Table(items, metrics, cells, rest, {m.key: m.given for m in methods}, seconds=seconds)


def figure(value: float) -> Cell:
    """A figure that was measured elsewhere and has no interval."""
    return Cell(Interval(value, float("nan"), float("nan")))


def _cell(metric: Metric, measured: list[Any], weights: Array) -> Cell:
    """Of the mean over seeds."""
    each = [metric.statistic(values, None) for values in measured]
    value = float(np.mean(each))
    if not metric.bootstrap:
        return figure(value)
    replicates = np.array([np.mean([metric.statistic(values, w) for values in measured]) for w in weights])
    spread = float(np.std(each, ddof=1)) if len(each) > 1 and np.isfinite(each).all() else 0.0
    return Cell(of_replicates(value, replicates), len(each), spread, replicates, measured[0])
