"""What arrives on each topic now: rates, latency, silence, levels of sound.

A message costs the receiving thread one append; the figures are made of all that came, some times a second.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import statistics
from collections.abc import Iterable, Mapping

import numpy as np

from foley_common.times import NS_PER_S
from foley_perception.recording import cdr, definitions
from foley_perception.recording.recording import AUDIO_TYPE, RawMessage, TopicSpec

_WINDOW_NS = 3 * NS_PER_S  # over which rates and latencies are told
_STAMPS = 8  # of a topic's messages whose latency is looked at each time
_FULL = 32767 / 32768  # the highest sample of 16 bit
_DEAD_NS = NS_PER_S  # so long of digital silence is told
_CLIPPED_NS = 5 * NS_PER_S  # so long clipping is told


@dataclasses.dataclass(frozen=True)
class Level:
    """Of one channel."""

    peak_dbfs: float
    rms_dbfs: float


@dataclasses.dataclass(frozen=True)
class Meter:
    """One topic now."""

    topic: str
    type: str
    expected: bool
    rate: float  # [Hz]
    silence: float  # [s]; negative: nothing has come yet
    latency: float  # [s]; NaN without stamps
    levels: tuple[Level, ...] = ()  # by channel; empty where no sound came
    clipped: int = 0  # samples at full scale since :meth:`Meters.reset`
    clips_now: bool = False
    dead_channels: tuple[int, ...] = ()  # that hold nothing but zeros


class Meters:
    """Of all topics.

    Args:
        specs: topics by their names on the wire.
    """

    def __init__(self, specs: Mapping[str, TopicSpec]) -> None:
        self._of = {topic: _Meter(topic, spec) for topic, spec in specs.items()}
        self.fresh: dict[str, list[RawMessage]] = {topic: [] for topic in specs}
        """What came since the last :meth:`take`, for the receiving thread to append to."""

    def take(self, now_ns: int) -> list[Meter]:
        """The figures of now."""
        # All of it is let go first: whatever a message does to its meter, none of them piles up.
        came = {topic: messages for topic, messages in self.fresh.items() if messages}
        self.fresh.update({topic: [] for topic in came})
        return [meter.take(came.get(topic, []), now_ns) for topic, meter in self._of.items()]

    def reset(self) -> None:
        """A recording begins: clipped samples are counted from here on."""
        for meter in self._of.values():
            meter.clipped = 0


class _Meter:
    def __init__(self, topic: str, spec: TopicSpec) -> None:
        self._topic, self._spec = topic, spec
        self._stamp_at = definitions.stamp_offset(definitions.find(spec.type).text)
        self._counts: collections.deque[tuple[int, int]] = collections.deque()  # until when, messages
        self._latencies: collections.deque[tuple[int, float]] = collections.deque()
        self._last_ns: int | None = None
        self._began_ns: int | None = None
        self.clipped = 0
        self._clipped_ns: int | None = None
        self._alive_ns: list[int] = []  # by channel, when something else than zeros came last

    def take(self, came: list[RawMessage], now_ns: int) -> Meter:
        if self._began_ns is None or now_ns < self._began_ns:
            self._began_ns = now_ns
            self._counts.clear()
            self._latencies.clear()
        old = now_ns - _WINDOW_NS
        while self._counts and self._counts[0][0] <= old:
            self._counts.popleft()
        since = max(old, self._began_ns)
        if now_ns > self._began_ns:
            self._counts.append((now_ns, len(came)))
        if came:
            self._last_ns = came[-1].arrival_ns
        self._see_latencies(came[:: max(len(came) // _STAMPS, 1)], old)
        levels = self._see_sound(came, now_ns) if self._spec.type == AUDIO_TYPE and came else ()
        span_s = (now_ns - since) / NS_PER_S
        return Meter(
            self._topic,
            self._spec.type,
            self._spec.required,
            sum(count for _, count in self._counts) / span_s if span_s > 0 else 0.0,
            -1.0 if self._last_ns is None else max(now_ns - self._last_ns, 0) / NS_PER_S,
            statistics.median(late for _, late in self._latencies) if self._latencies else math.nan,
            levels,
            self.clipped,
            self._clipped_ns is not None and now_ns - self._clipped_ns < _CLIPPED_NS,
            tuple(i for i, at in enumerate(self._alive_ns) if now_ns - at > _DEAD_NS) if levels else (),
        )

    def _see_latencies(self, some: Iterable[RawMessage], old_ns: int) -> None:
        while self._latencies and self._latencies[0][0] <= old_ns:
            self._latencies.popleft()
        for message in some:
            if (stamp := cdr.read_first_stamp(message.data, self._stamp_at)) is not None:
                self._latencies.append((message.arrival_ns, (message.arrival_ns - stamp) / NS_PER_S))

    def _see_sound(self, came: list[RawMessage], now_ns: int) -> tuple[Level, ...]:
        """Levels of all chunks that came; those of other channels than the first one has are left out."""
        heads = [(message.data, head) for message in came if (head := cdr.audio_head_or_none(message.data))]
        heads = [(data, head) for data, head in heads if head.frames and not head.size % head.channels]
        heads = [(data, head) for data, head in heads if head.channels == heads[0][1].channels]
        if not heads:
            return ()
        sound = np.abs(np.concatenate([cdr.read_audio_samples(data, head) for data, head in heads]))
        sound = np.nan_to_num(sound, nan=0.0, posinf=0.0)
        peaks, power = sound.max(axis=0), np.mean(np.square(sound, dtype=np.float64), axis=0)
        if (clipped := int(np.count_nonzero(sound >= _FULL))) > 0:
            self.clipped += clipped
            self._clipped_ns = now_ns
        if len(self._alive_ns) != len(peaks):
            self._alive_ns = [now_ns] * len(peaks)
        self._alive_ns = [now_ns if peak > 0 else at for peak, at in zip(peaks, self._alive_ns, strict=True)]
        return tuple(
            Level(_db(float(peak)), _db(math.sqrt(float(p)))) for peak, p in zip(peaks, power, strict=True)
        )


def _db(amplitude: float) -> float:
    """[dBFS]; -infinity for none."""
    return 20.0 * math.log10(amplitude) if amplitude > 0 else -math.inf
