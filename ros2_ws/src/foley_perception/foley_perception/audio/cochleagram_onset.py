"""Where in a predicted sound the contact is heard."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def onset_frame(
    cochleagram: NDArray[np.floating],  # [frames, channels]
    nominal: float,
    *,
    least_rise: float = 0.02,
) -> float:
    """Frame in which the loudness rises most steeply; `nominal` where nothing rises.

    Loudness is the mean of the compressed envelopes. The rise is taken over two frames, and the onset placed
    where its first half is reached, as the contact comes before the loudest frame.
    """
    loudness = cochleagram.mean(axis=1)
    if len(loudness) < 4:
        return nominal
    rise = loudness[2:] - loudness[:-2]
    peak = int(rise.argmax())
    if rise[peak] < least_rise:
        return nominal
    # Two frames later, loudness has risen from [peak] to [peak + 2]: find the half-way point between them.
    low, high = float(loudness[peak]), float(loudness[peak + 2])
    half = 0.5 * (low + high)
    for index in (peak, peak + 1):
        before, after = float(loudness[index]), float(loudness[index + 1])
        if before <= half <= after and after > before:
            return index + (half - before) / (after - before)
    return float(peak + 1)
