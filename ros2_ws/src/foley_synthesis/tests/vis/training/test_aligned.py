"""When a sound begins, and the same sound moved so that it begins at the contact."""

import math

import numpy as np
import pytest

from foley_perception.audio.cochleagram import Cochleagram
from foley_synthesis.vis.training.aligned import aligned_sound, moved_sound

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
