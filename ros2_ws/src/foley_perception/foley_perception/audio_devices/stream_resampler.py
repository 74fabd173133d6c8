"""Sound that comes in chunks at another rate, without a seam between them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.resample import resampled

_CONTEXT = 32  # samples of the lower rate on each side: longer than the filter reaches


class StreamResampler:
    """Resamples one stream.

    The last few samples (some 32 of the lower rate, and what the ratio of the rates does not divide) come out with the
    next chunk, because their right-hand neighbours are not known yet; see :attr:`ahead_s`.
    """

    def __init__(self, rate: int, wanted: int) -> None:
        common = math.gcd(rate, wanted)
        self.rate, self._wanted = rate, wanted
        self._up, self._down = wanted // common, rate // common
        blocks = 0 if rate == wanted else -(-_CONTEXT * max(1, -(-rate // wanted)) // self._down)
        self._context = blocks * self._down
        self._left_out = self._context * self._up // self._down  # samples of the wanted rate
        self._kept: NDArray[np.float32] = np.zeros(2 * self._context, np.float32)

    @property
    def ahead_s(self) -> float:
        """By how much the first sample that comes out next lies before the first that goes in next [s]."""
        return max(len(self._kept) - self._context, 0) / self.rate

    @property
    def rest(self) -> int:
        """Samples that must follow the last one before all of it has come out."""
        return self._context + self._down if self._context else 0

    def take(self, samples: NDArray[np.floating]) -> NDArray[np.float32]:
        """What the next samples [n] make certain [m]."""
        if self.rate == self._wanted:
            return np.asarray(samples, np.float32)
        known = np.concatenate([self._kept, np.asarray(samples, np.float32)])
        whole = len(known) // self._down * self._down
        if whole <= 2 * self._context:
            self._kept = known
            return np.zeros(0, np.float32)
        out = resampled(known[:whole], self.rate, self._wanted)
        self._kept = known[whole - 2 * self._context :]
        return out[self._left_out : len(out) - self._left_out]
