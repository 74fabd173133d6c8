"""A folder of labelled taps in, an adaptation of a hearing model out, or the reason why there is none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foley_synthesis.hearing.inference.adapt import Adaptation, adapt
from foley_synthesis.hearing.inference.adapt_report import AdaptationReport
from foley_synthesis.hearing.inference.adaptation import AdaptedStage, HearingAdaptation, save_adaptation
from foley_synthesis.hearing.inference.calibration import Stage
from foley_synthesis.hearing.inference.conformal import fit_sets
from foley_synthesis.hearing.inference.hearing import Hearing
from foley_synthesis.hearing.inference.hearing_model import HearingModel
from foley_synthesis.hearing.inference.risk import choose_abstention
from foley_synthesis.hearing.training.taps import Grouped, NoTaps, Tap, find_recordings, grouped, read_taps

Progress = Callable[[str, float], None]
"""Name of a stage, and share of it that is done."""


@dataclasses.dataclass(frozen=True)
class AdaptationRun:
    """What came of it."""

    report: AdaptationReport  # of all that is heard
    by_length: dict[str, str]  # stage -> way that was adopted, or why none was
    notes: tuple[str, ...]  # of the recordings
    taps: int
    recordings: int
    model_id: str = ""  # of the adapted model; empty where the model stays as it is

    def to_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        return {**dataclasses.asdict(dataclasses.replace(self, report=None)), "report": self.report.to_dict()}  # type: ignore[arg-type]


def adapt_model(
    folder: Path, model: HearingModel, out: Path, *, progress: Progress = lambda stage, done: None
) -> AdaptationRun:
    """Fit one head for each length of sound; they are written only where the one for all of it helps.

    Raises:
        NoTaps: the folder holds none that can be heard.
    """
    taps, notes = read_taps(find_recordings(folder))
    if not taps:
        raise NoTaps(f"{folder}: no tap can be heard ({'; '.join(notes)})")
    return adapt_to_taps(taps, model, out, notes=notes, where=str(folder), progress=progress)


def adapt_to_taps(
    taps: Sequence[Tap],
    model: HearingModel,
    out: Path,
    *,
    notes: Sequence[str] = (),
    where: str = "taps",
    progress: Progress = lambda stage, done: None,
) -> AdaptationRun:
    """As :func:`adapt_model`, of taps that were read. Raises NoTaps where none of them can be used."""
    notes = list(notes)
    audible = [model.hear(tap.samples, tap.rate, onset_s=tap.onset_s).heard_s > 0.0 for tap in taps]
    notes += [
        f"{t.recording.path}: nothing to be heard" for t, ok in zip(taps, audible, strict=True) if not ok
    ]
    progress("taps", 1.0)
    group = grouped([tap for tap, ok in zip(taps, audible, strict=True) if ok])
    notes += group.notes
    if not group.taps:
        raise NoTaps(f"{where}: no tap is left ({'; '.join(notes)})")
    stages: list[AdaptedStage] = []
    reports: dict[str, AdaptationReport] = {}
    base = model.vocabulary.labels
    labels = (*base, *sorted({tap.recording.material for tap in group.taps} - set(base)))
    said = f"{len(group.taps)} taps of {len({t.recording.material for t in group.taps})} materials, left out in turn"
    contact = 1.0
    for i, stage in enumerate(model.stages):
        heard = [_hear(model, tap, stage.heard_s) for tap in group.taps]
        adaptation, report = _fit(model, group, heard, stage)
        stages.append(_stage(stage, heard, group, labels, adaptation, report, said))
        reports[f"{stage.heard_s:g} s"] = report
        contact = min(contact, *(h.contact for h in heard))
        progress("heads", (i + 1) / len(model.stages))
    whole = list(reports.values())[-1]
    run = AdaptationRun(
        whole,
        {name: report.method if report.adopted else report.reason for name, report in reports.items()},
        tuple(notes),
        len(group.taps),
        len({tap.recording.path for tap in group.taps}),
    )
    if not whole.adopted:
        return run
    adapted = HearingAdaptation(
        model.model_id, model.place, labels, tuple(stages), contact, f"{model.domain} + {said}"
    )
    return dataclasses.replace(run, model_id=save_adaptation(adapted, out, run.to_dict()))


def _hear(model: HearingModel, tap: Tap, heard_s: float) -> Hearing:
    return model.hear(tap.samples, tap.rate, onset_s=tap.onset_s, heard_s=heard_s)


def _fit(
    model: HearingModel, group: Grouped, heard: list[Hearing], stage: Stage
) -> tuple[Adaptation | None, AdaptationReport]:
    temperatures = np.array([model.temperature(h.heard_s) for h in heard])[:, None]
    return adapt(
        np.stack([h.logits for h in heard]) / temperatures,
        np.stack([h.embedding for h in heard]),
        [tap.recording.material for tap in group.taps],
        group.groups.tolist(),
        model.vocabulary.labels,
        model_id=model.model_id,
        whiten=stage.novelty.within,
    )


def _stage(
    base: Stage,
    heard: list[Hearing],
    group: Grouped,
    labels: tuple[str, ...],
    adaptation: Adaptation | None,
    report: AdaptationReport,
    said: str,
) -> AdaptedStage:
    scores = base.novelty.scores(np.stack([h.embedding for h in heard]), np.stack([h.logits for h in heard]))
    like = np.quantile(scores, np.linspace(0.0, 1.0, len(base.novelty.quantiles)))
    novelty = np.maximum(base.novelty.quantiles, like)
    if adaptation is None or report.left_out is None:
        # A new label was never seen there, so that nothing can be said against it.
        thresholds = (*base.sets.thresholds, *(np.inf for _ in labels[len(base.sets.vocabulary) :]))
        sets = dataclasses.replace(base.sets, vocabulary=labels, thresholds=thresholds)
        return AdaptedStage(base.heard_s, None, sets, base.abstention, novelty)
    # One tap of each group: others tell the same again.
    first = np.unique(group.groups, return_index=True)[1]
    p = report.left_out[first]
    truth = np.array([labels.index(group.taps[i].recording.material) for i in first])
    return AdaptedStage(
        base.heard_s,
        adaptation,
        fit_sets(p, truth, labels, coverage=base.sets.coverage, fitted_on=said, nodes=base.sets.nodes),
        choose_abstention(
            p, truth, base.abstention.target_risk, fitted_on=said, certainty=base.abstention.certainty
        ),
        novelty,
    )
