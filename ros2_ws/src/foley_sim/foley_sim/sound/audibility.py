"""Whether a contact can be heard in what the microphone gave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FRAME_S = 0.01
BACKGROUND_S = 0.4  # before the contact
EARLY_S = 0.01  # that the sound may seem to begin before the contact
LATE_S = 0.25  # that it may still ring after the contact


def rise_db(
    samples: NDArray[np.float32],
    sample_rate: int,
    onset_s: float,
    duration_s: float,
    *,
    late_s: float = LATE_S,
) -> float:
    """How far the loudest frame of a contact stands above the frames before it [dB].

    Differences of neighbouring samples are taken first: they tilt the spectrum by 6 dB per octave, so that hum and
    room noise, which lie low, do not hide what is quiet and bright.

    Args:
        samples: [n] of the whole recording.
        onset_s, duration_s: of the contact, in the time of the samples.
        late_s: that it may still ring afterwards.

    Returns:
        The rise; -inf if there is no sound at all (zeros, or the recording ends before).
    """
    frame = round(FRAME_S * sample_rate)
    onset = round((onset_s - EARLY_S) * sample_rate)
    stop = round((onset_s + duration_s + late_s) * sample_rate)
    begin = max(onset - round(BACKGROUND_S * sample_rate), 0)
    inside = _levels(samples[max(onset, 0) : stop], frame)
    if inside.size == 0 or inside.max() <= 0:
        return -float("inf")
    before = _levels(samples[begin : max(onset, 0)], frame)
    background = float(np.quantile(before, 0.25)) if before.size else 0.0
    return float(10 * np.log10(inside.max() / max(background, 1e-14)))


def _levels(samples: NDArray[np.float32], frame: int) -> NDArray[np.float64]:
    """Mean square of the differences in each whole frame."""
    steps = np.diff(samples.astype(np.float64))
    count = steps.size // frame
    return np.asarray((steps[: count * frame].reshape(count, frame) ** 2).mean(axis=1))
