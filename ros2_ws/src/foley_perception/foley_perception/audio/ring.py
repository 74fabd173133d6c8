"""The last seconds of sound, addressed by ROS time.

Chunks are placed by their sample index, never by arrival, so that a lost chunk leaves a hole of exactly its
length. Samples that were never received read as 0 and are marked invalid. May be used from several threads.
"""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.audio.clock import StreamingClock

Samples = NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class RingStatistics:
    """What happened to the stream since the ring was made."""

    chunks: int = 0
    samples: int = 0
    gaps: int = 0  # times that first_sample jumped ahead within a stream
    lost_samples: int = 0  # in those gaps
    late_chunks: int = 0  # chunks that began before the end of their predecessor
    restarts: int = 0  # new stream_id, or time set back
    bad_samples: int = 0  # NaN or infinite


class AudioRing:
    """A circular buffer of mono sound.

    Args:
        sample_rate: [Hz]; chunks of another rate are refused.
        capacity_s: how far back it reaches.
    """

    def __init__(self, sample_rate: int, capacity_s: float = 10.0) -> None:
        if sample_rate < 1 or not capacity_s > 0:
            raise ValueError(
                f"sample_rate is {sample_rate} Hz and capacity_s {capacity_s}: both must be positive"
            )
        self.sample_rate = sample_rate
        self._capacity = round(sample_rate * capacity_s)
        self._data = np.zeros(self._capacity, dtype=np.float32)
        self._valid = np.zeros(self._capacity, dtype=np.bool_)
        self._lock = threading.Lock()
        self._clock = StreamingClock(sample_rate)
        self._stream_id: str | None = None
        self._shift = 0  # ring index = first_sample + shift; it carries on across restarts
        self._end = 0  # ring index one past the newest sample
        self._statistics = RingStatistics()

    # ---- writing ---------------------------------------------------------------------------------------
    def append(
        self,
        samples: NDArray[np.floating],  # [n]
        *,
        first_sample: int,
        time_ns: int,
        stream_id: str = "",
        sample_rate: int | None = None,
    ) -> None:
        """Take in one chunk; ``time_ns`` is the capture time of its first sample.

        Raises:
            ValueError: another sample rate than the ring's, or more than one channel.
        """
        if sample_rate is not None and sample_rate != self.sample_rate:
            raise ValueError(
                f"sample_rate is {sample_rate} Hz, {self.sample_rate} Hz is configured: set the microphone "
                f"to {self.sample_rate} Hz or the parameter `sample_rate` to {sample_rate}"
            )
        mono = np.asarray(samples, dtype=np.float32)
        if mono.ndim != 1:
            raise ValueError(f"samples have shape {mono.shape}, must be one channel [n]")
        good = np.isfinite(mono)
        with self._lock:
            self._enter(stream_id, first_sample, time_ns)
            step = self._clock.update(first_sample, time_ns).step
            if step is not None:
                self._forget_before(step.first_sample + self._shift)
                self._count(restarts=1)
            start = first_sample + self._shift
            if start > self._end and self._statistics.chunks:
                self._count(gaps=1, lost_samples=start - self._end)
                self._forget(self._end, start)
            elif start < self._end:
                self._count(late_chunks=1)
            self._write(start, np.where(good, mono, np.float32(0.0)), good)
            self._count(chunks=1, samples=mono.size, bad_samples=int(mono.size - good.sum()))

    def clear(self) -> None:
        """Forget the sound and the clock; the statistics stay."""
        with self._lock:
            self._valid[:] = False
            self._stream_id = None
            self._clock = StreamingClock(self.sample_rate)

    # ---- reading ---------------------------------------------------------------------------------------
    @property
    def statistics(self) -> RingStatistics:
        with self._lock:
            return self._statistics

    @property
    def jitter_s(self) -> float:
        """Spread of the stamps around the sample clock [s]."""
        with self._lock:
            return self._clock.jitter_s

    @property
    def end_ns(self) -> int | None:
        """Time one sample past the newest; None before the first chunk."""
        with self._lock:
            if not self._clock.ready:
                return None
            return int(self._clock.time_ns(self._end - self._shift))

    def slice(self, start_ns: int, samples: int) -> tuple[Samples, NDArray[np.bool_]]:
        """``samples`` samples from ROS time ``start_ns`` on: the sound [n], and which of it is known [n]."""
        out, known = np.zeros(samples, dtype=np.float32), np.zeros(samples, dtype=np.bool_)
        with self._lock:
            if not self._clock.ready:
                return out, known
            first = int(np.round(self._clock.sample_at(start_ns))) + self._shift
            low, high = max(first, self._end - self._capacity), min(first + samples, self._end)
            if low < high:
                index = np.arange(low, high) % self._capacity
                out[low - first : high - first] = self._data[index]
                known[low - first : high - first] = self._valid[index]
        return out, known

    def between(self, start_ns: int, end_ns: int) -> tuple[Samples, NDArray[np.bool_]]:
        """As :meth:`slice`, up to a time (exclusive)."""
        return self.slice(start_ns, max(round((end_ns - start_ns) * self.sample_rate / NS_PER_S), 0))

    # ---- inside ----------------------------------------------------------------------------------------
    def _enter(self, stream_id: str, first_sample: int, time_ns: int) -> None:
        """Begin a new stream where the id is new or the count fell back, in time behind the old one."""
        same = self._stream_id == stream_id
        if same and first_sample + self._shift >= self._end - self._capacity:
            return
        if self._stream_id is not None:
            self._count(restarts=1)
        begin = self._end
        if self._clock.ready:
            expected = int(np.round(self._clock.sample_at(time_ns))) + self._shift
            if expected < self._end - self._capacity:  # time itself was set back
                self._valid[:] = False
            begin = max(expected, self._end)
            self._forget(self._end, begin)
        self._stream_id = stream_id
        self._shift = begin - first_sample
        self._end = begin
        self._clock = StreamingClock(self.sample_rate)

    def _forget_before(self, begin: int) -> None:
        """Sound from before a step has no place on the new time axis."""
        kept = np.arange(max(begin, self._end - self._capacity), self._end) % self._capacity
        valid = np.zeros_like(self._valid)
        valid[kept] = self._valid[kept]
        self._valid = valid

    def _forget(self, start: int, end: int) -> None:
        if end - start >= self._capacity:
            self._valid[:] = False
        elif end > start:
            index = np.arange(start, end) % self._capacity
            self._valid[index] = False
            self._data[index] = 0.0
        self._end = max(self._end, end)

    def _write(self, start: int, mono: Samples, good: NDArray[np.bool_]) -> None:
        end = start + mono.size
        skip = max(max(self._end, end) - self._capacity - start, 0)  # older than the ring reaches
        if skip < mono.size:
            index = np.arange(start + skip, end) % self._capacity
            self._data[index] = mono[skip:]
            self._valid[index] = good[skip:]
        self._end = max(self._end, end)

    def _count(self, **more: int) -> None:
        old = self._statistics
        self._statistics = dataclasses.replace(old, **{k: getattr(old, k) + v for k, v in more.items()})
