"""What the live nodes show a model, held against what the data set holds: every array of every contact."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.action.trajectory import TipPath
from foley_perception.clips.grid import CLIP_BEFORE_S, SAMPLE_RATE
from foley_perception.clips.inputs import ClipInputs, planned_action
from foley_perception.dataset.schema import ClipData
from foley_perception.episodes.planned_path import ReceivedPath, plan_for
from foley_synthesis.live.config import MaterialConfig
from foley_synthesis.live.contact_queue import HeardSound

Array = NDArray[np.float64]

ACTION_TOLERANCE = 1e-6  # [m, m/s, N]: float64 sums in another order, rounded to float32
PIXEL_TOLERANCE = 0
AUDIO_SHIFT = (
    24  # samples (0.5 ms): live, the clock is the median of 5 s of stamps; offline a fit over the stream
)
AUDIO_TOLERANCE = 1e-6  # after that shift
HEARD_SAMPLES = round((MaterialConfig().before_s + MaterialConfig().after_s) * SAMPLE_RATE)
ARRAYS = ("still", "frames", "action_executed", "action_planned", "audio")


@dataclasses.dataclass(frozen=True, eq=False)
class DataSetSide:
    """A bag as the data set builder cuts it."""

    clips: tuple[ClipData, ...]
    plans: tuple[ReceivedPath, ...] = ()
    left_out: Mapping[int, str] = dataclasses.field(default_factory=dict)  # contacts [ns], and why

    def plan_of(self, contact_ns: int) -> TipPath | None:
        """The plan that the data set takes for a contact."""
        return plan_for(self.plans, contact_ns)


@dataclasses.dataclass(frozen=True, eq=False)
class ShownPlan:
    """A plan as the synthesizer understood it, and what its model was shown when it came."""

    path: TipPath
    contact_ns: int  # that it expects
    position: Array  # [3]
    still: NDArray[np.uint8]
    action: NDArray[np.float32]  # [90, 8], around the expected contact


@dataclasses.dataclass
class Live:
    """What the live nodes' models were shown."""

    executed: dict[int, ClipInputs] = dataclasses.field(default_factory=dict)  # by onset [ns]
    plans: dict[str, ShownPlan] = dataclasses.field(default_factory=dict)  # by plan id
    heard: dict[int, HeardSound] = dataclasses.field(default_factory=dict)  # by onset [ns]
    refused: list[str] = dataclasses.field(default_factory=list)  # what the nodes complained of
    executed_delay_s: list[float] = dataclasses.field(
        default_factory=list
    )  # from a clip's end to its prediction


@dataclasses.dataclass(frozen=True)
class Difference:
    """One array of one contact: the largest difference of any of its values."""

    clip_id: str  # or what names a contact or plan that only live has
    array: str
    value: float  # NaN: one side has it, the other has not, or not of that length
    within: bool


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One bag."""

    contacts: int  # that the data set holds
    differences: list[Difference]
    lags: list[int]  # samples by which the live sound lags
    plan_time_ms: list[float]  # expected contact after the true one
    plan_position_mm: list[float]
    plan_still: list[float]  # mean difference of the pixels of the still that was there when the plan came
    delay_s: list[float]  # of executed predictions, after their clips ended
    left_out: Mapping[int, str]


def compare(data: DataSetSide, live: Live) -> Comparison:
    """Differences of every array of every contact of a bag, and all contacts and plans that one side lacks."""
    result = Comparison(len(data.clips), [], [], [], [], [], list(live.executed_delay_s), dict(data.left_out))
    found = result.differences
    for item in data.clips:
        clip = item.clip
        executed = live.executed.get(clip.contact_ns)
        for name, ours, theirs, tolerance in (
            ("still", item.still, getattr(executed, "still", None), PIXEL_TOLERANCE),
            ("frames", item.frames, getattr(executed, "frames", None), PIXEL_TOLERANCE),
            ("action_executed", item.action_executed, getattr(executed, "action", None), ACTION_TOLERANCE),
        ):
            found.append(_difference(clip.clip_id, name, ours, theirs, tolerance))
        path = data.plan_of(clip.contact_ns)
        if path is not None:
            shown = live.plans.get(path.plan_id)
            found.append(_planned(item, path, shown))
            if shown is not None:
                result.plan_time_ms.append((shown.contact_ns - clip.contact_ns) / 1e6)
                off = np.linalg.norm(shown.position - np.asarray(clip.position))
                result.plan_position_mm.append(1e3 * float(off))
                if item.still is not None:
                    pixels = np.abs(shown.still.astype(float) - item.still.astype(float))
                    result.plan_still.append(float(pixels.mean()))
        if item.audio is not None:
            lag, difference = _sound(clip.clip_id, item.audio, live.heard.get(clip.contact_ns))
            found.append(difference)
            result.lags.extend([] if lag is None else [lag])
    found.extend(_only_live(data, live))
    return result


def figures_of(results: Iterable[Comparison]) -> dict[str, Any]:
    """Of several bags together, for metrics.json."""
    results = list(results)
    found = [d for r in results for d in r.differences]
    times = [v for r in results for v in r.plan_time_ms]
    return {
        "contacts": sum(r.contacts for r in results),
        "left_out": dict(collections.Counter(why for r in results for why in r.left_out.values())),
        "within": all(d.within for d in found) and bool(found),
        "arrays": {
            name: _summary([d for d in found if d.array == name])
            for name in dict.fromkeys(d.array for d in found)
        },
        "audio_lag_samples": _spread([v for r in results for v in r.lags]),
        "executed_delay_s": _spread([v for r in results for v in r.delay_s]),
        "planned_contact": {
            "plans": len(times),
            "time_error_ms": _spread(times),
            "position_error_mm": _spread([v for r in results for v in r.plan_position_mm]),
            "still_mean_pixel_difference": _spread([v for r in results for v in r.plan_still]),
        },
        "tolerances": {
            "action": ACTION_TOLERANCE,
            "pixel": PIXEL_TOLERANCE,
            "audio_shift_samples": AUDIO_SHIFT,
            "audio": AUDIO_TOLERANCE,
        },
    }


def _difference(
    clip_id: str, name: str, ours: NDArray[Any] | None, theirs: NDArray[Any] | None, tolerance: float
) -> Difference:
    if ours is None and theirs is None:
        return Difference(clip_id, name, 0.0, True)  # a recording without a camera
    if ours is None or theirs is None or np.shape(theirs) != np.shape(ours):
        return _missing(clip_id, name)
    mine, live = ours.astype(np.float64), np.asarray(theirs, np.float64)
    # What neither side knows is the same; what one alone knows is missing.
    value = float(np.where(np.isnan(mine) & np.isnan(live), 0.0, np.abs(mine - live)).max())
    return Difference(clip_id, name, value, value <= tolerance)


def _missing(clip_id: str, name: str) -> Difference:
    return Difference(clip_id, name, float("nan"), False)


def _planned(item: ClipData, path: TipPath, shown: ShownPlan | None) -> Difference:
    """The larger of two: around the true contact, as the data set holds it, and around the one that live expected,
    as its model was given it."""
    clip_id, name = item.clip.clip_id, "action_planned"
    if shown is None:
        return _missing(clip_id, name)
    try:
        theirs = _action(shown.path, item.clip.contact_ns, np.asarray(item.clip.position))
        ours = _action(path, shown.contact_ns, shown.position)
    except ValueError:  # one of the two does not reach the other's contact
        return _missing(clip_id, name)
    both = (
        _difference(clip_id, name, item.action_planned, theirs, ACTION_TOLERANCE),
        _difference(clip_id, name, ours, shown.action, ACTION_TOLERANCE),
    )
    return next((d for d in both if np.isnan(d.value)), max(both, key=lambda d: d.value))


def _action(path: TipPath, contact_ns: int, point: Array) -> NDArray[np.float32]:
    return planned_action((path.times_ns, path.tip), path.width, contact_ns, point)


def _sound(
    clip_id: str, audio: NDArray[np.float32], heard: HeardSound | None
) -> tuple[int | None, Difference]:
    """Sound up to a shift of few samples: by how many [samples] the live one lags, and what is left then."""
    if heard is None or heard.sample_rate != SAMPLE_RATE:
        return None, _missing(clip_id, "audio")
    begin = round((heard.onset_s - CLIP_BEFORE_S) * SAMPLE_RATE)
    live = np.asarray(heard.samples[max(begin, 0) :], np.float64)
    ours = np.asarray(audio[max(-begin, 0) :], np.float64)
    count = min(len(live), len(ours))
    if count < HEARD_SAMPLES:
        return None, _missing(clip_id, "audio")
    live, ours = live[:count], ours[:count]
    inner = slice(AUDIO_SHIFT, count - AUDIO_SHIFT)
    best, lag = np.inf, 0
    for shift in range(-AUDIO_SHIFT, AUDIO_SHIFT + 1):
        left = float(np.abs(np.roll(live, -shift)[inner] - ours[inner]).max())
        if left < best:
            best, lag = left, shift
    return lag, Difference(clip_id, "audio", best, best <= AUDIO_TOLERANCE)


def _only_live(data: DataSetSide, live: Live) -> list[Difference]:
    """Contacts and plans that the data set lacks without a reason."""
    known = {item.clip.contact_ns for item in data.clips} | set(data.left_out)
    named = {plan.path.plan_id for plan in data.plans}
    contacts = [
        _missing(f"contact at {time_ns} ns", name)
        for names, times in ((ARRAYS[:3], live.executed), (ARRAYS[4:], live.heard))
        for time_ns in times
        if time_ns not in known
        for name in names
    ]
    return contacts + [_missing(f"plan {name}", ARRAYS[3]) for name in live.plans if name not in named]


def _summary(rows: list[Difference]) -> dict[str, Any]:
    known = [d.value for d in rows if not np.isnan(d.value)]
    return {
        "compared": len(rows),
        "within": sum(d.within for d in rows),
        "largest": max(known, default=float("nan")),
        "missing": len(rows) - len(known),
    }


def _spread(values: list[Any]) -> dict[str, float]:
    if not values:
        return {}
    array = np.asarray(values, np.float64)
    return {
        "median": float(np.median(array)),
        "median_absolute": float(np.median(np.abs(array))),
        "largest_absolute": float(np.abs(array).max()),
    }
