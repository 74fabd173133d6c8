"""Centroid and decay time against sounds whose values are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from foley_perception.audio.decay import decay_time, spectral_centroid

RATE = 48_000


def ringing(t60_s: float, hz: float = 1000.0, noise: float = 0.0) -> NDArray[np.float64]:
    time_s = np.arange(round(0.75 * RATE)) / RATE
    tone = np.sin(2 * np.pi * hz * time_s) * 10.0 ** (-3.0 * time_s / t60_s)
    return np.asarray(tone + noise * np.random.default_rng(0).standard_normal(len(time_s)))


@pytest.mark.parametrize("t60_s", [0.03, 0.1, 0.3, 0.6])
def test_decay_time_of_an_exponential(t60_s: float) -> None:
    assert decay_time(ringing(t60_s), RATE) == pytest.approx(t60_s, rel=0.1)


@pytest.mark.parametrize("t60_s", [0.1, 0.3, 1.0])
def test_decay_time_in_noise(t60_s: float) -> None:
    noisy = ringing(t60_s, noise=0.02)
    assert decay_time(noisy, RATE, noise_power=0.02**2) == pytest.approx(t60_s, rel=0.25)


def test_decay_time_is_unknown_where_nothing_decays() -> None:
    noise = 0.1 * np.random.default_rng(1).standard_normal(RATE)
    assert np.isnan(decay_time(noise, RATE, noise_power=0.01))
    assert np.isnan(decay_time(np.zeros(RATE), RATE))
    assert np.isnan(decay_time(np.ones(100), RATE))


@pytest.mark.parametrize("hz", [300.0, 2000.0, 9000.0])
def test_centroid_of_a_tone(hz: float) -> None:
    assert spectral_centroid(ringing(0.5, hz), RATE) == pytest.approx(hz, rel=0.05)
    assert spectral_centroid(0.01 * ringing(0.5, hz) + 1.0, RATE) == pytest.approx(hz, rel=0.05)


def test_centroid_of_two_tones_lies_by_their_power() -> None:
    time_s = np.arange(RATE) / RATE
    both = np.sin(2 * np.pi * 1000 * time_s) + 0.5 * np.sin(2 * np.pi * 4000 * time_s)
    assert spectral_centroid(both, RATE) == pytest.approx((1000 + 0.25 * 4000) / 1.25, rel=0.01)
    assert np.isnan(spectral_centroid(np.zeros(RATE), RATE))


def test_errors_name_field_and_value() -> None:
    with pytest.raises(ValueError, match=r"samples have shape \(2, 8\)"):
        decay_time(np.zeros((2, 8)), RATE)
    with pytest.raises(ValueError, match="sample_rate is 0"):
        spectral_centroid(np.zeros(8), 0)
    with pytest.raises(ValueError, match="noise_power is -1"):
        decay_time(np.zeros(RATE), RATE, noise_power=-1.0)
