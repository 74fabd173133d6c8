"""The motion around one contact as an array: the one function that training data and live prediction share.

A clip starts 0.25 s before its contact and lasts 1 s; row i of the action is taken at ``start + i / 90 s``::

    0-2  tip minus contact point, in the world's axes [m]
    3-5  tip velocity [m/s], the central difference over one row
    6    gripper width [m]; NaN where it is not known
    7    magnitude of the contact force [N]; NaN where it is not known, 0 for a planned motion

A planned motion is whole: beyond its ends the tip rests where it begins and ends. A measured one is known where it was
measured: a contact with more than 0.25 s without a pose in its clip has no action, and over such a gap neither width
nor force is known. Nor are they beside a measurement that is NaN, however short: the sensor says that it does not know.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foley_common.times import NS_PER_S
from foley_perception.clips.grid import ACTION_DIMS, ACTION_RATE, CLIP_ACTIONS, row_times_ns

SERIES = tuple[NDArray[np.int64], NDArray[np.floating]]  # times [n] in ns, values [n]
MAX_GAP_NS = NS_PER_S // 4  # between two poses or forces, and beyond the poses' ends
MAX_WIDTH_GAP_NS = NS_PER_S // 2  # between two widths: grippers tell theirs a few times a second
MAX_HOLD_NS = NS_PER_S // 20  # beyond the ends of forces and widths


def clip_action(
    contact_ns: int,
    contact_point: ArrayLike,  # [3] in the world [m]
    tip_times_ns: NDArray[np.int64],  # [n], increasing
    tip_positions: NDArray[np.floating],  # [n, 3] in the world [m]; rows with NaN are left out
    *,
    width: SERIES | None = None,
    force: SERIES | None = None,
    planned: bool = False,
) -> NDArray[np.float32]:  # [90, 8]
    """Action of one contact from a tip path sampled at any times.

    ``width`` [m] and ``force`` [N] are series of their own times; None means not known.

    Raises:
        ValueError: shapes differ, times do not increase, fewer than two known tip positions, a path that
            lies wholly outside of the clip, or a measured one with a gap in it.
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
    if not planned and not _covered(rows, times, MAX_GAP_NS, MAX_GAP_NS).all():
        raise ValueError(f"for more than {MAX_GAP_NS / NS_PER_S} s of the clip there is no pose")
    half = NS_PER_S // (2 * ACTION_RATE)
    position = _at(rows, times, path, contact_ns)
    ahead, behind = (_at(rows + d, times, path, contact_ns) for d in (half, -half))
    action = np.full((CLIP_ACTIONS, ACTION_DIMS), np.nan, dtype=np.float32)
    action[:, 0:3] = position - point
    action[:, 3:6] = (ahead - behind) * (NS_PER_S / (2 * half))
    action[:, 6] = _column(rows, "width", width, contact_ns, MAX_WIDTH_GAP_NS, planned)
    action[:, 7] = 0.0 if planned else _column(rows, "force", force, contact_ns, MAX_GAP_NS, planned)
    return action


def motion_known(action: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether tip and velocity of actions [..., 90, 8] are known throughout [...]; width and force need not be."""
    return np.asarray(np.isfinite(action[..., :6]).all(axis=(-2, -1)))


def width_at(query_ns: NDArray[np.int64], width: SERIES | None) -> NDArray[np.float64]:  # [m]
    """Opening of the gripper [m] at times, as it was measured: linear; NaN where it is not known."""
    origin_ns = int(query_ns[0]) if len(query_ns) else 0
    return _column(query_ns, "width", width, origin_ns, MAX_WIDTH_GAP_NS, False)


def _column(
    query_ns: NDArray[np.int64],
    name: str,
    series: SERIES | None,
    origin_ns: int,
    max_gap_ns: int,
    rests: bool,
) -> NDArray[np.float64]:
    """One quantity at times, NaN where it is not known; ``rests``: it is known at all times."""
    unknown = np.full(len(query_ns), np.nan)
    if series is None:
        return unknown
    times, values = _known(*series, name, 1)
    if not times.size:
        return unknown
    found = _at(query_ns, times, values, origin_ns)[:, 0]
    if rests:
        return found
    measured = _covered(query_ns, times, max_gap_ns, MAX_HOLD_NS) & _beside_known(query_ns, *series)
    return np.where(measured, found, unknown)


def _beside_known(
    query_ns: NDArray[np.int64], times_ns: NDArray[np.int64], values: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Which times lie at or between rows of a series, or beyond its ends beside one, that are not NaN."""
    finite = np.isfinite(np.asarray(values, dtype=np.float64)).reshape(len(times_ns))
    after = np.searchsorted(times_ns, query_ns)
    right = np.minimum(after, len(times_ns) - 1)
    left = np.where(times_ns[right] == query_ns, right, np.maximum(after - 1, 0))
    return np.asarray(finite[left] & finite[right])


def _covered(
    query_ns: NDArray[np.int64], times_ns: NDArray[np.int64], max_gap_ns: int, hold_ns: int
) -> NDArray[np.bool_]:
    """Which times lie between two of a series no farther apart than a gap may be, or near enough to its ends."""
    right = np.searchsorted(times_ns, query_ns)
    inside = (right > 0) & (right < times_ns.size)
    after = np.minimum(right, times_ns.size - 1)
    before = np.maximum(right - 1, 0)
    exact = times_ns[after] == query_ns
    outside = np.where(right == 0, times_ns[0] - query_ns, query_ns - times_ns[-1])
    near = np.where(inside, times_ns[after] - times_ns[before] <= max_gap_ns, outside <= hold_ns)
    return np.asarray(exact | near)


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
