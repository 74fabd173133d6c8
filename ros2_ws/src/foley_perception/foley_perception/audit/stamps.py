"""Stamps of one topic against the times at which its messages arrived, message by message."""

from __future__ import annotations

import array
import dataclasses

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S

RUN_S = 1.0  # stamps that go back by more belong to another run
_BIN_NS = NS_PER_S // 4  # of arrival, in which the least latency is kept
_RESERVOIR = 512
_CANDIDATES = 256
_STEP_NS = 12_000_000  # as of a microphone's clock (audio/clock_steps.py)
_GAP_NS = NS_PER_S // 2
_CONFIRMED = 3  # messages in a row that go on elsewhere are no accident
_WILD = 256  # that are remembered


@dataclasses.dataclass(frozen=True)
class Jump:
    """Stamps that go on elsewhere than time did."""

    arrival_ns: int
    stamp_ns: int  # of the first message after it
    size_ns: int  # by which stamps moved further than arrivals; of a jump back: than the highest stamp
    after_gap: bool = False  # nothing had come for half a second: what sent it may be another than before


class StampAudit:
    """Watches one topic; holds a few numbers for each quarter of a second."""

    def __init__(self) -> None:
        self.messages = self.zero = self.repeats = self.backs = 0
        self.first_zero_ns = self.first_repeat_ns = self.first_back_ns = 0  # arrival, stamp, stamp
        self.worst_back_ns = 0
        self.runs: list[Jump] = []  # jumps back
        self.ahead: list[Jump] = []  # jumps ahead
        self._early: list[tuple[Jump, int, int]] = []  # while the period is not known: with both intervals
        self._steps: list[Jump] = []
        self._highest = self._last = self._last_arrival = 0
        self._arrivals = array.array("q")  # of the message that came fastest in its bin
        self._stamps = array.array("q")
        self._bin = -1
        self._best = 0
        self._intervals = array.array("q")  # of stamps
        self._arrival_intervals = array.array("q")
        self._period = 0.0
        self._previous_arrival = 0
        self._begun: list[tuple[int, int]] = []  # the first messages: stamps and arrivals
        self._apart: list[tuple[int, int]] = []  # that do not follow those before, yet
        self.wild: list[tuple[int, int]] = []  # those that nothing followed either: the first of them
        self.wild_count = 0

    def add(self, stamp_ns: int, arrival_ns: int) -> None:
        """One message; a stamp of 0 is none."""
        self.messages += 1
        if self._previous_arrival and len(self._arrival_intervals) < _RESERVOIR:
            self._arrival_intervals.append(arrival_ns - self._previous_arrival)
        self._previous_arrival = arrival_ns
        if stamp_ns == 0:
            if not self.zero:
                self.first_zero_ns = arrival_ns
            self.zero += 1
            return
        if self._last and _far(stamp_ns, arrival_ns, self._last, self._last_arrival):
            if self._apart and _far(stamp_ns, arrival_ns, *self._apart[-1]):
                self._settle(stamp_ns)
            self._apart.append((stamp_ns, arrival_ns))
            if len(self._apart) == _CONFIRMED:
                apart, self._apart = self._apart, []
                if len(self._begun) < _CONFIRMED:  # it is what came before that nothing follows
                    self._call_wild(self._begun)
                    self._begin()
                for item in apart:
                    self._take(*item)
            return
        self._settle(stamp_ns)
        self._take(stamp_ns, arrival_ns)

    def finish(self) -> None:
        """No message follows."""
        self._settle(None)

    def _settle(self, next_ns: int | None) -> None:
        """What nothing followed is damaged, unless it came late and its stamp lies where it should."""
        apart, self._apart = self._apart, []
        for stamp_ns, arrival_ns in apart:
            end = next_ns if next_ns is not None else self._last + arrival_ns - self._last_arrival
            if self._last <= stamp_ns <= end:
                self._take(stamp_ns, arrival_ns)
            else:
                self._call_wild([(stamp_ns, arrival_ns)])

    def _call_wild(self, items: list[tuple[int, int]]) -> None:
        self.wild_count += len(items)
        self.wild += items[: max(_WILD - len(self.wild), 0)]

    def _begin(self) -> None:
        """As if no message had come."""
        self._highest = self._last = self._last_arrival = 0
        self._arrivals, self._stamps = array.array("q"), array.array("q")
        self._bin = -1
        self._begun = []

    def _take(self, stamp_ns: int, arrival_ns: int) -> None:
        if len(self._begun) < _CONFIRMED:
            self._begun.append((stamp_ns, arrival_ns))
        if self._last:
            self._follow(stamp_ns, arrival_ns)
        self._highest = max(self._highest, stamp_ns)
        self._last, self._last_arrival = stamp_ns, arrival_ns
        number, latency = arrival_ns // _BIN_NS, arrival_ns - stamp_ns
        if number != self._bin:
            self._bin, self._best = number, latency
            self._arrivals.append(arrival_ns)
            self._stamps.append(stamp_ns)
        elif latency < self._best:
            self._best, self._arrivals[-1], self._stamps[-1] = latency, arrival_ns, stamp_ns

    def _follow(self, stamp_ns: int, arrival_ns: int) -> None:
        interval, elapsed = stamp_ns - self._last, arrival_ns - self._last_arrival
        if len(self._intervals) < _RESERVOIR and interval > 0:
            self._intervals.append(interval)
            if len(self._intervals) in (16, 64, _RESERVOIR):
                self._period = float(np.median(np.frombuffer(self._intervals, np.int64)))
        if stamp_ns < self._highest - RUN_S * NS_PER_S:
            self.runs.append(Jump(arrival_ns, stamp_ns, stamp_ns - self._highest))
            self._highest = stamp_ns
            if len(self.runs) > _CANDIDATES:
                self.runs.pop()
            return
        moved = interval - elapsed
        if moved > RUN_S * NS_PER_S and len(self.ahead) < _CANDIDATES:
            self.ahead.append(Jump(arrival_ns, stamp_ns, moved))
        if interval == 0:
            self.repeats += 1
            self.first_repeat_ns = self.first_repeat_ns or stamp_ns
        elif interval < 0:
            self.backs += 1
            self.first_back_ns = self.first_back_ns or stamp_ns
            self.worst_back_ns = max(self.worst_back_ns, -interval)
        if abs(moved) >= _STEP_NS and len(self._steps) < _CANDIDATES:
            jump = Jump(arrival_ns, stamp_ns, moved)
            if not self._period:
                self._early.append((jump, interval, elapsed))
            elif (real := _of_stamps(jump, interval, elapsed, self._period)) is not None:
                self._steps.append(real)

    # ---- figures ---------------------------------------------------------------------------------------
    @property
    def stamped(self) -> int:
        return self.messages - self.zero

    @property
    def steps(self) -> list[Jump]:
        """Places at which stamps stepped, for a moment or for good."""
        period = self.period_s * NS_PER_S
        early = [_of_stamps(jump, interval, elapsed, period) for jump, interval, elapsed in self._early]
        return [*(jump for jump in early if jump is not None), *self._steps]

    @property
    def period_s(self) -> float:
        """Median interval of stamps; 0 where there are none."""
        return (
            float(np.median(np.frombuffer(self._intervals, np.int64))) / NS_PER_S if self._intervals else 0.0
        )

    @property
    def arrival_spread_s(self) -> float:
        """How far intervals of arrival lie apart: 5 % to 95 %."""
        if len(self._arrival_intervals) < 2:
            return 0.0
        low, high = np.quantile(np.frombuffer(self._arrival_intervals, np.int64), [0.05, 0.95])
        return float(high - low) / NS_PER_S

    def silences(self, least_s: float) -> list[tuple[int, int]]:
        """Stamps before and after each time without a message, if it is that long."""
        times = np.array(self._stamps, np.int64)
        at = np.flatnonzero(np.diff(times) > least_s * NS_PER_S)
        return [(int(times[i]), int(times[i + 1])) for i in at]

    def fastest(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Arrivals and stamps [n] of the messages that came fastest, one each quarter of a second."""
        return np.array(self._arrivals, np.int64), np.array(self._stamps, np.int64)


def _far(stamp_ns: int, arrival_ns: int, last_ns: int, last_arrival_ns: int) -> bool:
    """Whether a stamp goes on elsewhere than arrival does, by so much that it may be another run's or damaged."""
    return abs((stamp_ns - last_ns) - (arrival_ns - last_arrival_ns)) > RUN_S * NS_PER_S


def _of_stamps(jump: Jump, interval: int, elapsed: int, period: float) -> Jump | None:
    """What of a jump is the stamps', by the period that they keep, and not late arrival; None if nothing is."""
    if not period or elapsed > _GAP_NS:
        return dataclasses.replace(jump, after_gap=elapsed > _GAP_NS)
    # Messages are lost: of those that arrived late stamps tell how many, of a step ahead only arrival can.
    passed = min(interval, elapsed) if jump.size_ns < 0 else elapsed
    size = round(interval - max(round(passed / period), 1) * period)
    return dataclasses.replace(jump, size_ns=size) if abs(size) >= _STEP_NS else None
