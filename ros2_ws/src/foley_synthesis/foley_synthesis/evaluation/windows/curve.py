"""Learning curves: one model after the other at given hours of data and sizes, measured on windows of validation.

The scenes of a smaller share are among those of every larger one. Runs end after equal steps, or after equal minutes:
the first say what more data would give, the second what they give whoever has no more time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from foley_synthesis.evaluation.measure import Item, fixed, measure, weights_of
from foley_synthesis.evaluation.windows.kept import kept, key_of
from foley_synthesis.evaluation.windows.metrics import FOREGROUND, PAPER
from foley_synthesis.evaluation.windows.models import check_unseen, load_window_model
from foley_synthesis.evaluation.windows.sounds import WindowOutput, WindowTruth
from foley_synthesis.flow.networks.mel import RATE
from foley_synthesis.flow.window_model import EvaluationWindow, WindowModel

SHOWN = ("energy_db", "foreground_db", "onset_f1")
_METRICS = tuple(m for m in (*FOREGROUND, *PAPER) if m.key in SHOWN)
REPLICATES = 500
_ENDLESS_MINUTES = 1e6


@dataclasses.dataclass(frozen=True)
class Point:
    """One training.

    Raises:
        ValueError: neither steps nor minutes end it, or both.
    """

    hours: float  # of data
    size: str
    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError(f"{self}: either steps or minutes must end it")
        if not self.hours > 0:
            raise ValueError(f"hours is {self.hours}, must be positive")

    @property
    def line(self) -> str:
        """What it has in common with the points that it is joined to."""
        end = f"{self.steps} steps" if self.steps is not None else f"{self.minutes:g} minutes"
        return f"{self.size}, {end}"

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.hours:g}h_{self.line.replace(', ', '_').replace(' ', '_')}"

    @property
    def pace(self) -> dict[str, Any]:
        """Of the training's settings."""
        return {"steps": self.steps, "minutes": self.minutes or _ENDLESS_MINUTES}


class Learner(Protocol):
    """What learns, of whichever data it has."""

    def hours(self) -> float:
        """Of training data."""

    def mark(self, point: Point) -> str:
        """Of data and settings of a point: changes where its result would."""

    def learn(
        self, point: Point, out: Path, resume: bool, report: Callable[[float, dict[str, float]], None]
    ) -> dict[str, Any]:
        """Train into a folder; hours that it had, parameters, steps and seconds.

        Raises:
            Interrupted: on Ctrl-C.
        """


def points_of(
    hours: Sequence[float], sizes: Sequence[str], steps: int | None, minutes: float | None
) -> list[Point]:
    """All, those with little data first.

    Raises:
        ValueError: there are none, or two alike.
    """
    ends = [{"steps": steps}] if steps is not None else []
    ends += [{"minutes": minutes}] if minutes is not None else []  # type: ignore[dict-item]
    points = [Point(h, size, **end) for h in sorted(hours) for size in sizes for end in ends]  # type: ignore[arg-type]
    if not points:
        raise ValueError("there is nothing to train: name hours, sizes, and steps or minutes")
    if len(set(points)) < len(points):
        raise ValueError("hours and sizes must be named once each")
    return points


def nested(scenes: Mapping[str, float], hours: float, seed: int) -> frozenset[str]:
    """Scenes that last so long together at least; those of fewer hours are among them.

    Args:
        scenes: how long each lasts [hours].

    Raises:
        ValueError: all together are shorter.
    """
    order = np.random.default_rng(seed).permutation(len(scenes))
    names, chosen, total = sorted(scenes), [], 0.0
    for k in order:
        if total >= hours:
            break
        chosen.append(names[k])
        total += scenes[names[k]]
    if total < hours - 1e-9:
        raise ValueError(f"{hours:g} h were asked for, the training scenes last {total:.3g} h together")
    return frozenset(chosen)


def trace(
    learner: Learner,
    points: Sequence[Point],
    windows: Sequence[EvaluationWindow],
    out: Path,
    *,
    draws: int = 4,
    seed: int = 0,
    resume: bool = False,
    report: Callable[[Point, float, dict[str, float]], None] = lambda point, done, figures: None,
    found: Callable[[list[dict[str, Any]]], None] = lambda rows: None,
) -> list[dict[str, Any]]:
    """Train and measure every point that has not been; a row for each.

    Args:
        windows: of validation.
        resume: what an interrupted run has found is kept.
        found: called with all rows so far after each point.

    Raises:
        Interrupted: on Ctrl-C.
        ValueError: there is less data than a point asks for, or a model was trained in a scene of the windows.
    """
    if (most := max(point.hours for point in points)) > learner.hours() + 1e-9:
        raise ValueError(f"{most:g} h were asked for, there are {learner.hours():.3g} h of training data")
    rows: list[dict[str, Any]] = []
    for point in points:
        folder, file = out / point.name, out / f"{point.name}.json"
        key = key_of(learner.mark(point), [w.window_id for w in windows], draws, seed)

        def found_now(point: Point = point, folder: Path = folder) -> dict[str, Any]:
            trained = learner.learn(point, folder, resume, lambda done, figures: report(point, done, figures))
            row = {"line": point.line, "asked_hours": point.hours, "size": point.size, **trained}
            return row | measured(folder, windows, draws, seed)

        row = kept(file, key, found_now, resume=resume)
        rows.append(row)
        report(point, 1.0, {n: row[n]["value"] for n in SHOWN if row[n]["value"] is not None})
        found(rows)
    return rows


def measured(
    folder: Path, windows: Sequence[EvaluationWindow], draws: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Energy score, foreground error of one draw and agreement of its onsets, with intervals over scenes.

    Raises:
        CorruptCheckpoint: there is no model of windows.
        ValueError: it was trained in one of their scenes.
    """
    model = load_window_model(folder)
    check_unseen(str(folder), model, windows)
    items, output = items_of(windows), drawn(model, windows, draws, seed)
    table = measure(
        items, [fixed("model", model.given, [output])], _METRICS, weights_of(items, REPLICATES, seed)
    )
    return {key: cell.to_dict() for key, cell in table.cells["model"].items()}


def items_of(windows: Sequence[EvaluationWindow]) -> list[Item]:
    """Windows as what is to be predicted, without candidates for ranking."""
    return [
        Item(row, window.scene_id, window.session_id, WindowTruth(waveform=window.sound(), rate=RATE, window=window))
        for row, window in enumerate(windows)
    ]  # fmt: skip


def drawn(
    model: WindowModel,
    windows: Sequence[EvaluationWindow],
    draws: int,
    seed: int,
    step: Callable[[], None] = lambda: None,
) -> WindowOutput:
    """What a model says of windows."""
    return WindowOutput(model.draw(windows, draws, seed, step))
