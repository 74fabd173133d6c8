"""When each sensor felt a tap: the sound's onset, the step of the force, the stop of the tip.

All of them are found by one sensor alone, over the whole recording; which belong to one tap is for match.py to say.
Times are seconds from any common origin.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.contact_onsets import ContactFinder

Array = NDArray[np.float64]

# How far a contact's shape alone moves what is told of it: the rise of the force, the give of tool and thing.
SOUND_BIAS_S, FORCE_BIAS_S, STOP_BIAS_S = 0.0004, 0.0003, 0.0006
REFRACTORY_S = 0.25  # what comes sooner after a tap belongs to it
FORCE_SIGMAS = 6.0  # of the noise of one axis, that a step of the force must pass
SOFT_N = 0.1  # a step below it is told from drift by nobody
APPROACH_M_S = 0.03  # a slower tip has no stop that could be timed
_BASELINE_S = (0.20, 0.02)  # before a sample, that its force is compared with
_BEFORE_S, _AFTER_S = 0.06, 0.024  # of the path, around a stop
_EDGE_S = 0.014  # around the sample where the speed changes most
_STOPPED = 0.5  # share of the approach that may be left
_KINKED = 3.0  # times that a path with a kink must fit better than a smooth one


@dataclasses.dataclass(frozen=True, eq=False)
class Taps:
    """Times at which one sensor felt a tap, in order, and how well one alone is known."""

    times_s: Array  # [n]
    std_s: float  # of one of them, from the sensor's rate
    note: str = ""  # what was seen and not taken
    bias_s: float = 0.0  # standard deviation of what a contact's own shape adds to all of them alike


def sound_taps(samples: NDArray[np.float32], sample_rate: int) -> Array:
    """Onsets of contacts in mono samples [n], from its first sample on [s]."""
    finder = ContactFinder(sample_rate)
    found: dict[int, int] = {}
    for onset in [*finder.process(samples), *finder.finish()]:
        found[onset.number] = onset.sample
    return apart(np.array(sorted(found.values()), np.float64) / sample_rate)


def force_taps(times_s: Array, force: Array) -> Taps:
    """Steps of a force [n, 3]: half a period before the first sample that tells of it.

    A contact lies between that sample and the one before it, whether a sensor tells its value at an instant or the
    mean since the last one.
    """
    known = np.isfinite(force).all(axis=1)
    times_s, force = times_s[known], force[known]
    if len(times_s) < 20:
        return Taps(np.empty(0), 0.0)
    period = float(np.median(np.diff(times_s)))
    lag = max(round(_BASELINE_S[1] / period), 1)
    count = max(round((_BASELINE_S[0] - _BASELINE_S[1]) / period), 5)
    first = lag + count
    if len(times_s) <= first + 2:
        return Taps(np.empty(0), 0.0)
    windows = np.lib.stride_tricks.sliding_window_view(force, count, axis=0)[
        : len(force) - first
    ]  # [m, 3, count]
    base = np.median(windows, axis=2)
    noise = 1.4826 * np.median(np.abs(windows - base[:, :, None]), axis=2)  # [m, 3]
    off = np.linalg.norm(force[first:] - base, axis=1)  # [m]
    usual = float(np.sqrt(np.mean(np.median(noise, axis=0) ** 2)))
    level = np.maximum(np.sqrt(np.mean(noise**2, axis=1)), usual)  # of one axis
    bar = np.maximum(FORCE_SIGMAS * level, SOFT_N)
    over = off > bar
    rest = max(round(0.08 / period), 2)  # below the bar before
    found, soft = [], 0
    last = -np.inf
    for k in np.flatnonzero(over):
        if times_s[first + k] - last < REFRACTORY_S or over[max(k - rest, 0) : k].any():
            continue
        begin = int(k)  # down to where it leaves the noise
        while begin > 0 and k - begin < 3 and off[begin - 1] > 4.0 * level[begin - 1] + 0.02 * off[k]:
            begin -= 1
        if off[k : k + max(round(0.05 / period), 2)].max() < 1.5 * bar[k]:
            soft += 1
            continue
        last = times_s[first + k]
        at = first + begin
        found.append((times_s[at] + times_s[at - 1]) / 2)
    note = f"{soft} steps of its force stand out of its noise by too little" if soft else ""
    if not found and not soft:
        note = f"its force never steps by {max(FORCE_SIGMAS * usual, SOFT_N):.2f} N"
    return Taps(np.array(found), period / np.sqrt(12.0), note, FORCE_BIAS_S + 0.05 * period)


def stop_taps(times_s: Array, tip: Array) -> Taps:
    """Where a tip [n, 3] that approaches stops, or turns, within a sample or two.

    Around such a place the way along the approach is fitted by two pieces that meet: before it a parabola (robots slow
    down), behind it a line. The place where they meet is between samples. A path that a smooth curve fits as well has
    no such place.
    """
    known = np.isfinite(tip).all(axis=1)
    times_s, tip = times_s[known], tip[known]
    if len(times_s) < 20:
        return Taps(np.empty(0), 0.0)
    period = float(np.median(np.diff(times_s)))
    n = max(round(0.02 / period), 3)
    before = (tip[n:-n] - tip[: -2 * n]) / (times_s[n:-n] - times_s[: -2 * n])[:, None]
    after = (tip[2 * n :] - tip[n:-n]) / (times_s[2 * n :] - times_s[n:-n])[:, None]
    speed = np.linalg.norm(before, axis=1)
    left = np.einsum("ij,ij->i", after, before) / np.maximum(speed, 1e-9)
    drop = speed - left
    fits = (speed > APPROACH_M_S) & (left < _STOPPED * speed)
    found: list[float] = []
    smooth = 0
    for k in _peaks(np.where(fits, drop, 0.0), max(round(REFRACTORY_S / period), 1)):
        middle = k + n
        time_s = _kink(times_s, tip, middle, before[k] / speed[k], n)
        if time_s is None:
            smooth += 1
        else:
            found.append(time_s)
    slow = f"its tip never stops from {APPROACH_M_S * 1e3:.0f} mm/s or more"
    note = f"{smooth} stops of its tip are too smooth to be timed" if smooth else "" if found else slow
    return Taps(apart(np.array(sorted(found))), 0.0005 + 0.1 * period, note, STOP_BIAS_S)


def apart(times_s: Array) -> Array:
    """The first of those that belong together."""
    kept: list[float] = []
    for time_s in times_s:
        if not kept or time_s - kept[-1] >= REFRACTORY_S:
            kept.append(float(time_s))
    return np.array(kept)


# ---- inside --------------------------------------------------------------------------------------------
def _peaks(values: Array, reach: int) -> Sequence[int]:
    """Indices of what is the largest within ``reach`` on both sides, and not 0."""
    found: list[int] = []
    for k in np.flatnonzero(values):
        if values[k] >= values[max(k - reach, 0) : k + reach + 1].max():
            if found and k - found[-1] <= reach:
                continue
            found.append(int(k))
    return found


def _kink(times_s: Array, tip: Array, middle: int, way: Array, least: int) -> float | None:
    """When the path along ``way`` [3] kinks near a sample; None where it does not."""
    t0 = times_s[middle]
    low = min(int(np.searchsorted(times_s, t0 - _BEFORE_S)), max(middle - 2 * least, 0))
    high = max(int(np.searchsorted(times_s, t0 + _AFTER_S, side="right")), middle + least + 1)
    t = times_s[low:high] - t0
    s = (tip[low:high] - tip[middle]) @ way * 1e3  # [mm]
    grid = np.arange(-_EDGE_S, _EDGE_S + 2.5e-4, 5e-4)
    misfits = []
    for at in grid:
        left, right = np.minimum(t - at, 0.0), np.maximum(t - at, 0.0)
        misfits.append(_misfit(np.stack([np.ones_like(t), left, left**2, right], axis=1), s))
    best = int(np.argmin(misfits))
    smooth = _misfit(np.stack([np.ones_like(t), t, t**2, t**3], axis=1), s)
    if best in (0, len(grid) - 1) or smooth < _KINKED * misfits[best] + 1e-6:
        return None
    return float(t0 + grid[best])


def _misfit(basis: Array, y: Array) -> float:
    """Mean square of what a linear fit leaves."""
    answer = np.linalg.lstsq(basis, y, rcond=None)[0]
    return float(np.mean((y - basis @ answer) ** 2))
