"""A short history of stamped vectors, for looking back from an onset."""

from __future__ import annotations

import collections

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
NS_PER_S = 1_000_000_000


class History:
    """Vectors [dims] of the last ``keep_s`` seconds in the order of time.

    Args:
        keep_s: how far back.
        reset_s: a stamp this far before the newest means that time was set back; the history starts anew.
    """

    def __init__(self, keep_s: float = 4.0, reset_s: float = 1.0) -> None:
        self._keep_ns = int(keep_s * NS_PER_S)
        self._reset_ns = int(reset_s * NS_PER_S)
        self._items: collections.deque[tuple[int, Array]] = collections.deque()
        self.refused = 0  # not finite
        self.late = 0  # older than the newest

    def add(self, time_ns: int, value: Array) -> bool:
        """Take in one vector; False if it was refused."""
        if not np.isfinite(value).all():
            self.refused += 1
            return False
        if self._items and time_ns <= self._items[-1][0]:
            if self._items[-1][0] - time_ns <= self._reset_ns:
                self.late += 1
                return False
            self._items.clear()
        self._items.append((int(time_ns), np.asarray(value, dtype=np.float64)))
        while time_ns - self._items[0][0] > self._keep_ns:
            self._items.popleft()
        return True

    @property
    def newest_ns(self) -> int | None:
        return self._items[-1][0] if self._items else None

    def window(self, start_ns: int, end_ns: int) -> tuple[Array, Array]:
        """Seconds [n] relative to ``start_ns`` and values [n, dims] stamped within [start, end]."""
        chosen = [(t, v) for t, v in self._items if start_ns <= t <= end_ns]
        if not chosen:
            return np.zeros(0), np.zeros((0, 3))
        times = np.array([t - start_ns for t, _ in chosen], dtype=np.float64) / NS_PER_S
        return times, np.stack([v for _, v in chosen])

    def at(self, time_ns: int, tolerance_s: float = 0.05) -> Array | None:
        """The vector at a time, interpolated; the nearest end within ``tolerance_s``; else None."""
        slack = int(tolerance_s * NS_PER_S)
        times, values = self.window(time_ns - slack, time_ns + slack)
        if not len(times):
            return None
        return np.array([np.interp(slack / NS_PER_S, times, column) for column in values.T])

    def velocity(self, start_ns: int, end_ns: int) -> Array | None:
        """Least-squares slope [dims] per second over a window; None with fewer than 3 vectors."""
        times, values = self.window(start_ns, end_ns)
        if len(times) < 3:
            return None
        centred = times - times.mean()
        return np.asarray(centred @ (values - values.mean(axis=0)) / (centred @ centred))

    def clear(self) -> None:
        self._items.clear()
