"""What the recorder says of itself, as plain data, and what a session adds to it over time."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections import deque
from collections.abc import Iterable

HOLD_S = 2.0  # a peak stays for so long, and then falls
FALL_DB_S = 20.0
CLIP_S = 5.0  # the mark of clipping stays for so long
_LAST_S, _KNOWN_S = 600, 8  # of its rates, one a second: as many as are kept, and as make a usual one
_SLOW = 0.8  # of the rate that it had
_STAMPS = 1200  # that are kept of the recorder's time: of five minutes, longer than anybody types a line
_STEADY_HZ = 5.0  # what came more seldom comes when something happens


@dataclasses.dataclass(frozen=True)
class Meter:
    """What arrives on one topic: the fields of foley_msgs/TopicMeter."""

    topic: str
    type: str = ""
    expected: bool = False
    publishers: int = 0
    messages: int = 0
    bytes: int = 0
    lost: int = 0
    rate: float = 0.0  # [Hz]
    silence: float = -1.0  # [s], negative: nothing has arrived yet
    latency: float = math.nan  # [s]
    peak_dbfs: tuple[float, ...] = ()
    rms_dbfs: tuple[float, ...] = ()
    clipped: int = 0


@dataclasses.dataclass(frozen=True)
class RecorderState:
    """What the recorder does: the fields of foley_msgs/RecorderStatus, or the part of them that its line in
    /diagnostics tells (``full`` is False then, and what is not told is 0, NaN or empty)."""

    state: str = "idle"  # idle, recording, paused
    path: str = ""
    session_id: str = ""
    duration: float = 0.0  # [s]
    remaining: float = math.nan  # [s]
    bytes: int = 0
    files: int = 0
    queued_bytes: int = 0
    write_rate: float = math.nan  # [byte/s]
    disk_free: float = math.nan  # [byte]
    disk_lasts: float = math.nan  # [s]
    snapshot: float = 0.0  # [s]
    meters: tuple[Meter, ...] = ()
    trouble: tuple[str, ...] = ()
    full: bool = True


class Levels:
    """Peak hold and marks of clipping of every channel. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, int], tuple[float, float]] = {}  # level, when
        self._clipped: dict[str, int] = {}
        self._clipped_at: dict[str, float] = {}

    def heard(self, state: RecorderState, now: float) -> None:
        for meter in state.meters:
            for channel, level in enumerate(meter.peak_dbfs):
                if level >= self.peak(meter.topic, channel, now):
                    self._held[meter.topic, channel] = (level, now)
            if meter.clipped > self._clipped.get(meter.topic, 0):
                self._clipped_at[meter.topic] = now
            self._clipped[meter.topic] = meter.clipped

    def peak(self, topic: str, channel: int, now: float) -> float:
        """The highest level of the last seconds [dBFS]."""
        level, at = self._held.get((topic, channel), (-math.inf, now))
        return level - max(now - at - HOLD_S, 0.0) * FALL_DB_S

    def clips(self, topic: str, now: float) -> bool:
        """Whether samples at full scale have come within the last seconds."""
        return now - self._clipped_at.get(topic, -math.inf) < CLIP_S


class UsualRates:
    """The rate that a topic has in this session, to hold the present one against.

    The recorder knows no rate that a topic ought to have. What is usual is the median of the last ten minutes: neither
    a driver that catches up with itself nor one that fell a moment ago moves it.
    """

    def __init__(self) -> None:
        self._rates: dict[str, deque[float]] = {}
        self._usual: dict[str, float] = {}
        self._taken = -math.inf

    def heard(self, state: RecorderState, now: float) -> None:
        if now - self._taken < 1.0:
            return
        self._taken = now
        for meter in state.meters:
            rates = self._rates.setdefault(meter.topic, deque(maxlen=_LAST_S))
            rates.append(meter.rate)
            if len(rates) >= _KNOWN_S:
                self._usual[meter.topic] = statistics.median(rates)

    def usual(self, topic: str) -> float:
        """[Hz], NaN while it is not known."""
        return self._usual.get(topic, math.nan)

    def slow(self, meters: Iterable[Meter]) -> list[Meter]:
        """Topics that came steadily and are slower than they were, or have stopped."""
        return [
            m for m in meters if self.usual(m.topic) >= _STEADY_HZ and m.rate < _SLOW * self.usual(m.topic)
        ]


class RecorderClock:
    """The recorder's time of a moment of this process, told from the stamps of what it publishes.

    Labels are stamped by it: the recorder may run on another machine, or in simulated time.
    """

    def __init__(self) -> None:
        self._heard: deque[tuple[float, int]] = deque(maxlen=_STAMPS)  # when, and the stamp

    def heard(self, stamp_ns: int, now: float) -> None:
        """A message with this stamp arrived now (monotonic seconds). A stamp of 0 says nothing."""
        if stamp_ns:
            self._heard.append((now, stamp_ns))

    def at(self, moment: float, own_ns: int, now: float) -> int:
        """The time of a moment [ns]; by this machine's clock, which shows ``own_ns`` now, while nothing was heard.

        It is told by what was heard before that moment: while a line is typed, simulated time goes at its own pace.
        """
        known = self._heard or ((now, own_ns),)
        heard, stamp = next((pair for pair in reversed(known) if pair[0] <= moment), known[0])
        return stamp + round((moment - heard) * 1e9)
