"""What the room sounds like before anything is touched, as sessions tell it (`flow/session_features.py`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.resample import resampled
from foley_synthesis.flow.networks.mel import RATE
from foley_synthesis.flow.session_features import FIRST_S, noise_floors


def room_tone(samples: NDArray[np.floating], rate: int) -> NDArray[np.float32] | None:
    """Floor of each of 80 mel bins over the last 8 s of a sound [n] in [-1, 1]; None where there are not even 0.4 s."""
    sound = resampled(np.asarray(samples, np.float32), rate, RATE)
    if len(sound) < round(FIRST_S * RATE):
        return None
    whole = np.round(np.clip(sound, -1.0, 1.0) * (2**15 - 1)).astype(np.int16)
    return np.asarray(noise_floors(whole)[-1], np.float32)
