"""What a loudspeaker sounds with, and when: sounds are laid on the device's own clock before it asks for them."""

from __future__ import annotations

import collections
import dataclasses
import math
import threading

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio_devices.device_clock import DeviceClock
from foley_perception.audio_devices.stream_resampler import StreamResampler

TOLERANCE_S = 0.005  # chunks of one stream that lie this near to each other are played without a seam
_FADE_S = 0.005
_STEPPED = 10  # buffers
_STREAMS = 4  # whose resampling is remembered


@dataclasses.dataclass(eq=False)
class _Sound:
    time_s: float  # of its first sample, monotonic clock
    samples: NDArray[np.float32]  # [n]
    follows: _Sound | None = None  # of the same stream
    start: int | None = None  # sample of the device, once it sounds


class Player:
    """Sounds of one device. One thread adds, the driver's takes.

    Args:
        sample_rate: of the device [Hz].
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.played = self.late = self.underflows = self.clipped = 0
        self.latency_s = math.nan  # from being handed to the device to being heard
        self._lock = threading.Lock()
        self._clock = DeviceClock(sample_rate)
        self._moved: collections.deque[float] = collections.deque(maxlen=_STEPPED)
        self._next = 0
        self._sounds: list[_Sound] = []
        self._streams: collections.OrderedDict[str, tuple[StreamResampler, _Sound, int]] = (
            collections.OrderedDict()
        )

    def earliest_s(self) -> float:
        """When the next sample that can still be chosen is heard, monotonic clock; NaN before the device asks."""
        with self._lock:
            return self._clock.time_s(self._next) if self._clock.ready else math.nan

    def add(
        self,
        time_s: float,
        samples: NDArray[np.floating],
        sample_rate: int,
        *,
        stream: str = "",
        first_sample: int = 0,
        cut: bool = False,
    ) -> bool:
        """Have samples [n] heard from a time of the monotonic clock on. False where that is too late: they are dropped.

        Args:
            stream: chunks of one stream are joined where one follows the other by ``first_sample``.
            cut: leave out what is too late and fade the rest in, instead of leaving out all.
        """
        earliest_s = self.earliest_s()
        if time_s < earliest_s and not cut:
            with self._lock:
                self.late += 1
                self._streams.pop(stream, None)
            return False
        known = self._streams.get(stream) if stream else None
        if known is not None and (known[2], known[0].rate) == (first_sample, sample_rate):
            resampler, before = known[0], known[1]
        else:
            resampler, before = StreamResampler(sample_rate, self.sample_rate), None
        if not stream:  # the end of a sound by itself comes out as well
            samples = np.concatenate([samples, np.zeros(resampler.rest, np.float32)])
        time_s -= resampler.ahead_s
        sounding = resampler.take(samples)
        if cut and time_s < earliest_s:
            gone = math.ceil((earliest_s - time_s) * self.sample_rate)
            sounding = sounding[gone:]
            fade = min(round(_FADE_S * self.sample_rate), len(sounding))
            sounding[:fade] *= np.linspace(0.0, 1.0, fade, dtype=np.float32)
            time_s += gone / self.sample_rate
        sound = _Sound(time_s, sounding, before)
        with self._lock:
            self._sounds.append(sound)
            if stream:
                self._streams[stream] = (resampler, sound, first_sample + len(samples))
                self._streams.move_to_end(stream)
                while len(self._streams) > _STREAMS:
                    self._streams.popitem(last=False)
        return True

    def fill(
        self, out: NDArray[np.float32], heard_s: float, now_s: float, *, underflow: bool = False
    ) -> None:
        """The device asks for samples [n, channels], whose first it says is heard at ``heard_s``."""
        out[:] = 0
        n = len(out)
        with self._lock:
            self.underflows += underflow
            self._heed(heard_s)
            self.latency_s = self._clock.time_s(self._next) - now_s
            for sound in list(self._sounds):
                if sound.start is None and not self._begins(sound, n):
                    continue
                assert sound.start is not None
                low, high = (
                    max(sound.start, self._next),
                    min(sound.start + len(sound.samples), self._next + n),
                )
                if low < high:
                    out[low - self._next : high - self._next] += sound.samples[
                        low - sound.start : high - sound.start, None
                    ]
                if sound.start + len(sound.samples) <= self._next + n:
                    self._sounds.remove(sound)
                    sound.follows = None
            self._next += n
        loud = np.abs(out) > 1.0
        if loud.any():
            self.clipped += int(loud.any(axis=1).sum())
            np.clip(out, -1.0, 1.0, out=out)

    # ---- inside, under the lock ----------------------------------------------------------------------------
    def _heed(self, heard_s: float) -> None:
        """What the device says of its next sample; a clock that moved for good begins anew."""
        if self._clock.ready:
            self._moved.append(heard_s - self._clock.time_s(self._next))
            full = len(self._moved) == _STEPPED
            if full and abs(float(np.median(self._moved))) > max(TOLERANCE_S, 5 * self._clock.std_s):
                self._clock.restart()
                self._moved.clear()
        self._clock.add(self._next, heard_s)

    def _begins(self, sound: _Sound, n: int) -> bool:
        """Whether it begins in the next n samples; one whose time has passed meanwhile is left out."""
        tolerance = round(TOLERANCE_S * self.sample_rate)
        start = round(self._clock.sample_at(sound.time_s))
        before = sound.follows
        if before is not None and before.start is not None:
            joined = before.start + len(before.samples)
            if abs(start - joined) <= tolerance:
                start = joined
        if start >= self._next + n:
            return False
        if start < self._next - tolerance:
            self.late += 1
            self._sounds.remove(sound)
            return False
        sound.start = max(start, self._next)
        self.played += 1
        return True
