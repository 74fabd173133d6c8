"""Sound at another rate."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def resampled(samples: NDArray[np.floating], rate: int, wanted: int) -> NDArray[np.float32]:
    """Samples [n] at another rate, by a polyphase filter."""
    if rate == wanted:
        return np.asarray(samples, np.float32)
    import scipy.signal

    samples = np.asarray(samples)
    common = math.gcd(rate, wanted)
    up, down = wanted // common, rate // common
    filtered = scipy.signal.resample_poly(samples, up, down, window=_filter(up, down, samples.dtype))
    return np.asarray(filtered, np.float32)


@functools.lru_cache(maxsize=64)
def _filter(up: int, down: int, dtype: np.dtype[Any]) -> NDArray[np.floating]:
    """That ``resample_poly`` would design at every call, which costs more than it takes to apply it."""
    import scipy.signal

    longest = max(up, down)
    taps = scipy.signal.firwin(20 * longest + 1, 1.0 / longest, window=("kaiser", 5.0))
    return np.asarray(taps, dtype if np.issubdtype(dtype, np.floating) else np.float64)
