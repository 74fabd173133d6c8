"""Which samples of a device came in, and when: lost ones are counted, not closed over.

PortAudio hands over chunks, says when it thinks that the first sample of each was captured, and raises a flag where the
driver lost some; it never says how many. Some sound servers lose without a flag. So two levels are watched, each a time
less the sample count at the nominal rate:

- of what the *device* says (``captured_s``): precise, but a sound server's estimate swings for seconds after a start or
  a gap;
- of *arrival*: late by whatever the machine does, never early, so its least over a while is firm.

Samples that are missing raise both for good, the second at once. What only comes late raises arrival for a while; an
estimate that swings moves the first alone. Where either moves, or the flag is up, chunks are held back until it is
clear which it was (0.3 s, two seconds at most), then they go on with the right count. Where the device's word is behind
arrival, what is missing is told by arrival, and the clock runs on by itself until the device agrees with it again. The
same is done at the start, until the device has found its clock.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio_devices.device_clock import DeviceClock
from foley_perception.audio_devices.mailbox import Chunk

LEAST_GAP_S = 0.003  # less cannot be told from jitter, and goes into the clock's line
_MOVED_S = 0.005
_LATE_S = 0.050
_HOLD_S = 0.3
_RECENT_S = 0.2
_SETTLED_S = 0.002  # spread of what the device says
_MOST_HOLD_S = 2.0
_MOST_START_S = 3.0
_PLAUSIBLE_AGE_S = 0.1  # beyond the device's own buffer
_FIRM_S = 1.0  # so long arrival must stay where it is to be believed against the device
_FIRM_WINDOWS = 3
_AGREE_S = 0.003
_DISTRUST_S = 10.0
_WINDOWS = 25  # of _RECENT_S
_LEAST_CHUNKS = 5


@dataclasses.dataclass(frozen=True, eq=False)
class Placed:
    """Samples that are in their place."""

    samples: NDArray[np.float32]  # [n, channels]
    first_sample: int
    captured_s: float  # of the first one, monotonic clock
    std_s: float
    by_device: bool  # the time is the device's, not that of arrival


class _Arrivals:
    """How late chunks usually arrive, by the least of each 0.2 s."""

    def __init__(self) -> None:
        self._least: collections.deque[float] = collections.deque(maxlen=_WINDOWS)
        self._began_s, self._now = 0.0, np.inf  # of the window that is being filled
        self.usual = np.inf
        self.noise = _AGREE_S  # of one window's least
        self.raised = False  # the newest window lies above what is usual

    @property
    def tolerance(self) -> float:
        return max(LEAST_GAP_S, 3 * self.noise)

    @staticmethod
    def leasts(arrivals: Iterable[tuple[float, float]]) -> list[float]:
        """Of windows, from when and level of each."""
        found: dict[int, float] = {}
        for when_s, level in arrivals:
            window = int(when_s / _RECENT_S)
            found[window] = min(level, found.get(window, np.inf))
        return list(found.values())

    def add(self, when_s: float, level: float) -> None:
        if when_s - self._began_s > _RECENT_S:
            if np.isfinite(self._now) and self._began_s:
                self.raised = self._now - self.usual > self.tolerance
                if not self.raised or len(self._least) < 5:
                    self._least.append(self._now)
                self._look()
            self._began_s, self._now = when_s, np.inf
        else:
            self.raised = False
        self._now = min(self._now, level)
        if not self._least:
            self.usual = min(self.usual, level)

    def _look(self) -> None:
        low, middle, high = np.quantile(self._least, (0.1, 0.5, 0.9))
        self.usual = float(middle)
        if len(self._least) >= 5:
            self.noise = float(high - low) / 2


class SampleCount:
    """Places the chunks of one stream.

    Args:
        sample_rate: [Hz].
        latency_s: of the device's buffer: so much later than captured a sample usually comes in.
    """

    def __init__(self, sample_rate: int, latency_s: float = 0.0) -> None:
        self.clock = DeviceClock(sample_rate)
        self.gaps = 0
        self.lost = 0  # samples
        self.overflows = 0  # flags of the driver
        self.jumps = 0  # of the device's clock, with nothing lost
        self.unsettled = False  # the device had not found its clock when it was given up to wait
        self._rate, self._latency_s = sample_rate, latency_s
        self._next = 0
        self._arrivals = _Arrivals()
        self._distrust_s: float | None = None  # since when the device's word is not learnt from
        self._held: list[tuple[int, Chunk]] = []  # first sample as if nothing were lost
        self._holding = True  # until the device has found its clock

    def take(self, chunk: Chunk) -> Iterator[Placed]:
        """The next chunk; what can be placed now."""
        self.overflows += chunk.overflow
        if chunk.dropped:  # known to the sample, so nothing has to be found out
            self._count_gap(chunk.dropped)
            self._next += chunk.dropped
        first = self._next
        self._next += len(chunk.samples)
        if not self._holding and not self._suspicious(first, chunk):
            self._learn(first, chunk)
            yield self._place(first, chunk)
            return
        self._holding = True
        self._held.append((first, chunk))
        if self._clear(chunk.arrived_s):
            yield from self._decide()

    def finish(self) -> Iterator[Placed]:
        """The stream has ended: what was held back."""
        if self._held:
            yield from self._decide()

    # ---- inside ----------------------------------------------------------------------------------------
    def _captured_s(self, chunk: Chunk) -> float:
        if chunk.captured_s is not None:
            return chunk.captured_s
        return chunk.arrived_s - len(chunk.samples) / self._rate

    def _level(self, first: int, chunk: Chunk) -> float:
        return self._captured_s(chunk) - first / self._rate

    def _arrival(self, first: int, chunk: Chunk) -> float:
        return chunk.arrived_s - (first + len(chunk.samples)) / self._rate

    def _suspicious(self, first: int, chunk: Chunk) -> bool:
        late = self._arrival(first, chunk) - self._arrivals.usual
        if chunk.overflow or late > _LATE_S + self._latency_s or self._arrivals.raised:
            return True
        moved = abs(self._level(first, chunk) - self.clock.level_s(first))
        if self._distrust_s is None:
            return moved > self._swing()
        if moved < _MOVED_S:
            self._distrust_s = None
        return chunk.arrived_s - self._distrust_s > _DISTRUST_S if self._distrust_s is not None else False

    def _swing(self) -> float:
        """By how much the device's word may move without saying anything."""
        return max(_MOVED_S, 5 * self.clock.std_s)

    def _recent(self, seconds: float = _RECENT_S) -> list[tuple[int, Chunk]]:
        since = self._held[-1][1].arrived_s - seconds
        return [(first, chunk) for first, chunk in self._held if chunk.arrived_s >= since]

    def _moved(self, recent: list[tuple[int, Chunk]]) -> tuple[float, float]:
        """By how much the device's word and arrival lie above where they were [s]."""
        levels = [self._level(first, chunk) for first, chunk in recent]
        # The least of all: what a buffer still held before a gap comes later than that gap is long.
        later = min(self._arrival(first, chunk) for first, chunk in self._held) - self._arrivals.usual
        return float(np.median(levels)) - self.clock.level_s(recent[0][0]), later

    def _clear(self, now_s: float) -> bool:
        """Whether what is held tells what happened."""
        held_s = now_s - self._held[0][1].arrived_s
        if held_s > (_MOST_HOLD_S if self.clock.ready else _MOST_START_S):
            return True
        recent = self._recent()
        if held_s < _HOLD_S or len(recent) < _LEAST_CHUNKS:
            return False
        levels = [self._level(first, chunk) for first, chunk in recent]
        low, high = np.quantile(levels, (0.1, 0.9))
        settled = bool(high - low <= _SETTLED_S)
        if not self.clock.ready:
            ages = [chunk.arrived_s - self._captured_s(chunk) for _, chunk in recent]
            return settled and float(np.median(ages)) < self._latency_s + _PLAUSIBLE_AGE_S
        moved, later = self._moved(recent)
        if later <= self._arrivals.tolerance:
            return settled or held_s > _FIRM_S
        if abs(moved - later) <= _AGREE_S + self._arrivals.noise and settled:
            return True
        if held_s < _FIRM_S:
            return False
        leasts = _Arrivals.leasts((c.arrived_s, self._arrival(f, c)) for f, c in self._held)
        near = min(leasts) + _AGREE_S + self._arrivals.noise
        return sum(least <= near for least in leasts) >= _FIRM_WINDOWS

    def _decide(self) -> Iterator[Placed]:
        held, recent = self._held, self._recent()
        lost, at, anew = 0, len(held), False
        if not self.clock.ready:
            levels = [self._level(first, chunk) for first, chunk in recent]
            self.unsettled = float(np.ptp(np.quantile(levels, (0.1, 0.9)))) > _SETTLED_S
            anew = True
        else:
            moved, later = self._moved(recent)
            if later > self._arrivals.tolerance:
                agree = abs(moved - later) <= _AGREE_S + self._arrivals.noise
                missing = moved if agree else later
                self._distrust_s = None if agree else held[-1][1].arrived_s
                lost = round(missing * self._rate)
                at = self._where(held, self.clock.level_s(held[0][0]) + 0.5 * missing) if agree else 0
                self._count_gap(lost)
                self._next += lost
            elif abs(moved) > self._swing():
                self.jumps += 1
                self._distrust_s, anew = None, True
        self._held, self._holding = [], False
        if anew:
            self.clock.restart()
        shifted = [(first + (lost if i >= at else 0), chunk) for i, (first, chunk) in enumerate(held)]
        # What the device said before it had found its clock is worth nothing, and what came late is no measure.
        for first, chunk in shifted[-len(recent) :]:
            self._learn(first, chunk)
        for first, chunk in shifted:
            yield self._place(first, chunk)

    def _where(self, held: list[tuple[int, Chunk]], level: float) -> int:
        """Index of the chunk before which samples are missing: from it on the device's level is up."""
        for i in range(len(held) - 1, -1, -1):
            if self._level(*held[i]) < level:
                return min(i + 1, len(held) - 1)
        return 0

    def _count_gap(self, lost: int) -> None:
        self.gaps += 1
        self.lost += lost

    def _learn(self, first: int, chunk: Chunk) -> None:
        if self._distrust_s is None:
            self.clock.add(first, self._captured_s(chunk))
        self._arrivals.add(chunk.arrived_s, self._arrival(first, chunk))

    def _place(self, first: int, chunk: Chunk) -> Placed:
        return Placed(
            chunk.samples,
            first,
            self.clock.time_s(first),
            self.clock.std_s,
            chunk.captured_s is not None,
        )
