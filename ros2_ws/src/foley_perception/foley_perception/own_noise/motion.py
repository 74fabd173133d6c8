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
    first, last = int(times_ns[0]), int(times_ns[-1])
    reach, query = round((REACH_S + HALF_S) * 1e9), _seconds(times_ns, first)
    groups: list[tuple[Times, list[int], list[Array]]] = []  # of joints that were told together
    for column, name in enumerate(names):
        stamps, values = positions(name, first - reach, last + reach)
        if not (known := np.isfinite(values)).all():
            stamps, values = stamps[known], values[known]
        if len(stamps) < 2:
            continue
        if not groups or not (groups[-1][0] is stamps or np.array_equal(groups[-1][0], stamps)):
            groups.append((stamps, [], []))
        groups[-1][1].append(column)
        groups[-1][2].append(values)
    for stamps, columns, told in groups:
        rows = _unwrapped(np.stack(told, axis=1))
        found[:, columns] = _slopes(_seconds(stamps, first), rows, query)
    return found


def _seconds(times_ns: Times, first: int) -> Array:
    return np.asarray((times_ns - first) * 1e-9, np.float64)


def _slopes(stamps: Array, rows: Array, query: Array) -> Array:  # [n], [n, joints], [t] -> [t, joints]
    left = np.clip(np.searchsorted(stamps, query, side="right") - 1, 0, len(stamps) - 2)
    begin, end = float(stamps[0]), float(stamps[-1])
    gap = np.where(
        query < begin, begin - query, np.where(query > end, query - end, stamps[left + 1] - stamps[left])
    )
    low, high = np.clip(query - HALF_S, begin, end), np.clip(query + HALF_S, begin, end)
    # At an end the newest stretch of the same length counts.
    low = np.minimum(low, np.maximum(high - HALF_S, begin))
    high = np.maximum(high, np.minimum(low + HALF_S, end))
    span = high - low
    known = (gap <= REACH_S) & (span >= 0.25 * HALF_S)
    moved = _between(stamps, rows, high) - _between(stamps, rows, low)
    return np.where(known[:, None], moved / np.where(known, span, 1.0)[:, None], np.nan)


def _between(stamps: Array, rows: Array, query: Array) -> Array:
    """Linear, within the stamps."""
    left = np.clip(np.searchsorted(stamps, query, side="right") - 1, 0, len(stamps) - 2)
    share = ((query - stamps[left]) / (stamps[left + 1] - stamps[left]))[:, None]
    return np.asarray(rows[left] * (1 - share) + rows[left + 1] * share)


def _unwrapped(rows: Array) -> Array:
    """Joints that turn for ever may be told between -pi and pi."""
    if np.abs(np.diff(rows, axis=0)).max() <= np.pi:
        return rows
    return np.asarray(np.unwrap(rows, axis=0))
