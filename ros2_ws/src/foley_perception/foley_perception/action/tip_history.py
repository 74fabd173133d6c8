"""Where the tip was over the last seconds, from measured poses of the tool.

Poses come up to a thousand times a second, in any frame, and are needed a few times a minute. Whoever adds one only
queues it. They are decoded and placed in the fixed frame many at once, in the thread that reads: a pose whose frame
moves is placed for good when the transform of a later time has come, and as well as can be until then.

The tip is applied when it is known: where it becomes known late, no step is left in the motion, as there is none in a
recording, which is read with one tip.
"""

from __future__ import annotations

import collections
import dataclasses
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.geometry.se3 import SE3, rotate
from foley_perception.stamped_history import VectorSeries

Array = NDArray[np.float64]
Times = NDArray[np.int64]
States = NDArray[np.int8]

NONE, NOT_YET, FOR_NOW, PLACED = range(
    4
)  # no pose; its frame is not known then; until more is known; for good

_ROW = np.dtype(
    [
        ("time_ns", np.int64),
        ("frame", np.int32),  # that the pose is given in
        ("quaternion", np.float64, 4),
        ("translation", np.float64, 3),
        ("placed_quaternion", np.float64, 4),  # in the fixed frame
        ("placed_translation", np.float64, 3),
        ("tip", np.float64, 3),
        ("state", np.int8),
        ("tries", np.int16),
        ("again", np.int64),  # place it when so much is known
    ]
)
_TRIES = 8  # at once when more is known; then ever more rarely
_LONGEST_PAUSE = 20  # as a power of two
_BEGINNING, _END = -(2**62), 2**62
_MOST_FRAMES = 64  # that are told apart; a sender that names ever new ones is forgotten


@dataclasses.dataclass(frozen=True, eq=False)
class ToldPoses:
    """Poses as messages told them."""

    frames: Sequence[str]
    which: NDArray[np.int32]  # [n] index of each pose's frame; -1 where a message holds no pose
    poses: SE3  # [n]


Read = Callable[[list[Any]], ToldPoses]
Place = Callable[[str, Times, SE3], tuple[SE3, States]]


def in_one_frame(frame: str, times_ns: Times, poses: SE3) -> tuple[SE3, States]:
    """Where all poses are given in the fixed frame."""
    return poses, np.full(len(times_ns), PLACED, np.int8)


class TipHistory(VectorSeries):
    """Positions [3] of the tip in the fixed frame. May be used from several threads.

    A pose that is not newer than the newest is late and left out, unless time was set back by more than ``reset_s``:
    then the history starts anew.

    Args:
        read: decodes what was added, many at once.
        tx_tool_tip: where the tip is seen from the tool. While it gives the same object, nothing is computed again.
        place: poses [n] of one frame, by their times, seen from the fixed one, and how well that is known.
        known: grows when more is known; what could not be placed is then tried again, some 20 times at most.
        keep_s: how far back.
    """

    def __init__(
        self,
        read: Read,
        tx_tool_tip: Callable[[], SE3],
        place: Place = in_one_frame,
        *,
        known: Callable[[], int] = lambda: 0,
        keep_s: float = 8.0,
        reset_s: float = 1.0,
    ) -> None:
        self._read, self._find_tip, self._place, self._known = read, tx_tool_tip, place, known
        self._keep_ns, self._reset_ns = round(keep_s * NS_PER_S), round(reset_s * NS_PER_S)
        self._queue_lock = threading.Lock()  # held for an instant, also by who adds
        self._queue: collections.deque[tuple[int, Any]] = collections.deque()
        self._newest_ns: int | None = None
        self._anew = False
        self._lock = threading.Lock()  # held by who reads
        self._rows, self._start, self._end = np.zeros(64, _ROW), 0, 0
        self._frames: dict[str, int] = {}
        self._tx_tool_tip = SE3.identity()
        self.late = 0  # not newer than the newest: left out

    # ---- in the thread that receives -----------------------------------------------------------------------
    def add(self, time_ns: int, item: Any) -> None:
        """Queue one pose."""
        with self._queue_lock:
            newest = self._newest_ns
            if newest is not None and time_ns <= newest:
                if newest - time_ns <= self._reset_ns:
                    self.late += 1
                    return
                self._queue.clear()
                self._anew = True
            self._newest_ns = time_ns
            self._queue.append((time_ns, item))
            while time_ns - self._queue[0][0] > self._keep_ns:
                self._queue.popleft()

    @property
    def newest_ns(self) -> int | None:
        return self._newest_ns

    def clear(self) -> None:
        with self._queue_lock:
            self._queue.clear()
            self._newest_ns, self._anew = None, True

    # ---- in the thread that reads --------------------------------------------------------------------------
    def settle(self, least: int = 1) -> None:
        """Decode what has come, if it is that much: who reads much later then finds it done."""
        if len(self._queue) >= least:
            with self._lock:
                self._settle()

    def newest(self) -> Array | None:
        """The tip of the newest pose; None if there is none, or the newest cannot be placed."""
        with self._lock:
            rows = self._settle()
            return self._tip_of(rows[-1]) if len(rows) else None

    def newest_known_ns(self) -> int | None:
        """Stamp of the newest pose whose tip is known."""
        with self._lock:
            rows = self._settle()
            known = np.flatnonzero(_known(rows))
            return int(rows["time_ns"][known[-1]]) if len(known) else None

    def newest_until(self, time_ns: int) -> Array | None:
        """The newest tip that is known, of the poses whose stamp is at most ``time_ns``."""
        with self._lock:
            rows = self._between(_BEGINNING, time_ns)
            return self._tip_of(rows[-1]) if len(rows) else None

    def series(self, start_ns: int = _BEGINNING, end_ns: int = _END) -> tuple[Times, Array]:
        """Stamps [n] within [start, end] and tips [n, 3]."""
        with self._lock:
            rows = self._between(start_ns, end_ns)
            return rows["time_ns"].copy(), rows["tip"].copy()

    def tools(self, start_ns: int, end_ns: int) -> tuple[Times, SE3]:
        """Stamps [n] within [start, end] and poses [n] of the tool, where its tip is known."""
        with self._lock:
            rows = self._between(start_ns, end_ns)
            if not len(rows):
                return np.zeros(0, np.int64), SE3.identity(0)
            return rows["time_ns"].copy(), SE3(rows["placed_quaternion"], rows["placed_translation"])

    # ---- inside, with the lock held ------------------------------------------------------------------------
    @staticmethod
    def _tip_of(row: Any) -> Array | None:
        return np.array(row["tip"]) if _known(row) else None

    def _between(self, start_ns: int, end_ns: int) -> Any:
        """Rows within [start, end] whose tip is known."""
        rows = self._settle()
        times = rows["time_ns"]
        low, high = np.searchsorted(times, start_ns, "left"), np.searchsorted(times, end_ns, "right")
        rows = rows[low:high]
        return rows[_known(rows)]

    def _settle(self) -> Any:
        """All rows, the queue's among them."""
        with self._queue_lock:
            queue, self._queue = self._queue, collections.deque()
            anew, self._anew = self._anew, False
        if anew:
            self._start = self._end = 0
        if queue:
            self._take(queue)
        rows = self._rows[self._start : self._end]
        tip = self._find_tip()
        fresh = self._place_open(rows)
        if tip is not self._tx_tool_tip:
            self._tx_tool_tip = tip
            fresh = rows["state"] >= FOR_NOW
        if fresh.any():
            q, t = rows["placed_quaternion"][fresh], rows["placed_translation"][fresh]
            rows["tip"][fresh] = rotate(q, tip.translation) + t
        return rows

    def _take(self, queue: collections.deque[tuple[int, Any]]) -> None:
        told = self._read([item for _, item in queue])
        n = len(queue)
        if self._end + n > len(self._rows):
            kept = self._rows[self._start : self._end]
            self._rows = np.zeros(max(2 * (len(kept) + n), 64), _ROW)
            self._rows[: len(kept)] = kept
            self._start, self._end = 0, len(kept)
        rows = self._rows[self._end : self._end + n]
        rows["time_ns"] = [time_ns for time_ns, _ in queue]
        if len(self._frames) > _MOST_FRAMES:
            self._frames.clear()
            self._rows["state"][self._start : self._end][
                self._rows["state"][self._start : self._end] < FOR_NOW
            ] = NONE
        numbers = np.array([self._frames.setdefault(f, len(self._frames)) for f in told.frames] or [0])
        rows["frame"] = numbers[np.maximum(told.which, 0)]
        rows["quaternion"], rows["translation"] = told.poses.quaternion, told.poses.translation
        rows["state"] = np.where((told.which >= 0) & told.poses.finite, NOT_YET, NONE)
        rows["tries"] = rows["again"] = 0
        rows["tip"] = np.nan
        self._end += n
        oldest = int(rows["time_ns"][-1]) - self._keep_ns
        self._start += int(np.searchsorted(self._rows["time_ns"][self._start : self._end], oldest))

    def _place_open(self, rows: Any) -> NDArray[np.bool_]:
        """Place what is not placed for good; which rows are new or lie elsewhere now."""
        fresh = np.zeros(len(rows), np.bool_)
        known = self._known()  # before placing: what comes meanwhile counts as more
        state = rows["state"]
        waits = ((state == NOT_YET) | (state == FOR_NOW)) & (rows["again"] <= known)
        if not waits.any():
            return fresh
        names = {number: name for name, number in self._frames.items()}
        for number in np.unique(rows["frame"][waits]):
            index = np.flatnonzero(waits & (rows["frame"] == number))
            given = SE3(rows["quaternion"][index], rows["translation"][index])
            placed, states = self._place(names.get(int(number), ""), rows["time_ns"][index], given)
            states = np.where(placed.finite, states, np.where(states >= FOR_NOW, NONE, states))
            rows["state"][index] = states
            rows["placed_quaternion"][index] = placed.quaternion
            rows["placed_translation"][index] = placed.translation
            rows["tries"][index] += 1
            pause = np.clip(rows["tries"][index] - _TRIES, 0, _LONGEST_PAUSE)
            rows["again"][index] = known + np.where(states == FOR_NOW, 1, 1 << pause.astype(np.int64))
            fresh[index] = states >= FOR_NOW
            rows["tip"][index[states < FOR_NOW]] = np.nan
        return fresh


def _known(rows: Any) -> Any:
    """Which tips of rows are known."""
    return np.isfinite(rows["tip"]).all(axis=-1)
