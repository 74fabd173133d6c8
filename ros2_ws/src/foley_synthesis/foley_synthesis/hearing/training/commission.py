"""A hearing model commissioned for one robot, microphone and room: adapted to taps, and judged on others.

Recordings of each material are split before anything is fitted: of the first part the model is adapted, the other part
judges it against the model as it was. Only where it is better there, and not only by chance of the adaptation's own
leave-one-out, is an adaptation to all taps written.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.hearing.inference.hearing_model import HearingModel
from foley_synthesis.hearing.training.adaptation import AdaptationRun, Progress, adapt_to_taps
from foley_synthesis.hearing.training.taps import NoTaps, Tap, find_recordings, grouped, read_taps

_HELD_OUT = 3  # of so many recordings of a material one judges
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
    materials: dict[str, tuple[int, int]]  # taps that it was adapted to, and that judged
    before: Judged
    after: Judged | None  # None where the adaptation itself refused
    gain: float  # of log loss on held-out taps [nat]; NaN where there is nothing after
    gain_interval: tuple[float, float]  # 95 %, over recordings
    chance: float  # accuracy of who guesses among the tapped materials
    notes: tuple[str, ...]
    record_next: str
    model_id: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        return {
            **dataclasses.asdict(self),
            "gain": None if math.isnan(self.gain) else self.gain,
            "gain_interval": [None if math.isnan(v) else v for v in self.gain_interval],
            "before": self.before.to_dict(),
            "after": None if self.after is None else self.after.to_dict(),
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
    judging = _held_out(group.taps, group.groups, folder, seed)
    first = [tap for tap, out_ in zip(group.taps, judging, strict=True) if not out_]
    others = [tap for tap, out_ in zip(group.taps, judging, strict=True) if out_]
    groups = group.groups[judging]
    materials = sorted({tap.recording.material for tap in group.taps})
    counts = {name: (_count(first, name), _count(others, name)) for name in materials}
    base = HearingModel.load(model.place, recordings_only=True)
    before = _heard(model, others, materials)
    rng = np.random.default_rng(seed)
    blank = Commissioning(
        False, "", counts, _judge(before, others, groups, materials, rng), None, math.nan, (math.nan, math.nan),
        1.0 / len(materials), (*notes, *group.notes), "",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        run = adapt_to_taps(first, base, Path(scratch) / "part", where=str(folder), progress=progress)
        blank = dataclasses.replace(blank, record_next=run.report.record_next)
        if not run.model_id:
            return dataclasses.replace(blank, reason=run.report.reason)
        after = _heard(HearingModel.load(Path(scratch) / "part"), others, materials)
    gains = before.losses - after.losses
    interval = _interval(gains, others, groups, materials, rng)
    done = dataclasses.replace(
        blank,
        after=_judge(after, others, groups, materials, rng),
        gain=_balanced(gains, others, materials),
        gain_interval=interval,
    )
    if why := _worse(done):
        return dataclasses.replace(done, reason=why)
    whole = adapt_to_taps(group.taps, base, out, notes=notes, where=str(folder), progress=progress)
    if not whole.model_id:
        return dataclasses.replace(done, reason=whole.report.reason)
    return dataclasses.replace(done, adopted=True, reason=_why(done, whole), model_id=whole.model_id)


def _worse(done: Commissioning) -> str:
    """Why it stays as it is; empty where it is better."""
    assert done.after is not None
    said = f"log loss {done.before.log_loss:.2f} -> {done.after.log_loss:.2f} on taps that were held out"
    if done.gain <= 0.0:
        return f"the model stays as it is: {said}"
    if done.after.accuracy < done.before.accuracy:
        return (
            f"the model stays as it is: {said}, but balanced accuracy {done.before.accuracy:.2f} -> "
            f"{done.after.accuracy:.2f}"
        )
    return ""


def _why(done: Commissioning, whole: AdaptationRun) -> str:
    assert done.after is not None
    sure = "" if done.gain_interval[0] > 0.0 else ", which may be chance: its interval holds 0"
    return (
        f"adapted by `{whole.report.method}`: log loss {done.before.log_loss:.2f} -> {done.after.log_loss:.2f} on taps "
        f"that were held out{sure}"
    )


def _held_out(taps: Sequence[Tap], groups: NDArray[np.int64], folder: Path, seed: int) -> NDArray[np.bool_]:
    """Which taps judge [n]: of each material every third recording, one at least, and never all."""
    rng = np.random.default_rng(seed)
    material = {int(group): tap.recording.material for tap, group in zip(taps, groups, strict=True)}
    judging: set[int] = set()
    names = sorted(set(material.values()))
    for name in names:
        own = [group for group in sorted(material) if material[group] == name]
        if len(own) < 2:
            raise NoTaps(
                f"{folder}: one recording of {name} alone; two at least are needed of each material, one to adapt to "
                "and one to judge by: record another thing of it, or tap elsewhere"
            )
        judging |= set(rng.permutation(own)[: max(len(own) // _HELD_OUT, 1)].tolist())
    if len(names) < 2:
        raise NoTaps(f"{folder}: taps of {names[0]} alone; tap things of two materials at least")
    return np.isin(groups, sorted(judging))


@dataclasses.dataclass(frozen=True, eq=False)
class _Heard:
    losses: NDArray[np.float64]  # [n]
    right: NDArray[np.float64]  # [n], 0 or 1
    answered: NDArray[np.bool_]  # [n]


def _heard(model: HearingModel, taps: Sequence[Tap], materials: Sequence[str]) -> _Heard:
    losses, right, answered = [], [], []
    for tap in taps:
        belief = model.predict(tap.samples, tap.rate, onset_s=tap.onset_s)
        p = dict(zip(belief.vocabulary, belief.probabilities, strict=True))
        losses.append(-math.log(max(p.get(tap.recording.material, 0.0), _LEAST)))
        right.append(float(belief.best == tap.recording.material))
        answered.append(not belief.abstain)
    return _Heard(np.array(losses), np.array(right), np.array(answered, bool))


def _judge(
    heard: _Heard,
    taps: Sequence[Tap],
    groups: NDArray[np.int64],
    materials: Sequence[str],
    rng: np.random.Generator,
) -> Judged:
    said = heard.answered
    return Judged(
        _balanced(heard.right, taps, materials),
        _interval(heard.right, taps, groups, materials, rng),
        _balanced(heard.losses, taps, materials),
        float(said.mean()),
        float(heard.right[said].mean()) if said.any() else math.nan,
    )


def _balanced(values: NDArray[np.float64], taps: Sequence[Tap], materials: Sequence[str]) -> float:
    """Mean over materials of means over their taps."""
    of = np.array([tap.recording.material for tap in taps])
    return float(np.mean([values[of == name].mean() for name in materials]))


def _interval(
    values: NDArray[np.float64],
    taps: Sequence[Tap],
    groups: NDArray[np.int64],
    materials: Sequence[str],
    rng: np.random.Generator,
) -> tuple[float, float]:
    """95 % of the balanced mean: recordings of each material are drawn anew, with their taps."""
    of = np.array([tap.recording.material for tap in taps])
    draws = np.zeros(_DRAWS)
    for name in materials:
        own = [values[(of == name) & (groups == k)] for k in np.unique(groups[of == name])]
        sums, counts = np.array([part.sum() for part in own]), np.array([len(part) for part in own])
        drawn = rng.integers(0, len(own), (_DRAWS, len(own)))
        draws += sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1) / len(materials)
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)


def _count(taps: Sequence[Tap], material: str) -> int:
    return sum(tap.recording.material == material for tap in taps)
