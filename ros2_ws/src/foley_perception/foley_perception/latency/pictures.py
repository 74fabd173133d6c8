"""How much later a camera tells motion than the arm: what changes from picture to picture, against the way of the tip.

Two pictures differ the more, the further the tip went between them. So the changes follow the ways that the tip made
between the pictures' stamps, moved back by the camera's delay against the arm; the delay is where the two correlate
best. Motion that stops at once, as at a tap, makes the peak sharp; the whole recording, not a tap alone, tells it to a
fraction of a frame.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foley_perception.latency.match import REACH_S, UnclearError

Array = NDArray[np.float64]

WIDTH = 160  # pictures are compared at this width
STEP_S = 0.001
LEAST_CORRELATION = 0.5
_NOISE = 4.0  # grey levels of 255, times the noise: what differs by less did not change
_FRAMES = 60
_MOVED_M = 0.05  # of the tip over the recording, at least
_BLOCKS = 12  # of time, each of which is left out once to tell the spread
_OTHER_S = 0.12
_AS_GOOD = 0.97


@dataclasses.dataclass(frozen=True)
class Delay:
    """Of a camera against the arm."""

    seconds: float
    std: float
    correlation: float
    period_s: float  # of its pictures


def changes(count: int, read: Callable[[int], NDArray[np.generic]]) -> Array:
    """How much each picture [H, W, 3] uint8 differs from the one before it: mean over the pixels that changed."""
    found = np.zeros(count)
    before: Array | None = None
    for i in range(count):
        picture = _small(np.asarray(read(i)))
        if before is not None and before.shape == picture.shape:
            off = np.abs(picture - before)
            bar = _NOISE * max(float(np.median(off)), 0.5)
            found[i] = float(np.mean(np.where(off > bar, off, 0.0)))
        before = picture
    return found


def delay(times_s: Array, changed: Array, arm_times_s: Array, tip: Array) -> Delay:
    """The delay of pictures at stamps [n] that changed [n] so much since the one before, against a tip [m, 3].

    Raises:
        UnclearError: too few pictures, no motion, none that is seen, or motion that repeats.
    """
    known = np.isfinite(tip).all(axis=1)
    arm_times_s, tip = arm_times_s[known], tip[known]
    if len(times_s) < _FRAMES:
        raise UnclearError(f"{len(times_s)} pictures, {_FRAMES} are needed")
    steps = np.linalg.norm(np.diff(tip, axis=0), axis=1)
    way = np.concatenate([[0.0], np.cumsum(steps)])
    if way[-1] < _MOVED_M:
        raise UnclearError(f"the tip moves by {way[-1] * 1e3:.0f} mm in all: nothing is to be seen")
    period = float(np.median(np.diff(times_s)))
    begin, end = times_s[:-1], times_s[1:]
    usual = (
        (end - begin < 1.5 * period) & (begin > arm_times_s[0] + REACH_S) & (end < arm_times_s[-1] - REACH_S)
    )
    begin, end, seen = begin[usual], end[usual], np.sqrt(changed[1:][usual])
    if len(seen) < _FRAMES:
        raise UnclearError("pictures and poses have too little time in common")
    if not seen.std() > 0:
        raise UnclearError("nothing changes in its pictures: it does not see the tool")
    grid = np.arange(-REACH_S, REACH_S + STEP_S / 2, STEP_S)
    block = np.minimum((np.arange(len(seen)) * _BLOCKS) // len(seen), _BLOCKS - 1)
    sums = np.stack([_sums(block, seen, _moved(arm_times_s, way, begin - lag, end - lag)) for lag in grid])
    score = _correlation(sums.sum(axis=1))
    best = int(np.argmax(score))
    if score[best] < LEAST_CORRELATION:
        raise UnclearError(
            f"what changes in its pictures goes with the arm's motion by {score[best]:.2f} only (correlation, "
            f"{LEAST_CORRELATION} is needed): it does not see the tool, or other things move"
        )
    if best in (0, len(grid) - 1):
        raise UnclearError(f"it is late by more than {REACH_S * 1e3:.0f} ms against the arm")
    others = score[np.abs(grid - grid[best]) > _OTHER_S]
    if others.max() > _AS_GOOD * score[best]:
        raise UnclearError(
            "the motion repeats so evenly that several delays explain it; move at uneven intervals"
        )
    without = np.array(
        [_peak(grid, _correlation(np.delete(sums, b, axis=1).sum(axis=1))) for b in range(_BLOCKS)]
    )
    std = float(np.sqrt((_BLOCKS - 1) / _BLOCKS * np.sum((without - without.mean()) ** 2)))
    # Exposure and the shutter are not known better than this.
    return Delay(_peak(grid, score), float(np.hypot(std, 0.05 * period)), float(score[best]), period)


# ---- inside --------------------------------------------------------------------------------------------
def _small(picture: NDArray[np.generic]) -> Array:
    """Green, which carries most of what is bright [h, about WIDTH], by means of squares."""
    grey = (picture[..., 1] if picture.ndim == 3 else picture).astype(np.float32)
    side = max(grey.shape[1] // WIDTH, 1)
    height, width = (n // side * side for n in grey.shape)
    squares = grey[:height, :width].reshape(height // side, side, width // side, side)
    return np.asarray(squares.mean(axis=(1, 3)), np.float64)


def _moved(times_s: Array, way: Array, begin: Array, end: Array) -> Array:
    return np.asarray(np.sqrt(np.maximum(np.interp(end, times_s, way) - np.interp(begin, times_s, way), 0.0)))


def _sums(block: NDArray[np.int64], x: Array, y: Array) -> Array:
    """[blocks, 6]: what a correlation is made of."""
    rows = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)
    found = np.zeros((_BLOCKS, 6))
    np.add.at(found, block, rows)
    return found


def _correlation(sums: Array) -> Array:
    """[m] of sums [m, 6]."""
    n, x, y, xx, yy, xy = sums.T
    below = np.sqrt(np.maximum(n * xx - x * x, 1e-12) * np.maximum(n * yy - y * y, 1e-12))
    return np.asarray((n * xy - x * y) / below)


def _peak(grid: Array, score: Array) -> float:
    """Where it is largest, between the points of the grid."""
    k = int(np.argmax(score))
    if not 0 < k < len(grid) - 1:
        return float(grid[k])
    a, b, c = score[k - 1 : k + 2]
    bend = a - 2 * b + c
    return float(grid[k] + STEP_S * (0.5 * (a - c) / bend if bend else 0.0))
