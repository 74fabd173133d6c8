"""A hearing model commissioned for one robot, microphone and room: adapted to taps, and judged on others.

Recordings of each material are held out in turn, a third at a time: the model is adapted to the others, and it and the
model as it was are judged by those that were held out. Only where it is better there is an adaptation to all taps
written.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.hearing.inference.hearing_model import HearingModel
from foley_synthesis.hearing.training.adaptation import AdaptationRun, Progress, adapt_to_taps
from foley_synthesis.hearing.training.taps import NoTaps, Tap, find_recordings, grouped, read_taps

_FOLDS = 3  # in which recordings are held out, at most
_LEAST = 1e-3  # probability of the truth that is counted: a material that a model does not know has none
_DRAWS = 2000  # of the bootstrap


@dataclasses.dataclass(frozen=True)
class Judged:
    """Of held-out taps, by one model."""

    accuracy: float  # balanced over materials
    accuracy_interval: tuple[float, float]  # 95 %, over recordings
    log_loss: float  # [nat], balanced
    answered: float  # share that it does not abstain on
    right_of_answered: float  # NaN where none is

    def to_dict(self) -> dict[str, Any]:
        """For JSON: NaN becomes None."""
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in dataclasses.asdict(self).items()
        }


@dataclasses.dataclass(frozen=True)
class Commissioning:
    """What came of it."""

    adopted: bool
    reason: str
    materials: dict[str, tuple[int, int]]  # taps, and the recordings they are of
    before: Judged
    after: Judged
    gain: float  # of log loss on held-out taps [nat]
    gain_interval: tuple[float, float]  # 95 %, over recordings
    chance: float  # accuracy of who guesses among the tapped materials
    notes: tuple[str, ...]
    record_next: str
    model_id: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        return {
            **dataclasses.asdict(self),
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
        }


def commission(
    folder: Path,
    model: HearingModel,
    out: Path,
    *,
    seed: int = 0,
    progress: Progress = lambda stage, done: None,
) -> Commissioning:
    """Adapt `model` to the taps of a folder, as `foley train hearing --adapt` takes them; writes `out` where it helps.

    Args:
        model: as the robot hears by it now.

    Raises:
        NoTaps: too few to split: each of two materials or more needs two recordings.
    """
    taps, notes = read_taps(find_recordings(folder))
    if not taps:
        raise NoTaps(f"{folder}: no tap can be heard ({'; '.join(notes)})")
    group = grouped(taps)
    fold = _folds(group.taps, group.groups, folder, seed)
    materials = sorted({tap.recording.material for tap in group.taps})
    base = HearingModel.load(model.place, recordings_only=True)
    before = _heard(model, group.taps)
    after = before
    for k in range(int(fold.max()) + 1):
        out_of = fold == k
        rest = [tap for tap, held in zip(group.taps, out_of, strict=True) if not held]
        with tempfile.TemporaryDirectory() as scratch:
            part = adapt_to_taps(rest, base, Path(scratch) / "part", where=str(folder))
            if part.model_id:
                held = [tap for tap, held in zip(group.taps, out_of, strict=True) if held]
                after = after.with_(out_of, _heard(HearingModel.load(Path(scratch) / "part"), held))
        progress("held out", (k + 1) / (int(fold.max()) + 1))
    balance = _Balance(group.taps, group.groups, materials, np.random.default_rng(seed))
    gains = before.losses - after.losses
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        made = Path(scratch) / "whole"
        whole = adapt_to_taps(group.taps, base, made, where=str(folder), progress=progress)
        done = Commissioning(
            adopted=False,
            reason=whole.report.reason,
            materials={name: balance.counts(name) for name in materials},
            before=_judge(before, balance),
            after=_judge(after, balance),
            gain=balance.mean(gains),
            gain_interval=balance.interval(gains),
            chance=1.0 / len(materials),
            notes=(*notes, *group.notes),
            record_next=whole.report.record_next,
        )
        if not whole.model_id:
            return done
        if why := _worse(done):
            return dataclasses.replace(done, reason=why)
        if out.exists():
            shutil.rmtree(out)
        made.replace(out)
    return dataclasses.replace(done, adopted=True, reason=_why(done, whole), model_id=whole.model_id)


def _said(done: Commissioning) -> str:
    return f"log loss {done.before.log_loss:.2f} -> {done.after.log_loss:.2f} on taps that were held out"


def _worse(done: Commissioning) -> str:
    """Why it stays as it is; empty where it is better."""
    before, after = done.before.accuracy, done.after.accuracy
    if done.gain <= 0.0:
        return f"the model stays as it is: {_said(done)}"
    if after < before:
        return f"the model stays as it is: {_said(done)}, but balanced accuracy {before:.2f} -> {after:.2f}"
    return ""


def _why(done: Commissioning, whole: AdaptationRun) -> str:
    sure = "" if done.gain_interval[0] > 0.0 else ", which may be chance: its interval holds 0"
    return f"adapted by `{whole.report.method}`: {_said(done)}{sure}"


def _folds(taps: Sequence[Tap], groups: NDArray[np.int64], folder: Path, seed: int) -> NDArray[np.int64]:
    """In which fold each tap is held out [n]: recordings of each material are spread over all of them."""
    rng = np.random.default_rng(seed)
    material = {int(group): tap.recording.material for tap, group in zip(taps, groups, strict=True)}
    names = sorted(set(material.values()))
    own = {name: [group for group in sorted(material) if material[group] == name] for name in names}
    for name in names:
        if len(own[name]) < 2:
            raise NoTaps(
                f"{folder}: one recording of {name} alone; two at least are needed of each material, one to adapt to "
                "and one to judge by: record another thing of it, or tap elsewhere"
            )
    if len(names) < 2:
        raise NoTaps(f"{folder}: taps of {names[0]} alone; tap things of two materials at least")
    count = min(_FOLDS, *map(len, own.values()))
    fold = {group: i % count for name in names for i, group in enumerate(rng.permutation(own[name]).tolist())}
    return np.array([fold[int(group)] for group in groups], np.int64)


@dataclasses.dataclass(frozen=True, eq=False)
class _Heard:
    losses: NDArray[np.float64]  # [n]
    right: NDArray[np.float64]  # [n], 0 or 1
    answered: NDArray[np.bool_]  # [n]

    def with_(self, rows: NDArray[np.bool_], others: _Heard) -> _Heard:
        """Those of ``others`` in the place of some."""
        changed = {}
        for field in dataclasses.fields(self):
            values = getattr(self, field.name).copy()
            values[rows] = getattr(others, field.name)
            changed[field.name] = values
        return _Heard(**changed)


def _heard(model: HearingModel, taps: Sequence[Tap]) -> _Heard:
    losses, right, answered = [], [], []
    for tap in taps:
        belief = model.predict(tap.samples, tap.rate, onset_s=tap.onset_s)
        p = dict(zip(belief.vocabulary, belief.probabilities, strict=True))
        losses.append(-math.log(max(p.get(tap.recording.material, 0.0), _LEAST)))
        right.append(float(belief.best == tap.recording.material))
        answered.append(not belief.abstain)
    return _Heard(np.array(losses), np.array(right), np.array(answered, bool))


def _judge(heard: _Heard, balance: _Balance) -> Judged:
    said = heard.answered
    return Judged(
        balance.mean(heard.right),
        balance.interval(heard.right),
        balance.mean(heard.losses),
        float(said.mean()),
        float(heard.right[said].mean()) if said.any() else math.nan,
    )


class _Balance:
    """Means in which every material counts alike, and how sure they are."""

    def __init__(
        self,
        taps: Sequence[Tap],
        groups: NDArray[np.int64],
        materials: Sequence[str],
        rng: np.random.Generator,
    ) -> None:
        self._of = np.array([tap.recording.material for tap in taps])
        self._groups, self._materials, self._rng = groups, materials, rng

    def counts(self, material: str) -> tuple[int, int]:
        """Taps and recordings."""
        own = self._of == material
        return int(own.sum()), len(np.unique(self._groups[own]))

    def mean(self, values: NDArray[np.float64]) -> float:
        """Over materials, of means over their taps [n]."""
        return float(np.mean([values[self._of == name].mean() for name in self._materials]))

    def interval(self, values: NDArray[np.float64]) -> tuple[float, float]:
        """95 % of it: recordings of each material are drawn anew, with their taps."""
        draws = np.zeros(_DRAWS)
        for name in self._materials:
            of = self._groups[self._of == name]
            own = [values[(self._of == name) & (self._groups == k)] for k in np.unique(of)]
            sums, sizes = np.array([part.sum() for part in own]), np.array([len(part) for part in own])
            drawn = self._rng.integers(0, len(own), (_DRAWS, len(own)))
            draws += sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1) / len(self._materials)
        low, high = np.quantile(draws, (0.025, 0.975))
        return float(low), float(high)
