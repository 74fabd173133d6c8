"""Speeds of joints at any time, from positions as they were told."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Times = NDArray[np.int64]

HALF_S = 0.02  # of motion on each side that a speed is the mean over
REACH_S = 0.1  # to the next position that is known, at most

JointPositions = Callable[[str, int, int], tuple[Times, Array]]
"""Stamps [n], increasing, and positions [n] of one joint between two times; nothing of a joint that nobody tells."""


def speeds_at(positions: JointPositions, names: Sequence[str], times_ns: Times) -> Array:  # [t, joints]
    """Speeds [1/s of the positions' unit], signed; NaN where a joint's positions are not known around a time.

    The difference over `HALF_S` on each side. At the newest position, live, the one side that is known counts, and a
    position that is late by up to `REACH_S` is taken to stand.
    """
    found = np.full((len(times_ns), len(names)), np.nan)
    if not len(times_ns):
        return found
    origin, reach = int(times_ns[0]), round((REACH_S + HALF_S) * 1e9)
    query = (times_ns - origin) * 1e-9
    for column, name in enumerate(names):
        stamps, values = positions(name, int(times_ns[0]) - reach, int(times_ns[-1]) + reach)
        known = np.isfinite(values)
        stamps, values = stamps[known], values[known]
        if len(stamps) >= 2:
            found[:, column] = _slopes((stamps - origin) * 1e-9, _unwrapped(values), query)
    return found


def _slopes(stamps: Array, values: Array, query: Array) -> Array:
    left = np.clip(np.searchsorted(stamps, query, side="right") - 1, 0, len(stamps) - 2)
    gap = np.where(
        query < stamps[0], stamps[0] - query,
        np.where(query > stamps[-1], query - stamps[-1], stamps[left + 1] - stamps[left]),
    )  # fmt: skip
    low, high = np.clip(query - HALF_S, stamps[0], stamps[-1]), np.clip(query + HALF_S, stamps[0], stamps[-1])
    # At an end the newest stretch of the same length counts.
    low = np.minimum(low, np.maximum(high - HALF_S, stamps[0]))
    high = np.maximum(high, np.minimum(low + HALF_S, stamps[-1]))
    span = high - low
    moved = np.interp(high, stamps, values) - np.interp(low, stamps, values)
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = moved / span
    return np.where((gap <= REACH_S) & (span >= 0.25 * HALF_S), slopes, np.nan)


def _unwrapped(values: Array) -> Array:
    """Joints that turn for ever may be told between -pi and pi."""
    if np.abs(np.diff(values)).max() <= np.pi:
        return values
    return np.asarray(np.unwrap(values))
