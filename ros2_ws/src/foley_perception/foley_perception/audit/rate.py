"""Whether a microphone delivers the rate that it claims."""

from __future__ import annotations

import array
import bisect

import numpy as np

from foley_perception.audio.clock_fit import ClockError, check_rate

_PAIRS = 4096  # that are kept at most


class RateCheck:
    """Stamps over first_sample of one clock, thinned out as it goes on."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._samples, self._stamps = array.array("q"), array.array("q")
        self._every = self._count = 0

    def add(self, first_sample: int, stamp_ns: int) -> None:
        self._count += 1
        if self._count % (1 << self._every):
            return
        self._samples.append(first_sample)
        self._stamps.append(stamp_ns)
        if len(self._samples) >= _PAIRS:
            self._every += 1
            self._samples, self._stamps = self._samples[::2], self._stamps[::2]

    def split(self, first_sample: int) -> RateCheck:
        """Cut off what a step of the stamps, found only now, gave another clock: this one's check."""
        at = bisect.bisect_left(self._samples, first_sample)
        later = RateCheck(self._sample_rate)
        later._samples, later._stamps = self._samples[at:], self._stamps[at:]
        del self._samples[at:], self._stamps[at:]
        return later

    def check(self) -> str:
        """What is wrong with the rate; empty if nothing is."""
        if not self._samples:
            return ""
        try:
            check_rate(np.array(self._samples, np.int64), np.array(self._stamps, np.int64), self._sample_rate)
        except ClockError as error:
            return str(error)
        return ""
