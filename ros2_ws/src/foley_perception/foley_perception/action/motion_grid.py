"""Motions with times of their own on the grid of 125 Hz, by one rule for bags, plans and live nodes.

Row i lies at ``start_ns + i * 8 ms``, exactly. Measured poses are bridged for 0.25 s at most, widths for 0.5 s
(`clips/action.py`); beyond that, and beyond the ends, they are NaN. A plan is whole: it rests where it begins and ends,
and holds until the next one begins.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foley_common.session_file import MOTION_RATE
from foley_common.times import NS_PER_S
from foley_perception.action.trajectory import ToolTrajectory
from foley_perception.clips.action import MAX_GAP_NS, SERIES, width_at
from foley_perception.clips.grid import sample_times_ns
from foley_perception.geometry.se3 import SE3, interpolate_at

Array = NDArray[np.float64]
Times = NDArray[np.int64]

_PARTS = 4  # of a row, over which forces are averaged


@dataclasses.dataclass(frozen=True, eq=False)
class GridMotion:
    """A motion, a row every 8 ms."""

    poses: SE3  # [n] tx_world_tool; NaN where not known
    widths: Array  # [n] opening of the gripper [m]; NaN where not known


def grid_times_ns(start_ns: int, rows: int) -> Times:
    """Times [rows]."""
    return sample_times_ns(start_ns, rows, MOTION_RATE)


def measured_on_grid(
    start_ns: int, rows: int, times_ns: Times, poses: SE3, width: SERIES | None = None
) -> GridMotion:
    """Poses as they were measured at increasing times [m].

    Raises:
        ValueError: no poses, or times that do not increase.
    """
    query = grid_times_ns(start_ns, rows)
    known = poses.finite
    found = interpolate_at(times_ns[known], poses[known], query, max_gap_s=MAX_GAP_NS / NS_PER_S)
    return GridMotion(found, width_at(query, width))


def planned_on_grid(start_ns: int, rows: int, plans: Sequence[ToolTrajectory]) -> GridMotion:
    """Plans in the order in which they begin, of which each holds until the next begins; before the first it rests.

    Raises:
        ValueError: there are none, or they are not in order.
    """
    begins = np.array([int(plan.times_ns[0]) for plan in plans], dtype=np.int64)
    if not len(plans) or np.any(np.diff(begins) < 0):
        raise ValueError(f"{len(plans)} plans that begin at {begins.tolist()} ns: need some, in order")
    query = grid_times_ns(start_ns, rows)
    newest = np.maximum(np.searchsorted(begins, query, side="right") - 1, 0)
    quaternion, translation, widths = np.empty((rows, 4)), np.empty((rows, 3)), np.empty(rows)
    for index in np.unique(newest).tolist():
        plan, here = plans[index], newest == index
        inside = np.clip(query[here], plan.times_ns[0], plan.times_ns[-1])
        poses = interpolate_at(plan.times_ns, plan.poses, inside)
        quaternion[here], translation[here] = poses.quaternion, poses.translation
        origin = plan.times_ns[0]  # nanoseconds since 1970 do not fit a float64, differences do
        widths[here] = np.interp(
            (inside - origin).astype(float), (plan.times_ns - origin).astype(float), plan.widths
        )
    return GridMotion(SE3(quaternion, translation), widths)


def wrench_on_grid(start_ns: int, rows: int, times_ns: Times, wrench: Array) -> Array:
    """Force and torque [rows, 6], the mean over each row, of measurements [m, 6]; NaN in gaps over 0.25 s."""
    part = NS_PER_S // MOTION_RATE // _PARTS
    offsets = part // 2 + part * np.arange(_PARTS)
    query = (grid_times_ns(start_ns, rows)[:, None] + offsets).ravel()
    times = np.asarray(times_ns, np.int64)
    known = np.isfinite(wrench).all(axis=1)
    times, values = times[known], np.asarray(wrench, np.float64)[known]
    if not times.size:
        return np.full((rows, 6), np.nan)
    found = np.stack(
        [np.interp((query - start_ns).astype(float), (times - start_ns).astype(float), v) for v in values.T],
        axis=1,
    )
    right = np.clip(np.searchsorted(times, query), 0, times.size - 1)
    gap = times[right] - times[np.maximum(right - 1, 0)] > MAX_GAP_NS
    unknown = (query < times[0] - part * _PARTS) | (query > times[-1] + part * _PARTS) | gap
    found[unknown & (times[right] != query)] = np.nan
    return np.asarray(found.reshape(rows, _PARTS, 6).mean(axis=1))
