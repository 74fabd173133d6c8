"""Distances of waveforms and of embeddings, against what is known in closed form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from foley_synthesis.metrics.audio import (
    Distance,
    envelope,
    envelope_distance,
    frechet,
    onset_agreement,
    onsets,
    stft,
    stft_distance,
)

RATE = 48_000
TIME = np.arange(RATE) / RATE


def ping(at: float, hz: float = 1500.0, seed: int = 0) -> np.ndarray:
    after = np.maximum(TIME - at, 0.0)
    noise = 3e-4 * np.random.default_rng(seed).standard_normal(RATE)
    return np.where(at <= TIME, 0.5 * np.exp(-30 * after) * np.sin(2 * np.pi * hz * after), 0.0) + noise


def test_a_sine_keeps_its_amplitude_in_spectrum_and_envelope() -> None:
    sine = 0.3 * np.sin(2 * np.pi * 46.875 * 40 * TIME)
    assert stft(sine)[40, 20:-20] == pytest.approx(0.3, rel=1e-6)
    assert envelope(sine)[2000:-2000] == pytest.approx(0.3, rel=1e-3)


@pytest.mark.parametrize("measure", [stft_distance, envelope_distance])
def test_silence_is_one_away_and_nothing_is_zero_away_from_itself(measure: Callable[..., Distance]) -> None:
    real = ping(0.25)
    assert measure(real, real) == (0.0, 0.0)
    silence = measure(np.zeros(RATE), real)
    assert silence.relative == pytest.approx(1.0) and silence.absolute > 0
    louder = measure(3.0 * real, 3.0 * ping(0.27))
    assert louder.relative == pytest.approx(measure(real, ping(0.27)).relative, rel=1e-6)
    assert louder.absolute == pytest.approx(3.0 * measure(real, ping(0.27)).absolute, rel=1e-6)
    with pytest.raises(ValueError, match="same length"):
        measure(real[:-1000], real)


def test_onsets_are_found_where_they_are() -> None:
    sound = ping(0.25) + ping(0.6, 3000.0, seed=1)
    assert onsets(sound, RATE) == pytest.approx([0.25, 0.6], abs=0.004)
    assert len(onsets(np.zeros(RATE), RATE)) == 0


def test_nearest_onsets_agree_first() -> None:
    found = onset_agreement(np.array([0.24, 0.27, 0.7]), np.array([0.25, 0.5]))
    assert (found.hits, found.false, found.missed) == (1, 2, 1)
    assert found.errors_s == pytest.approx([-0.01])
    assert onset_agreement(np.empty(0), np.array([0.1])).missed == 1


def test_frechet_of_two_gaussians_is_the_closed_form() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(0.0, 1.0, (40_000, 3)) * (1.0, 2.0, 0.5)
    b = rng.normal(0.0, 1.0, (40_000, 3)) * (1.5, 1.0, 0.5) + (1.0, 0.0, -2.0)
    assert frechet(a, b) == pytest.approx(1 + 4 + 0.5**2 + 1.0**2, rel=0.03)
    assert frechet(a, a) == pytest.approx(0.0, abs=1e-9)
    few = rng.normal(size=(5, 20))
    assert frechet(few, few) == pytest.approx(0.0, abs=1e-6), "fewer rows than dimensions"
    with pytest.raises(ValueError, match="two rows"):
        frechet(a[:1], b)
