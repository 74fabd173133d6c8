"""When a device takes or gives a sample, on the monotonic clock, from what it says of some of them.

A device counts samples without error and says with error when they were: :func:`fit_clock` lays a line through what it
said over the last seconds, whose slope is the nominal rate until a crystal's own can be told from it.
"""

from __future__ import annotations

import collections
import math

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.audio.clock_fit import ClockError, SampleClock, fit_clock

WINDOW_S = 10.0
_EVERY_S = 0.02  # of sound, between two readings that are kept
_ANEW_S = 0.25  # of sound, between two fits
_CALLED_LATE_S = 0.0002  # on a quiet machine: what no spread of readings shows
_LEAST_FOR_RATE_S = 5.0  # a slow swing of a sound server's estimate must not be taken for a rate


class DeviceClock:
    """Time over sample index of one stream of a device."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.problem = ""  # where what the device says does not belong to its rate
        self._readings: collections.deque[tuple[int, float]] = collections.deque()  # sample, time [s]
        self._fit: SampleClock | None = None
        self._fitted = 0  # sample at which it was

    @property
    def ready(self) -> bool:
        return bool(self._readings)

    @property
    def std_s(self) -> float:
        """Of a time that it tells, from the spread of the readings. NaN before the first."""
        if not self._readings:
            return math.nan
        return math.hypot(self._line().jitter_s, _CALLED_LATE_S)

    def add(self, sample: int, time_s: float) -> None:
        """The device says that this sample was then."""
        if self._readings and sample - self._readings[-1][0] < _EVERY_S * self.sample_rate:
            return
        self._readings.append((sample, time_s))
        while sample - self._readings[0][0] > WINDOW_S * self.sample_rate:
            self._readings.popleft()
        due = _ANEW_S if len(self._readings) > 25 else 0.0
        if sample - self._fitted >= due * self.sample_rate:
            self._fit = None

    def restart(self) -> None:
        """What was said before does not hold any more."""
        self._readings.clear()
        self._fit = None

    def time_s(self, sample: float) -> float:
        """Raises ValueError before the first reading."""
        return float(self._line().time_ns(sample)) / NS_PER_S

    def sample_at(self, time_s: float) -> float:
        """Raises ValueError before the first reading."""
        return float(self._line().sample_at(round(time_s * NS_PER_S)))

    def level_s(self, sample: int) -> float:
        """Time of sample 0 as seen from this one: its time less so many samples at the nominal rate."""
        return self.time_s(sample) - sample / self.sample_rate

    def _line(self) -> SampleClock:
        if self._fit is not None:
            return self._fit
        if not self._readings:
            raise ValueError("the clock has seen no reading yet")
        samples = np.fromiter((s for s, _ in self._readings), np.int64, len(self._readings))
        times = np.fromiter((round(t * NS_PER_S) for _, t in self._readings), np.int64, len(self._readings))
        self._fitted, self.problem = int(samples[-1]), ""
        if samples[-1] - samples[0] < _LEAST_FOR_RATE_S * self.sample_rate:
            self._fit = self._level(samples, times)
            return self._fit
        try:
            self._fit = fit_clock(samples, times, self.sample_rate)
        except ClockError as error:
            self.problem = str(error)
            self._fit = self._level(samples[-50:], times[-50:])
        return self._fit

    def _level(self, samples: NDArray[np.int64], times: NDArray[np.int64]) -> SampleClock:
        """The line of nominal slope through the median."""
        period = NS_PER_S / self.sample_rate
        offsets = (times - times[0]) - (samples - samples[0]) * period
        level = float(np.median(offsets))
        jitter_s = 1.4826 * float(np.median(np.abs(offsets - level))) / NS_PER_S
        return SampleClock(int(samples[0]), int(times[0]), level, period, jitter_s, 0)
