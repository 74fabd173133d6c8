"""What cochleagrams tell of a sound."""

import numpy as np
import pytest

from foley_perception.audio.cochleagram import Cochleagram
from foley_synthesis.metrics.cochleagram import (
    band_centres,
    centroid_hz,
    log_centroid,
    loudness,
    loudness_db,
    moved,
)


def test_centroid_and_loudness_of_a_tone() -> None:
    cochlea = Cochleagram(48_000)
    t = np.arange(48_000) / 48_000
    tone = np.stack([cochlea(g * np.sin(2 * np.pi * 2000 * t).astype(np.float32)) for g in (0.5, 0.05)])
    centres = band_centres(cochlea)
    assert centroid_hz(tone, centres, 0.3) == pytest.approx([2000, 2000], rel=0.08)
    assert np.diff(loudness_db(tone, 0.3))[0] == pytest.approx(-20.0, abs=0.1)


def test_silence_has_a_loudness_and_no_centroid() -> None:
    silence, cochlea = np.zeros((2, 90, 42), np.float32), Cochleagram(48_000)
    assert loudness(silence, cochlea).tolist() == [-90.0, -90.0]
    assert np.isnan(log_centroid(silence, cochlea)).all()


def test_moved_sounds_hold_their_edges() -> None:
    frames = np.arange(6, dtype=np.float32).reshape(1, 6, 1)
    assert moved(frames, 2)[0, :, 0].tolist() == [0, 0, 0, 1, 2, 3]
