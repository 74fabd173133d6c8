"""When a motion makes contact, by rules without anything learned: baselines, and the times that a plan promises."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foley_common.session_file import MOTION_RATE

Array = NDArray[np.float64]

LIFT_M = 0.004  # a tip that has not lifted this far is still in the same contact
DECELERATION = 10.0  # [m/s^2] of a blow
APART_S = 0.08  # between two blows
_MIN_SPEED = 0.02  # [m/s], slower motion is rest


def surface_contacts(
    heights: ArrayLike,  # [n] of the tip over the surface at 125 Hz [m]; NaN where not known
    *,
    lift_m: float = LIFT_M,
) -> Array:
    """Times [k] [s] from the first row at which a tip comes down to its surface, linear between rows."""
    height = np.asarray(heights, np.float64)
    with np.errstate(invalid="ignore"):
        crossings = np.flatnonzero((height[:-1] > 0) & (height[1:] <= 0))
    kept: list[int] = []
    for row in crossings.tolist():
        if not kept or np.nanmax(height[kept[-1] + 1 : row + 1]) > lift_m:
            kept.append(row)
    above = np.array(kept, dtype=np.int64)
    return np.asarray((above + height[above] / (height[above] - height[above + 1])) / MOTION_RATE)


def deceleration_onsets(
    tips: ArrayLike,  # [n, 3] at 125 Hz [m]; NaN where not known
    *,
    threshold: float = DECELERATION,
    apart_s: float = APART_S,
) -> Array:
    """Times [k] [s] from the first row at which a moving tip is stopped or turned back, strongest first within a blow.

    Deceleration is the second difference against the direction of motion two rows before. A path with a kink has it in
    the two rows around that, in proportion to their nearness: the mean over three rows is the kink's time.
    """
    path = np.asarray(tips, np.float64)
    slowing = np.zeros(len(path))
    if len(path) < 4:
        return np.zeros(0)
    before = (path[1:-2] - path[:-3]) * MOTION_RATE  # velocity that row i + 2 had before
    speed = np.linalg.norm(before, axis=1)
    bend = (path[3:] - 2 * path[2:-1] + path[1:-2]) * MOTION_RATE**2
    with np.errstate(invalid="ignore"):
        against = -np.einsum("ni,ni->n", bend, before) / np.maximum(speed, 1e-9)
        slowing[2:-1] = np.where(speed > _MIN_SPEED, np.maximum(against, 0.0), 0.0)
    taken = np.zeros(len(path), dtype=bool)
    apart, found = round(apart_s * MOTION_RATE), []
    for row in np.argsort(-slowing, kind="stable")[: int((slowing > threshold).sum())].tolist():
        if not taken[max(row - apart + 1, 0) : row + apart].any():
            taken[row] = True
            rows = np.arange(row - 1, row + 2)
            found.append(float(rows @ slowing[rows] / slowing[rows].sum()) / MOTION_RATE)
    return np.array(sorted(found))
