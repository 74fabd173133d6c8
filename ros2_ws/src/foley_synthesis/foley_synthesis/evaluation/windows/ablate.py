"""Ablations trained apart, at equal steps and with several seeds, and measured on the same windows.

    out/<variant>_s<seed>/                  the model
    out/<variant>_s<seed>.json              that it was trained, of which data and settings
    out/<variant>_s<seed>.<way>.json        what was measured of its sounds, window by window

Figures are means over seeds with intervals over scenes; differences from the full model are paired, of the seeds that
both have and of the same windows in each replicate.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from foley_synthesis.evaluation.measure import DECIMALS, Array, Item, Metric, fixed, measure, weights_of
from foley_synthesis.evaluation.windows.ablations import FULL, Mode, Training, Variant
from foley_synthesis.evaluation.windows.curve import REPLICATES, drawn, items_of
from foley_synthesis.evaluation.windows.kept import kept, key_of
from foley_synthesis.evaluation.windows.metrics import FOREGROUND, LEVEL, PAPER, TouchLevels
from foley_synthesis.evaluation.windows.models import check_unseen
from foley_synthesis.flow.contact.ways import Way
from foley_synthesis.flow.window_model import EvaluationWindow, WindowModel

SHOWN = ("energy_db", "foreground_db", "onset_f1", "level_r", "level_db")
_KNOWN = {m.key: m for m in (*FOREGROUND, *LEVEL, *PAPER)}
_FOREGROUND, _ONSETS, _LEVELS = (_KNOWN[key].fn for key in ("energy_db", "onset_f1", "level_r"))
Report = Callable[[float, dict[str, float]], None]


class Trainer(Protocol):
    """What trains them, of whichever data it has."""

    def mark(self, training: Training) -> str:
        """Of its data and settings: changes where its result would."""

    def train(self, training: Training, out: Path, resume: bool, report: Report) -> dict[str, Any]:
        """Train into a folder; hours that it had, parameters, steps and seconds.

        Raises:
            Interrupted: on Ctrl-C.
        """

    def asked(self, training: Training, folder: Path, way: Way) -> WindowModel:
        """A trained model that is told this.

        Raises:
            CorruptCheckpoint: it cannot be read.
        """


# ---- what was measured, as it is kept ------------------------------------------------------------------------
def values_of(
    model: WindowModel,
    windows: Sequence[EvaluationWindow],
    draws: int,
    seed: int,
    step: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """All that was measured of a model's sounds, as JSON knows it."""
    items, output = items_of(windows), drawn(model, windows, draws, seed, step)
    levels = _LEVELS(output, items)
    return {
        "foreground": _listed(_FOREGROUND(output, items)),
        "onsets": _listed(_ONSETS(output, items)),
        "levels": _listed(levels.pairs),
        "touched": levels.windows.tolist(),
    }


def _listed(values: Array) -> list[Any]:
    """NaN as None, in lists."""
    return [[None if np.isnan(value) else float(value) for value in row] for row in values]


def _foreground(values: dict[str, Any], items: Sequence[Item]) -> Array:
    return np.array(values["foreground"], float)


def _onsets(values: dict[str, Any], items: Sequence[Item]) -> Array:
    return np.array(values["onsets"], float)


def _levels(values: dict[str, Any], items: Sequence[Item]) -> TouchLevels:
    pairs = np.array(values["levels"], float).reshape(-1, 2)
    return TouchLevels(pairs, np.array(values["touched"], np.int64))


_READ: dict[Any, Any] = {_FOREGROUND: _foreground, _ONSETS: _onsets, _LEVELS: _levels}
METRICS: tuple[Metric, ...] = tuple(
    dataclasses.replace(_KNOWN[key], fn=_READ[_KNOWN[key].fn]) for key in SHOWN
)
"""Of what was kept."""


# ---- the run ------------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class Plan:
    """What is trained and asked.

    Args:
        views: whether flows are trained with views.
    """

    variants: tuple[Variant, ...]
    trainings: tuple[Training, ...]
    modes: tuple[Mode, ...]
    views: bool = False
    draws: int = 4
    seed: int = 0  # of the draws

    def ways(self, training: Training) -> list[Way]:
        """In which the models of a training are asked."""
        asked = [variant for variant in self.variants if variant.training == training.variant.name]
        return list(dict.fromkeys(v.way(mode, self.views) for v in asked for mode in self.modes))


def ablate(
    trainer: Trainer,
    plan: Plan,
    windows: Sequence[EvaluationWindow],
    out: Path,
    *,
    marks: Sequence[str] = (),
    resume: bool = False,
    report: Callable[[str, float, dict[str, float]], None] = lambda stage, done, figures: None,
    found: Callable[[dict[str, Any]], None] = lambda figures: None,
) -> dict[str, Any]:
    """Train and measure all that has not been; for metrics.json.

    Args:
        marks: of what looks at things, beside the windows.
        resume: what an interrupted run has found is kept.
        found: called with all figures so far after each training that was measured.

    Raises:
        Interrupted: on Ctrl-C.
        ValueError: a model was trained in a scene of the windows.
    """
    names = [window.window_id for window in windows]
    trained: dict[str, dict[str, Any]] = {}
    measured: dict[tuple[str, Way], dict[int, dict[str, Any]]] = {}
    figures: dict[str, Any] = {}
    for training in plan.trainings:
        folder, mark = out / training.name, trainer.mark(training)

        def learn(training: Training = training, folder: Path = folder) -> dict[str, Any]:
            return trainer.train(
                training, folder, resume, lambda done, told: report(training.name, done, told)
            )

        trained[training.name] = kept(out / f"{training.name}.json", key_of(mark), learn, resume=resume)
        report(training.name, 1.0, {"steps": float(trained[training.name]["steps"])})
        for way in plan.ways(training):
            stage = f"{training.name}, {way.title or 'plan'}"

            def ask(training: Training = training, way: Way = way, stage: str = stage) -> dict[str, Any]:
                done = 0

                def step() -> None:
                    nonlocal done
                    done += 1
                    report(stage, done / len(windows), {})

                model = trainer.asked(training, out / training.name, way)
                check_unseen(training.name, model, windows)
                return values_of(model, windows, plan.draws, plan.seed, step)

            key = key_of(mark, names, plan.draws, plan.seed, dataclasses.asdict(way), *marks)
            file = out / f"{training.name}.{_file_name(way)}.json"
            values = kept(file, key, ask, resume=resume)
            measured.setdefault((training.variant.name, way), {})[training.seed] = values
        figures = {"trainings": trained, "rows": rows_of(plan, measured, windows)}
        found(figures)
    return figures


def _file_name(way: Way) -> str:
    return (way.title or "plan").replace(", ", "_").replace(" ", "_")


def rows_of(
    plan: Plan,
    measured: Mapping[tuple[str, Way], Mapping[int, dict[str, Any]]],
    windows: Sequence[EvaluationWindow],
) -> list[dict[str, Any]]:
    """A row for each mode and variant that was measured, with its paired difference from the full model."""
    items = [Item(row, window.scene_id, window.session_id) for row, window in enumerate(windows)]
    weights = weights_of(items, REPLICATES, plan.seed)
    full = next((variant for variant in plan.variants if variant.name == FULL), None)
    rows: list[dict[str, Any]] = []
    for mode in plan.modes:
        best = measured.get((FULL, full.way(mode, plan.views)), {}) if full else {}
        for variant in plan.variants:
            way = variant.way(mode, plan.views)
            own = measured.get((variant.training, way), {})
            if not own:
                continue
            row: dict[str, Any] = {
                "variant": variant.name,
                "meaning": variant.meaning,
                "mode": mode,
                "told": way.title or "plan",
                "seeds": list(own),
                **_figures(items, list(own.values()), weights),
            }
            common = [seed for seed in own if seed in best]
            if common and variant.name != FULL:
                row["less_full"] = _apart(items, [own[s] for s in common], [best[s] for s in common], weights)
            rows.append(row)
    return rows


def _figures(items: Sequence[Item], seeds: Sequence[dict[str, Any]], weights: Array) -> dict[str, Any]:
    """Metric -> the mean over seeds, its interval over scenes, the spread over seeds, and each seed's."""
    table = measure(items, [fixed("own", "unknown", seeds)], METRICS, weights)
    found: dict[str, Any] = {key: cell.to_dict(seeds=True) for key, cell in table.cells["own"].items()}
    for metric in METRICS:
        each = [metric.statistic(metric.fn(values, items), None) for values in seeds]
        found[metric.key]["each"] = [round(v, DECIMALS) if np.isfinite(v) else None for v in each]
    return found


def _apart(
    items: Sequence[Item],
    own: Sequence[dict[str, Any]],
    full: Sequence[dict[str, Any]],
    weights: Array,
) -> dict[str, Any]:
    methods = [fixed("own", "unknown", own), fixed(FULL, "unknown", full)]
    table = measure(items, methods, METRICS, weights)
    return table.differences([("own", FULL)])[f"own > {FULL}"]
