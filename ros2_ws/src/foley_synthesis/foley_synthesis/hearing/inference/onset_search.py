"""Where in a recording of one contact the contact is, where nobody says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.onset import OnsetDetector
from foley_perception.audio.onset_config import OnsetConfig

_HOP_S = 0.02
_NEAR_DB = 12.0  # under the loudest onset, within which the clearest one is chosen


def clearest_onset(samples: NDArray[np.float32], rate: int) -> float:
    """Time [s] of the onset that stands out most, in samples [n] at 8 kHz or more; 0 where the first is loudest.

    A file may begin with its contact, so what the place sounds like is taken from the quietest moment of all.
    """
    hop = max(round(_HOP_S * rate), 1)
    if len(samples) < 3 * hop:
        return 0.0
    power = np.square(samples[: len(samples) // hop * hop]).reshape(-1, hop).mean(axis=1)
    quiet = int(power.argmin()) * hop
    detector = OnsetDetector(OnsetConfig(sample_rate=rate))
    detector.expect(samples[quiet : quiet + hop])
    # The detector waits for what follows an onset before it tells of it.
    onsets = detector.process(np.concatenate([samples, np.zeros(round(0.1 * rate), np.float32)]))
    if not onsets:
        # Nothing rises: what there is to be heard is around the loudest moment.
        return max(int(power.argmax()) * _HOP_S - _HOP_S / 2, 0.0)
    loudest = max(onset.level_dbfs for onset in onsets)
    near = [onset for onset in onsets if onset.level_dbfs >= loudest - _NEAR_DB]
    return max(near, key=lambda onset: onset.strength_db).sample / rate
