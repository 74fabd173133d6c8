"""How loud the hum of the mains is in what was heard before a contact."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_MAINS_HZ = (50.0, 60.0)
_HARMONICS = 20
_LEAST_S = 0.1
_LEAST_SHARE = 0.8  # of the power in lines of the mains, for it to be hum


def hum_dbfs(background: NDArray[np.float32], rate: int) -> float:
    """RMS of a background [n] that is hum; -inf where it is something else, or too short to say."""
    n = len(background)
    if n < _LEAST_S * rate:
        return -math.inf
    sound = background.astype(np.float64) - background.mean(dtype=np.float64)
    mean_square = float(np.square(sound).mean())
    if mean_square <= 0.0:
        return -math.inf
    power = np.square(np.abs(np.fft.rfft(sound * np.hanning(n))))
    frequency = np.fft.rfftfreq(n, 1.0 / rate)
    width = 2.0 * rate / n  # of a line, as the window spreads it
    for mains in _MAINS_HZ:
        number = np.round(frequency / mains)
        line = (np.abs(frequency - number * mains) <= width) & (number >= 1) & (number <= _HARMONICS)
        if float(power[line].sum()) > _LEAST_SHARE * float(power.sum()):
            return 10.0 * math.log10(mean_square)
    return -math.inf
