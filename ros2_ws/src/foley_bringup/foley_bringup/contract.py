"""What the live nodes show a model, held against what the data set holds: every array of every contact."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from foley_perception.clips.grid import ONSET_FRAME, SAMPLE_RATE
from foley_perception.clips.inputs import planned_action
from foley_perception.dataset.schema import ClipData

ACTION_TOLERANCE = 1e-6  # [m, m/s, N]: float64 sums in another order, rounded to float32
PIXEL_TOLERANCE = 0
AUDIO_SHIFT = (
    24  # samples (0.5 ms): live, the clock is the median of 5 s of stamps; offline a fit over the stream
)
AUDIO_TOLERANCE = 1e-6  # after that shift


class LiveInputs(Protocol):
    """The parts of :class:`foley_bringup.ros.replay.Live` that are compared."""

    executed: dict[int, Any]
    plans: dict[str, Any]
    heard: dict[int, Any]


@dataclasses.dataclass(frozen=True)
class Difference:
    """One array of one contact: the largest difference of any of its values."""

    clip_id: str
    array: str
    value: float  # NaN: one side has it, the other has not
    within: bool


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One bag."""

    differences: list[Difference]
    lags: list[int]  # samples by which the live sound lags
    plan_time_ms: list[float]  # expected contact after the true one
    plan_position_mm: list[float]
    plan_still: list[float]  # mean difference of the pixels of the still that was there when the plan came


def compare(clips: Iterable[ClipData], live: LiveInputs, plan_of: Callable[[int], str]) -> Comparison:
    """Differences of every array of every contact of a bag.

    Args:
        plan_of: the plan that the data set takes for the contact at a time [ns]; empty: none.
    """
    result = Comparison([], [], [], [], [])
    for data in clips:
        clip, found = data.clip, result.differences
        executed = live.executed.get(clip.contact_ns)
        for name, ours, theirs, tolerance in (
            ("still", data.still, getattr(executed, "still", None), PIXEL_TOLERANCE),
            ("frames", data.frames, getattr(executed, "frames", None), PIXEL_TOLERANCE),
            ("action_executed", data.action_executed, getattr(executed, "action", None), ACTION_TOLERANCE),
        ):
            found.append(_difference(clip.clip_id, name, ours, theirs, tolerance))
        if np.isfinite(data.action_planned).any():
            plan, same = live.plans.get(plan_of(clip.contact_ns)), None
            if plan is not None:
                path = (plan.path.times_ns, plan.path.tip)
                same = planned_action(path, plan.path.width, clip.contact_ns, np.asarray(clip.position))
            found.append(
                _difference(clip.clip_id, "action_planned", data.action_planned, same, ACTION_TOLERANCE)
            )
            if plan is not None and plan.inputs is not None:
                result.plan_time_ms.append((plan.contact_ns - clip.contact_ns) / 1e6)
                off = np.linalg.norm(plan.position - np.asarray(clip.position))
                result.plan_position_mm.append(1e3 * float(off))
                pixels = np.abs(plan.inputs.still.astype(float) - data.still.astype(float))
                result.plan_still.append(float(pixels.mean()))
        lag, difference = _sound(data, live.heard.get(clip.contact_ns))
        found.append(difference)
        result.lags.extend([] if lag is None else [lag])
    return result


def figures_of(results: Iterable[Comparison]) -> dict[str, Any]:
    """Of several bags together, for metrics.json."""
    results = list(results)
    found = [d for r in results for d in r.differences]
    times = [v for r in results for v in r.plan_time_ms]
    return {
        "contacts": len({(i, d.clip_id) for i, r in enumerate(results) for d in r.differences}),
        "within": all(d.within for d in found) and bool(found),
        "arrays": {
            name: _summary([d for d in found if d.array == name])
            for name in dict.fromkeys(d.array for d in found)
        },
        "audio_lag_samples": _spread([v for r in results for v in r.lags]),
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
    clip_id: str, name: str, ours: NDArray[Any], theirs: NDArray[Any] | None, tolerance: float
) -> Difference:
    if theirs is None or np.shape(theirs) != np.shape(ours):
        return Difference(clip_id, name, float("nan"), False)
    value = float(np.abs(ours.astype(np.float64) - np.asarray(theirs, np.float64)).max())
    return Difference(clip_id, name, value, value <= tolerance)


def _sound(data: ClipData, heard: Any) -> tuple[int | None, Difference]:
    """Sound up to a shift of few samples: by how many [samples] the live one lags, and what is left then."""
    if heard is None or heard.sample_rate != SAMPLE_RATE:
        return None, Difference(data.clip.clip_id, "audio", float("nan"), False)
    begin = round(heard.onset_s * SAMPLE_RATE) - round(ONSET_FRAME / 90.0 * SAMPLE_RATE)
    live = np.asarray(heard.samples[max(begin, 0) :], np.float64)
    ours = np.asarray(data.audio[: len(live)], np.float64)
    inner = slice(AUDIO_SHIFT, len(ours) - AUDIO_SHIFT)
    best, lag = np.inf, 0
    for shift in range(-AUDIO_SHIFT, AUDIO_SHIFT + 1):
        left = float(np.abs(np.roll(live, -shift)[inner] - ours[inner]).max())
        if left < best:
            best, lag = left, shift
    return lag, Difference(data.clip.clip_id, "audio", best, best <= AUDIO_TOLERANCE)


def _summary(rows: list[Difference]) -> dict[str, Any]:
    return {
        "compared": len(rows),
        "within": sum(d.within for d in rows),
        "largest": max((d.value for d in rows), default=float("nan")),
        "missing": sum(bool(np.isnan(d.value)) for d in rows),
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
