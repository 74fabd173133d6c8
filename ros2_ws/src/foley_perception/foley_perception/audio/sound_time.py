"""Sample counts and stamps of a microphone that is heard now, as far as they can be believed.

A driver may count something else than the samples of a channel (nothing, samples over all channels, nanoseconds), and
stamp a chunk later than it was there. Both contradict the time that passes. What is contradicted is made here: samples
are counted as they come, chunks are timed by their arrival.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
from typing import NamedTuple

import numpy as np

from foley_common.times import NS_PER_S
from foley_perception.audio.clock import stamp_by_arrival

_PAIRS = 8  # of chunks that are judged together
_WRONG = 4  # of them that do not follow
_APART = 0.25  # of the samples that passed, by which a count may differ
_LONGEST_S = 10 * 365 * 86_400.0  # that a microphone has counted; beyond it times do not fit into 64 bits
_CHUNKS = 50  # whose stamps are judged together
_LEAST = 20
_EVERY = 10
_LATE_S = 0.02  # later than it can be; from here on stamps are not used
_FINE_S = 0.005
_SAME_CLOCK_S = 1.0


class ChunkTime(NamedTuple):
    """Where a chunk lies in its stream, and when."""

    stream_id: str
    first_sample: int
    time_ns: int


@dataclasses.dataclass(frozen=True)
class _Seen:
    stream_id: str
    first_sample: int
    frames: int
    stamp_ns: int
    arrival_ns: int


class SoundTime:
    """See the module's docstring. Feed it every chunk of one microphone, as it came."""

    def __init__(self) -> None:
        self.counts = False  # samples are counted here
        self.times = False  # chunks are timed by arrival, though they are stamped
        self._seen: collections.deque[_Seen] = collections.deque(maxlen=_PAIRS + 1)
        self._early: collections.deque[float] = collections.deque(maxlen=_CHUNKS)
        self._next = 0
        self._since = 0

    def place(
        self, stream_id: str, first_sample: int, frames: int, sample_rate: int, time_ns: int, arrival_ns: int
    ) -> ChunkTime:
        """What of a chunk can be believed; without a stamp (0) it goes by arrival."""
        if self._seen and self._seen[-1].stream_id != stream_id:
            self._seen.clear()
        self._seen.append(_Seen(stream_id, first_sample, frames, time_ns, arrival_ns))
        self._judge_count(sample_rate)
        if time_ns:
            self._judge_stamps((arrival_ns - time_ns) / NS_PER_S, frames / sample_rate)
        if self.counts:
            first_sample, self._next = self._next, self._next + frames
            stream_id += "#counted"
        if not time_ns or self.times:
            time_ns = stamp_by_arrival(arrival_ns, frames, sample_rate)
            stream_id += "#timed" if self.times else ""
        return ChunkTime(stream_id, first_sample, time_ns)

    def said(self) -> str:
        """What is done about it; empty where everything is believed."""
        done = []
        if self.counts:
            done.append("samples are counted here as they come, and a lost chunk is not noticed")
        if self.times:
            done.append("the time at which chunks arrive is used instead, which is late by what they took")
        return "; ".join(done)

    def _judge_count(self, sample_rate: int) -> None:
        seen = list(self._seen)
        if seen[-1].first_sample > _LONGEST_S * sample_rate:
            if not self.counts:
                self.counts, self._next = True, 0
            return
        if len(seen) <= _WRONG:
            return
        pairs = list(itertools.pairwise(seen))
        wrong = sum(after.first_sample != before.first_sample + before.frames for before, after in pairs)
        if wrong < _WRONG:
            self.counts = self.counts and wrong > 0
            return
        stamped = all(one.stamp_ns for one in seen)
        start, end = seen[0], seen[-1]
        elapsed = end.stamp_ns - start.stamp_ns if stamped else end.arrival_ns - start.arrival_ns
        passed, heard = elapsed * sample_rate / NS_PER_S, sum(before.frames for before, _ in pairs)
        # Where chunks are lost, the count goes on as time does.
        counted = end.first_sample - start.first_sample
        if abs(counted - passed) > _APART * max(passed, heard) and not self.counts:
            self.counts, self._next = True, 0

    def _judge_stamps(self, latency_s: float, length_s: float) -> None:
        self._early.append(latency_s - length_s)
        self._since += 1
        if len(self._early) < _LEAST or self._since < _EVERY:
            return
        self._since = 0
        latest = float(np.quantile(self._early, 0.95))
        if latest + length_s < -_SAME_CLOCK_S:
            self.times = False  # of another clock: arrival says nothing of it
        elif latest < -_LATE_S:
            self.times = True
        elif latest > -_FINE_S:
            self.times = False
