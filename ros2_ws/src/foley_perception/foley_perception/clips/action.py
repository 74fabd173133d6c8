"""The motion around one contact as an array: the one function that training data and live prediction share.

A clip starts 0.25 s before its contact and lasts 1 s; row i of the action is taken at ``start + i / 90 s``::

    0-2  tip minus contact point, in the world's axes [m]
    3-5  tip velocity [m/s], the central difference over one row
    6    gripper width [m]
    7    magnitude of the contact force [N]; 0 for a planned motion

Beyond the ends of the motion the tip rests where the motion begins and ends.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foley_common.times import NS_PER_S
from foley_perception.clips.grid import ACTION_DIMS, ACTION_RATE, CLIP_ACTIONS, row_times_ns

SERIES = tuple[NDArray[np.int64], NDArray[np.floating]]  # times [n] in ns, values [n]


def clip_action(
    contact_ns: int,
    contact_point: ArrayLike,  # [3] in the world [m]
    tip_times_ns: NDArray[np.int64],  # [n], increasing
    tip_positions: NDArray[np.floating],  # [n, 3] in the world [m]; rows with NaN are left out
    *,
    width: SERIES | None = None,
    force: SERIES | None = None,
) -> NDArray[np.float32]:  # [90, 8]
    """Action of one contact from a tip path sampled at any times.

    ``width`` [m] and ``force`` [N] are series of their own times; None means 0.

    Raises:
        ValueError: shapes differ, times do not increase, fewer than two known tip positions, or a path that
            lies wholly outside of the clip.
    """
    point = np.asarray(contact_point, dtype=np.float64)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise ValueError(f"contact_point is {point.tolist()}, expected 3 finite numbers")
    times, path = _known(tip_times_ns, tip_positions, "tip_positions", 3)
    if times.size < 2:
        raise ValueError(f"tip_positions has {times.size} known rows, at least 2 are needed")
    rows = row_times_ns(contact_ns)
    if times[-1] < rows[0] or times[0] > rows[-1]:
        raise ValueError("the tip path lies wholly outside of the clip around this contact")
    half = NS_PER_S // (2 * ACTION_RATE)
    position = _at(rows, times, path, contact_ns)
    ahead, behind = (_at(rows + d, times, path, contact_ns) for d in (half, -half))
    action = np.zeros((CLIP_ACTIONS, ACTION_DIMS), dtype=np.float32)
    action[:, 0:3] = position - point
    action[:, 3:6] = (ahead - behind) * (NS_PER_S / (2 * half))
    for column, series in ((6, width), (7, force)):
        if series is not None:
            series_times, values = _known(*series, ("width", "force")[column - 6], 1)
            if series_times.size:
                action[:, column] = _at(rows, series_times, values, contact_ns)[:, 0]
    return action


def _known(
    times_ns: NDArray[np.int64], values: NDArray[np.floating], name: str, dims: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    times = np.asarray(times_ns, dtype=np.int64)
    table = np.asarray(values, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 and dims == 1 else table
    if table.shape != (times.size, dims):
        raise ValueError(
            f"{name} is {np.shape(values)} for {times.size} times, expected ({times.size}, {dims})"
        )
    if np.any(np.diff(times) <= 0):
        raise ValueError(f"times of {name} do not increase")
    known = np.isfinite(table).all(axis=1)
    return times[known], table[known]


def _at(
    query_ns: NDArray[np.int64], times_ns: NDArray[np.int64], values: NDArray[np.float64], origin_ns: int
) -> NDArray[np.float64]:
    # Nanoseconds since 1970 do not fit a float64; differences to a near origin do.
    query = (query_ns - origin_ns).astype(np.float64)
    times = (times_ns - origin_ns).astype(np.float64)
    return np.stack([np.interp(query, times, column) for column in values.T], axis=1)
