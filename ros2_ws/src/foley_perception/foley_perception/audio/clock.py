"""When a sample was captured, in ROS time.

A microphone counts samples without error and stamps chunks with error: driver buffers, scheduling, transport.
The sample count is the clock; stamps only say where it stands and how fast it runs.
"""

from __future__ import annotations

import collections
import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foley_common.times import NS_PER_S
from foley_perception.audio.clock_steps import ClockStep, StepDetector


def stamp_by_arrival(arrival_ns: int, frames: int, sample_rate: int) -> int:
    """The stamp of a chunk that has none: it arrives when its last sample was captured, at the earliest."""
    return arrival_ns - frames * NS_PER_S // sample_rate


@dataclasses.dataclass(frozen=True)
class ClockUpdate:
    """What one stamp did to the clock."""

    residual_s: float  # stamp minus the clock's own idea of it, before the update
    step: ClockStep | None = None  # the stamps moved for good (time was set): the clock began anew there

    @property
    def stepped(self) -> bool:
        return self.step is not None


class StreamingClock:
    """ROS time over sample index of ONE stream, from stamps as they come.

    The offset ``stamp - first_sample / rate`` has the same value for every chunk but for jitter; its median
    over the last seconds is the clock. A crystal that is 50 ppm off moves it by 0.1 ms within such a window,
    far less than jitter does, so the nominal rate serves as slope. A lasting step of the stamps
    (:mod:`clock_steps`) begins it anew.

    Args:
        sample_rate: [Hz].
        window_s: stamps older than this are forgotten.
    """

    def __init__(self, sample_rate: int, *, window_s: float = 5.0) -> None:
        if sample_rate < 1:
            raise ValueError(f"sample_rate is {sample_rate} Hz, must be positive")
        self.sample_rate = sample_rate
        self.steps = 0
        self._window_samples = window_s * sample_rate
        self._step_detector = StepDetector(sample_rate)
        self._samples: collections.deque[int] = collections.deque()
        self._offsets: collections.deque[float] = collections.deque()
        self._base_ns = 0  # offsets are kept relative to this, so that float64 holds them to a nanosecond
        self._offset = np.nan
        self._since_median = 0
        self._stamp_ns = 0

    @property
    def ready(self) -> bool:
        return bool(self._samples)

    @property
    def jitter_s(self) -> float:
        """Robust spread of the stamps around the clock: 1.4826 x median absolute deviation."""
        if not self._offsets:
            return float("nan")
        deviations = np.abs(np.asarray(self._offsets) - self._offset)
        return float(1.4826 * np.median(deviations) / NS_PER_S)

    def update(self, first_sample: int, time_ns: int) -> ClockUpdate:
        """Take in the stamp of one chunk; of chunks that share a stamp it is the first one's."""
        if self._samples and time_ns == self._stamp_ns:
            return ClockUpdate(0.0)
        self._stamp_ns = time_ns
        if not self._samples:
            self._base_ns = int(time_ns) - self._nominal_ns(first_sample)
        offset = float(int(time_ns) - self._nominal_ns(first_sample) - self._base_ns)
        residual = 0.0 if not self._samples else offset - self._offset
        self._samples.append(first_sample)
        self._offsets.append(offset)
        step = self._step_detector.add(first_sample, time_ns)
        if step is not None:
            self.steps += 1
            while self._samples[0] < step.first_sample:
                self._samples.popleft()
                self._offsets.popleft()
        while self._samples[-1] - self._samples[0] > self._window_samples:
            self._samples.popleft()
            self._offsets.popleft()
        # A median of hundreds moves slowly: once in a while is enough, and costs a tenth.
        self._since_median += 1
        if step is not None or len(self._offsets) <= 50 or self._since_median >= 10:
            self._since_median = 0
            self._offset = float(np.median(np.asarray(self._offsets)))
        return ClockUpdate(residual / NS_PER_S, step)

    def time_ns(self, sample: ArrayLike) -> NDArray[np.int64]:
        """Capture times [...] in ns of sample indices [...], which may be fractional."""
        self._require()
        nominal = np.asarray(sample, dtype=np.float64) * (NS_PER_S / self.sample_rate)
        return np.asarray(np.round(nominal + self._offset), dtype=np.int64) + self._base_ns

    def sample_at(self, time_ns: ArrayLike) -> NDArray[np.float64]:
        """Fractional sample indices [...] at ROS times [...] in ns."""
        self._require()
        relative = np.asarray(np.asarray(time_ns, dtype=np.int64) - self._base_ns, dtype=np.float64)
        return np.asarray((relative - self._offset) * (self.sample_rate / NS_PER_S))

    def _nominal_ns(self, sample: int) -> int:
        return int(sample) * NS_PER_S // self.sample_rate

    def _require(self) -> None:
        if not self._samples:
            raise ValueError("the clock has seen no stamp yet")
