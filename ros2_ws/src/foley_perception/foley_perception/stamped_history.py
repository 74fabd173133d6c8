"""A short history of stamped vectors, for looking back from an onset.

Poses and forces come hundreds of times a second and are needed a few times a minute. Items may therefore be kept as
they came and decoded when asked for.
"""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S

Array = NDArray[np.float64]


class _Item:
    __slots__ = ("raw", "time_ns", "value")

    def __init__(self, time_ns: int, raw: Any) -> None:
        self.time_ns = time_ns
        self.raw = raw
        self.value: Array | None = None


class History:
    """Vectors [dims] of the last ``keep_s`` seconds in the order of time. May be used from several threads.

    Args:
        decode: makes the vector of an item, None if it cannot; by default items are vectors.
        keep_s: how far back.
        reset_s: a stamp this far before the newest means that time was set back; the history starts anew.
    """

    def __init__(
        self,
        decode: Callable[[Any], Array | None] | None = None,
        *,
        keep_s: float = 6.0,
        reset_s: float = 1.0,
    ) -> None:
        self._decode = decode
        self._keep_ns = int(keep_s * NS_PER_S)
        self._reset_ns = int(reset_s * NS_PER_S)
        self._items: collections.deque[_Item] = collections.deque()
        self._lock = threading.Lock()
        self.received = 0
        self.late = 0  # older than the newest: left out

    def add(self, time_ns: int, item: Any) -> None:
        """Take in one item."""
        with self._lock:
            self.received += 1
            if self._items and time_ns <= self._items[-1].time_ns:
                if self._items[-1].time_ns - time_ns <= self._reset_ns:
                    self.late += 1
                    return
                self._items.clear()
            self._items.append(_Item(int(time_ns), item))
            while time_ns - self._items[0].time_ns > self._keep_ns:
                self._items.popleft()

    @property
    def newest_ns(self) -> int | None:
        with self._lock:
            return self._items[-1].time_ns if self._items else None

    def newest(self) -> Array | None:
        """The newest vector; None if there is none, or the newest item has no finite one."""
        with self._lock:
            return self._value(self._items[-1]) if self._items else None

    def window(self, start_ns: int, end_ns: int) -> tuple[Array, Array]:
        """Seconds [n] relative to ``start_ns`` and finite vectors [n, dims] stamped within [start, end]."""
        with self._lock:
            items = [i for i in self._items if start_ns <= i.time_ns <= end_ns]
            found = [(i.time_ns, v) for i in items if (v := self._value(i)) is not None]
        if not found:
            return np.zeros(0), np.zeros((0, 3))
        times = np.array([t - start_ns for t, _ in found], dtype=np.float64) / NS_PER_S
        return times, np.stack([v for _, v in found])

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
        with self._lock:
            self._items.clear()

    def _value(self, item: _Item) -> Array | None:
        if item.raw is not None:
            value = item.raw if self._decode is None else self._decode(item.raw)
            item.raw = None
            if value is not None and bool(np.isfinite(value).all()):
                item.value = np.asarray(value, dtype=np.float64)
        return item.value
