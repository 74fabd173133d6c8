"""The last seconds of frames, poses and forces, addressed by ROS time. May be used from several threads."""

from __future__ import annotations

import bisect
import collections
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S

Item = TypeVar("Item")


class History(Generic[Item]):
    """Items in the order of their stamps, those of the last ``window_s`` only.

    An item that is older than the newest is dropped, unless time was set back by more than a second: then the
    history starts anew.
    """

    def __init__(self, window_s: float) -> None:
        if not window_s > 0:
            raise ValueError(f"window_s is {window_s}, must be positive")
        self._window_ns = round(window_s * NS_PER_S)
        self._times: collections.deque[int] = collections.deque()
        self._items: collections.deque[Item] = collections.deque()
        self._lock = threading.Lock()

    def add(self, time_ns: int, item: Item) -> None:
        with self._lock:
            if self._times and time_ns <= self._times[-1]:
                if self._times[-1] - time_ns < NS_PER_S:
                    return
                self._times.clear()
                self._items.clear()
            self._times.append(time_ns)
            self._items.append(item)
            while time_ns - self._times[0] > self._window_ns:
                self._times.popleft()
                self._items.popleft()

    def clear(self) -> None:
        with self._lock:
            self._times.clear()
            self._items.clear()

    def __len__(self) -> int:
        return len(self._times)

    @property
    def newest_ns(self) -> int | None:
        with self._lock:
            return self._times[-1] if self._times else None

    def snapshot(self) -> tuple[list[int], list[Item]]:
        """Stamps and items, oldest first."""
        with self._lock:
            return list(self._times), list(self._items)

    def newest_until(self, time_ns: int) -> Item | None:
        """The newest item whose stamp is at most ``time_ns``."""
        times, items = self.snapshot()
        index = bisect.bisect_right(times, time_ns) - 1
        return items[index] if index >= 0 else None


Frame = NDArray[np.uint8]  # [H, W, 3]


def choose_still(
    frames: History[Frame],
    contact_ns: int,
    tool_is_clear: Callable[[int], bool],
    *,
    before_s: float = 0.6,
    at_least_s: float = 0.5,
) -> tuple[int, Frame] | None:
    """The frame that shows the place before the tool comes near: nearest to ``before_s`` before the contact.

    Only frames at least ``at_least_s`` before the contact count, as in the dataset. If the tool is in the way
    in that frame, the newest earlier one in which it is not is taken, if there is one.

    Returns:
        Stamp and frame, or None where no frame is old enough.
    """
    latest = contact_ns - round(at_least_s * NS_PER_S)
    times, items = frames.snapshot()
    candidates = [i for i, t in enumerate(times) if t <= latest]
    if not candidates:
        return None
    wanted = contact_ns - round(before_s * NS_PER_S)
    best = min(candidates, key=lambda i: abs(times[i] - wanted))
    if not tool_is_clear(times[best]):
        best = next((i for i in reversed(candidates[: best + 1]) if tool_is_clear(times[i])), best)
    return times[best], items[best]


def frames_on_grid(
    frames: History[Frame], start_ns: int, *, count: int = 30, rate_hz: float = 30.0
) -> list[Frame] | None:
    """Frame i is the newest with a stamp of at most ``start + (i + 1) / rate``, as in the dataset.

    None where the first of them is missing.
    """
    times, items = frames.snapshot()
    chosen = []
    for i in range(count):
        index = bisect.bisect_right(times, start_ns + round((i + 1) * NS_PER_S / rate_hz)) - 1
        if index < 0:
            return None
        chosen.append(items[index])
    return chosen
