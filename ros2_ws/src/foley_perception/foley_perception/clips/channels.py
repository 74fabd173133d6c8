"""Which of a microphone's channels is heard."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CHANNEL = 0


def one_channel(
    samples: NDArray[np.floating],  # [n, channels]
    channel: int = CHANNEL,
) -> NDArray[np.float32]:  # [n]
    """One channel, as it is. Channels are never averaged: capsules of opposite sign would cancel each other.

    Raises:
        ValueError: there is no such channel.
    """
    if not 0 <= channel < samples.shape[1]:
        raise ValueError(f"channel is {channel}, the microphone has {samples.shape[1]}")
    return np.ascontiguousarray(samples[:, channel], dtype=np.float32)
