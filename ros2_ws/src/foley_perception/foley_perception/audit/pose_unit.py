"""Whether a stream of poses can be in metres: an arm does not reach 5 m within a second."""

from __future__ import annotations

import math
from collections.abc import Sequence

from foley_common.times import NS_PER_S

REACH_M, REACH_S = 5.0, 1.0
_TIMES = 2  # that it did, before it is believed: a clock that was set looks like one
_QUIET_NS = 10 * NS_PER_S  # after which a stream that moves as an arm does is in metres again
_MOVES_M = 1e-4  # a step of a tool that does not rest
_LOOK_NS = NS_PER_S // 50  # between two positions that are looked at


class PoseUnit:
    """Judges positions in the order of their stamps. One step that is most of a way is a jump, not a motion."""

    def __init__(self) -> None:
        self._first: tuple[int, Sequence[float]] | None = None  # where the window began
        self._last: tuple[int, Sequence[float]] | None = None
        self._step = 0.0  # the longest since
        self.times = 0
        self.shown = ""  # the newest way, in words
        self.since_ns = self._wrong_ns = 0

    def due(self, time_ns: int) -> bool:
        """Whether to look at the pose of a stamp."""
        return self._last is None or not 0 <= time_ns - self._last[0] < _LOOK_NS

    def add(self, time_ns: int, position: Sequence[float]) -> None:
        """A finite position [3] and its stamp."""
        if self._last is not None and time_ns == self._last[0]:
            return
        if self._first is None or self._last is None or not 0 < time_ns - self._last[0] <= REACH_S * NS_PER_S:
            self._first, self._last, self._step = (time_ns, position), (time_ns, position), 0.0
            return
        self._step = max(self._step, math.dist(position, self._last[1]))
        self._last = time_ns, position
        way = math.dist(position, self._first[1])
        if way > REACH_M and self._step < 0.5 * way:
            self.shown = f"{way:.3g} m in {(time_ns - self._first[0]) / NS_PER_S:.2g} s"
            self.since_ns = self.since_ns or self._first[0]
            self.times, self._wrong_ns = self.times + 1, time_ns
        elif time_ns - self._first[0] < REACH_S * NS_PER_S:
            return
        elif self.times > 0 and time_ns - self._wrong_ns > _QUIET_NS and self._step > _MOVES_M:
            self.times = self.since_ns = 0
        self._first, self._step = (time_ns, position), 0.0

    @property
    def wrong(self) -> bool:
        return self.times >= _TIMES

    def text(self, topic: str) -> str:
        """What is wrong, and the cure."""
        return no_metres(topic, self.shown)


def no_metres(topic: str, shown: str) -> str:
    """That the poses of a topic are not in metres, because of a way that the tool went."""
    return (
        f"{topic}: the tool went {shown}, which no arm does: the poses are not in metres (millimetres?), and no "
        "contact is made of them; ROS has metres: let what publishes them divide by 1000"
    )
