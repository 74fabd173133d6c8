"""When a sound begins, and the same sound moved so that it begins at the contact."""

import dataclasses
import math

import numpy as np
import pytest

from foley_perception.audio.cochleagram import Cochleagram
from foley_synthesis.vis.training.aligned import (
    AlignedSounds,
    aligned_sound,
    background_of,
    moved_sound,
    sound_frames,
)
from foley_synthesis.vis.training.features import FeatureSet

RATE = 16_000


def burst(late_s: float, level: float = 0.3) -> np.ndarray:
    """A second of noise that decays from so long after the contact on, over a little background."""
    rng = np.random.default_rng(1)
    sound = 1e-4 * rng.standard_normal(RATE)
    begin = round((0.25 + late_s) * RATE)
    time = np.arange(RATE - begin) / RATE
    sound[begin:] += level * np.exp(-time / 0.05) * rng.standard_normal(len(time))
    return sound.astype(np.float32)


@pytest.mark.parametrize("late_s", [-0.03, 0.0, 0.004, 0.03])
def test_the_lag_is_that_of_the_sound_and_alignment_takes_it_away(late_s: float) -> None:
    lag_s, frames = aligned_sound(burst(late_s), Cochleagram(RATE))
    assert lag_s == pytest.approx(late_s, abs=0.004)
    again_s, _ = aligned_sound(moved_sound(burst(late_s), -lag_s, RATE), Cochleagram(RATE))
    assert again_s == pytest.approx(0.0, abs=0.002)
    loud = frames.mean(axis=1)
    assert loud[22:26].min() > 3 * loud[:21].max()


def test_what_has_no_onset_near_the_contact_stays_as_it_is() -> None:
    cochlea = Cochleagram(RATE)
    for sound in (burst(0.4), 1e-4 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)):
        lag_s, frames = aligned_sound(sound, cochlea)
        assert math.isnan(lag_s)
        assert np.array_equal(frames, cochlea(sound))


def test_levels_are_taken_out_of_what_is_decoded_relative_to_an_onset() -> None:
    cochlea = Cochleagram(RATE)
    frames = np.stack([cochlea(burst(0.0, level)) for level in (0.3, 0.03)])
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
