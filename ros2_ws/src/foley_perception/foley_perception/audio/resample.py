"""Sound at another rate."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def resampled(samples: NDArray[np.floating], rate: int, wanted: int) -> NDArray[np.float32]:
    """Samples [n] at another rate, by a polyphase filter."""
    if rate == wanted:
        return np.asarray(samples, np.float32)
    import scipy.signal

    common = math.gcd(rate, wanted)
    return np.asarray(scipy.signal.resample_poly(samples, wanted // common, rate // common), np.float32)
