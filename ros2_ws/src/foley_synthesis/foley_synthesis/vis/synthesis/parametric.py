"""Parametric synthesis: noise with the predicted subband envelopes (VIS, section 5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.cochleagram import Cochleagram


def parametric_waveform(
    cochleagram: NDArray[np.floating],  # [frames, channels]
    samples: int,
    cochlea: Cochleagram,
    *,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Sound [samples] in [-1, 1]; the same seed gives the same noise."""
    return np.asarray(
        np.clip(cochlea.invert_envelopes(cochleagram, samples, seed=seed), -1.0, 1.0), np.float32
    )
