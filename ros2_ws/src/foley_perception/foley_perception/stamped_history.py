"""The last seconds of stamped items: frames, poses, forces, widths. May be used from several threads.

Poses and forces come hundreds of times a second and are needed a few times a minute. Items may therefore be kept as
they came and decoded when asked for.
"""

from __future__ import annotations

import bisect
import collections
import itertools
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S

Array = NDArray[np.float64]
Times = NDArray[np.int64]
Value = TypeVar("Value")


class _Item:
    __slots__ = ("raw", "time_ns", "unknown", "value")

    def __init__(self, time_ns: int, raw: Any) -> None:
        self.time_ns = time_ns
        self.raw = raw
        self.value: Any = None
        self.unknown = False  # it was decoded, and is not finite


class History(Generic[Value]):
    """Items of the last ``keep_s`` seconds in the order of their stamps.

    An item that is not newer than the newest is late and left out, unless time was set back by more than
    ``reset_s``: then the history starts anew.

    Args:
        decode: makes the value of an item, None if it cannot or if it raises; by default items are values.
        keep_s: how far back.
        reset_s: a stamp this far before the newest means that time was set back.
    """

    def __init__(
        self,
        decode: Callable[[Any], Value | None] | None = None,
        *,
        keep_s: float = 8.0,
        reset_s: float = 1.0,
    ) -> None:
        if not keep_s > 0:
            raise ValueError(f"keep_s is {keep_s}, must be positive")
        self._decode = decode
        self._keep_ns = round(keep_s * NS_PER_S)
        self._reset_ns = round(reset_s * NS_PER_S)
        self._items: collections.deque[_Item] = collections.deque()
        self._lock = threading.Lock()
        self.received = 0
        self.late = 0  # not newer than the newest: left out
        self.damaged = 0  # could not be decoded, and never will be

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

    def __len__(self) -> int:
        return len(self._items)

    @property
    def newest_ns(self) -> int | None:
        with self._lock:
            return self._items[-1].time_ns if self._items else None

    def newest(self) -> Value | None:
        """The newest value; None if there is none, or the newest item could not be decoded."""
        with self._lock:
            return self._value(self._items[-1]) if self._items else None

    def newest_until(self, time_ns: int) -> Value | None:
        """The newest value that could be decoded, of the items whose stamp is at most ``time_ns``."""
        with self._lock:
            index = bisect.bisect_right(self._items, time_ns, key=lambda item: item.time_ns)
            values = (self._value(self._items[i]) for i in reversed(range(index)))
            return next((value for value in values if value is not None), None)

    def between(self, start_ns: int, end_ns: int) -> tuple[Times, list[Value]]:
        """Stamps [n] within [start, end] and the values of those that could be decoded."""
        with self._lock:
            found = [
                (item.time_ns, value)
                for item in self._within(start_ns, end_ns)
                if (value := self._value(item)) is not None
            ]
        return np.array([time_ns for time_ns, _ in found], dtype=np.int64), [value for _, value in found]

    def all(self) -> tuple[Times, list[Value]]:
        """Every stamp and value that is kept."""
        return self.between(-(2**62), 2**62)

    def clear(self) -> None:
        with self._lock:
            self._items.clear()

    def _within(self, start_ns: int, end_ns: int) -> list[_Item]:
        low = bisect.bisect_left(self._items, start_ns, key=lambda item: item.time_ns)
        high = bisect.bisect_right(self._items, end_ns, lo=low, key=lambda item: item.time_ns)
        return list(itertools.islice(self._items, low, high))

    def _value(self, item: _Item) -> Value | None:
        if item.raw is not None:
            try:
                item.value = item.raw if self._decode is None else self._decode(item.raw)
            except Exception:  # noqa: BLE001 - one damaged item must not make all that are kept unreadable
                item.value = None
                self.damaged += 1
            item.raw = None
        value: Value | None = item.value
        return value


class VectorSeries:
    """Questions about vectors [dims] over time, whoever keeps them."""

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest."""
        raise NotImplementedError

    def clear(self) -> None:
        """Forget them."""
        raise NotImplementedError

    def series(self, start_ns: int, end_ns: int) -> tuple[Times, Array]:
        """Stamps [n] within [start, end] and vectors [n, dims]."""
        raise NotImplementedError

    def window(self, start_ns: int, end_ns: int) -> tuple[Array, Array]:
        """Seconds [n] relative to ``start_ns`` and vectors [n, dims] stamped within [start, end]."""
        times, values = self.series(start_ns, end_ns)
        return (times - start_ns).astype(np.float64) / NS_PER_S, values

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


class VectorHistory(History[Array], VectorSeries):
    """Vectors [dims]; one that is not finite counts as not decoded."""

    def series(self, start_ns: int, end_ns: int) -> tuple[Times, Array]:
        """Stamps [n] within [start, end] and vectors [n, dims]."""
        times, values = self.between(start_ns, end_ns)
        return times, np.stack(values) if values else np.zeros((0, 3))

    def told(self, start_ns: int, end_ns: int) -> tuple[Times, Array]:
        """As :meth:`series`, with rows of NaN where a vector is not finite."""
        with self._lock:
            items = self._within(start_ns, end_ns)
            found = [
                (item, value) for item in items if (value := self._value(item)) is not None or item.unknown
            ]
        known = next((value for _, value in found if value is not None), np.zeros(3))
        rows = [np.full_like(known, np.nan) if value is None else value for _, value in found]
        times = np.array([item.time_ns for item, _ in found], dtype=np.int64)
        return times, np.stack(rows) if rows else np.zeros((0, 3))

    def _value(self, item: _Item) -> Array | None:
        if item.raw is not None:
            value = super()._value(item)
            known = value is not None and bool(np.isfinite(value).all())
            item.unknown = value is not None and not known
            item.value = np.asarray(value, dtype=np.float64) if known else None
        vector: Array | None = item.value
        return vector
