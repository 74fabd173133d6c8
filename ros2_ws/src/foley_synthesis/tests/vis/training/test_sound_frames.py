"""Sounds over a background, at unit level."""

import dataclasses

import numpy as np
import pytest

from foley_perception.audio.cochleagram import Cochleagram
from foley_synthesis.vis.training.aligned import AlignedSounds
from foley_synthesis.vis.training.features import FeatureSet
from foley_synthesis.vis.training.sound_frames import background_of, sound_frames

RATE = 16_000


def burst(level: float) -> np.ndarray:
    """A second with noise that decays from 0.25 s on, over a little background."""
    rng = np.random.default_rng(1)
    sound = 1e-4 * rng.standard_normal(RATE)
    time = np.arange(RATE - RATE // 4) / RATE
    sound[RATE // 4 :] += level * np.exp(-time / 0.05) * rng.standard_normal(len(time))
    return sound.astype(np.float32)


def test_levels_are_taken_out_of_what_is_decoded_relative_to_an_onset() -> None:
    cochlea = Cochleagram(RATE)
    frames = np.stack([cochlea(burst(level)) for level in (0.3, 0.03)])
    nothing = np.zeros((2, 1, 1), np.float16)
    action = np.zeros((2, 90, 8), np.float32)
    features = FeatureSet(frames, nothing, nothing, action, action, ())
    assert sound_frames(features, None).frames is frames and sound_frames(features, None).lag_s is None
    background = background_of(frames)
    assert background == pytest.approx(frames[:, :17].mean(axis=(0, 1)), abs=1e-6)
    with pytest.raises(ValueError, match="no aligned sounds"):
        sound_frames(features, background)
    aligned = AlignedSounds(np.zeros(2, np.float32), frames)
    found = sound_frames(dataclasses.replace(features, aligned=aligned), background)
    assert found.level_db is not None
    assert found.level_db[0] - found.level_db[1] == pytest.approx(20.0, abs=0.2)
    assert np.abs(found.frames[0] - found.frames[1])[22:30].mean() < 0.2 * found.frames[0, 22:30].mean()
