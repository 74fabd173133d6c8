"""Steps of the stamps against the sample count: where a new clock begins. One rule for recordings and live.

The offset ``stamp - first_sample / rate`` of a stream is level but for jitter. Where it moves for good within a
moment, somebody set the time, or the driver lost samples without counting them: from that chunk on another clock holds.
A wrong rate or a drift moves it slowly, a stall of the machine for a while only, heavy tails of the jitter never: none
of them is a step.
"""

from __future__ import annotations

import collections
import dataclasses

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S

STEP_S = 0.012  # half of what the alignment of a clip bears, and four times the jitter of a good driver
LASTING_S = 1.0  # so long the new level must hold
_BEFORE_S = 0.5  # so much of the old level must be known
_MEMORY_S = 5.0
_SHORT_S = 0.2  # on both sides of a step the level is reached within this: a drift is none
_LEAST = 8  # chunks on either side
_MISPLACED = 0.15  # share of stamps that may lie nearer to the other level


@dataclasses.dataclass(frozen=True)
class ClockStep:
    """The stamps moved for good."""

    chunk: int  # running number of the first chunk after it
    first_sample: int  # of that chunk
    stamp_ns: int  # of that chunk
    size_s: float  # by which stamps are later than the old clock says; negative: earlier


class StepDetector:
    """Finds steps of one stream's stamps, chunk by chunk; memory is that of some seconds."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._base: int | None = None
        self._samples: collections.deque[int] = collections.deque()
        self._offsets: collections.deque[float] = collections.deque()  # [ns]
        self._count = 0  # chunks seen
        self._checked = 0  # sample at which was last looked

    def add(self, first_sample: int, stamp_ns: int) -> ClockStep | None:
        """Take in the stamp of one chunk; the step that it made certain, which lies :data:`LASTING_S` before it."""
        offset = int(stamp_ns) - int(first_sample) * NS_PER_S // self._rate
        if self._base is None:
            self._base, self._checked = offset, first_sample
        self._samples.append(int(first_sample))
        self._offsets.append(float(offset - self._base))
        self._count += 1
        memory = (_MEMORY_S + LASTING_S) * self._rate
        while self._samples[-1] - self._samples[0] > memory:
            self._samples.popleft()
            self._offsets.popleft()
        if first_sample - self._checked < 0.1 * self._rate:
            return None
        self._checked = first_sample
        return self._look(LASTING_S)

    def finish(self) -> ClockStep | None:
        """A step so near to the stream's end that it could not last as long as others."""
        return self._look(LASTING_S / 2)

    def _look(self, lasting_s: float) -> ClockStep | None:
        count = len(self._offsets)
        if count < 2 * _LEAST or self._samples[-1] - self._samples[0] < (lasting_s + _BEFORE_S) * self._rate:
            return None
        offsets = np.fromiter(self._offsets, dtype=np.float64, count=count)
        samples = np.fromiter(self._samples, dtype=np.int64, count=count)
        split = int(np.searchsorted(samples, samples[-1] - lasting_s * self._rate))
        split = min(split, count - _LEAST)
        if split < _LEAST:
            return None
        before, after = float(np.median(offsets[:split])), float(np.median(offsets[split:]))
        least = STEP_S * NS_PER_S
        if abs(after - before) < least:
            return None
        split = _best_split(offsets, before, after)
        if min(split, count - split) < _LEAST:
            return None
        if samples[-1] - samples[split] < 0.9 * lasting_s * self._rate:
            return None  # it will have lasted long enough in a moment
        if samples[split - 1] - samples[0] < 0.9 * _BEFORE_S * self._rate:
            return None
        size = _sharp_step(offsets, samples, split, round(_SHORT_S * self._rate))
        if size is None or abs(size) < least:
            return None
        assert self._base is not None
        first = int(samples[split])
        stamp = first * NS_PER_S // self._rate + self._base + int(offsets[split])
        step = ClockStep(self._count - count + split, first, stamp, size / NS_PER_S)
        for _ in range(split):
            self._samples.popleft()
            self._offsets.popleft()
        return step


def _best_split(offsets: NDArray[np.float64], before: float, after: float) -> int:
    """Index from which on most offsets lie nearer to ``after``, and before which nearer to ``before``."""
    later = np.abs(offsets - after) < np.abs(offsets - before)
    agree = np.concatenate([[0], np.cumsum(~later)]) + np.concatenate([np.cumsum(later[::-1])[::-1], [0]])
    return int(np.argmax(agree))


def _sharp_step(
    offsets: NDArray[np.float64], samples: NDArray[np.int64], split: int, short: int
) -> float | None:
    """Size [ns] of a level's change at ``split``; None where it is not one level before and another after."""
    before, after = float(np.median(offsets[:split])), float(np.median(offsets[split:]))
    size, middle = after - before, (before + after) / 2
    later = (offsets > middle) == (size > 0)
    if later[:split].mean() > _MISPLACED or (~later[split:]).mean() > _MISPLACED:
        return None
    left = min(int(np.searchsorted(samples, samples[split] - short)), split - _LEAST)
    right = max(int(np.searchsorted(samples, samples[split] + short)), split + _LEAST)
    if (np.median(offsets[-_LEAST:]) > middle) != (size > 0):
        return None  # it is on its way back
    near = float(np.median(offsets[split:right]) - np.median(offsets[max(left, 0) : split]))
    if near * size <= 0 or not 0.65 < near / size < 1.5:
        return None
    return size


def clock_steps(
    first_samples: NDArray[np.integer],  # [n] of one stream, in order
    stamps_ns: NDArray[np.integer],  # [n]
    sample_rate: int,
) -> list[ClockStep]:
    """All steps of a stream, as a live clock would have found them."""
    detector = StepDetector(sample_rate)
    found = [
        step
        for sample, stamp in zip(first_samples.tolist(), stamps_ns.tolist(), strict=True)
        if (step := detector.add(sample, stamp)) is not None
    ]
    last = detector.finish()
    return [*found, last] if last is not None else found
