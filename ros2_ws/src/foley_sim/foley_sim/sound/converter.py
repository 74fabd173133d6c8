"""The converter behind a microphone: samples become whole numbers of steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def quantise(samples: NDArray[np.float32], bits: int) -> NDArray[np.float32]:
    """Samples [n] as a converter of ``bits`` gives them, still as fractions of full scale.

    One step is 2^(1 - bits); the highest value is one step below full scale, as in two's complement.

    Raises:
        ValueError: bits is not within 2 and 24.
    """
    if not 2 <= bits <= 24:
        raise ValueError(f"sample_bits is {bits}, must lie in [2, 24]")
    steps = float(2 ** (bits - 1))
    return np.asarray(np.clip(np.round(samples * steps), -steps, steps - 1) / steps, dtype=np.float32)
