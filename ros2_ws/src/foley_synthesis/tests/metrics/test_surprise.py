"""How far a heard sound is from a predicted one, at any two rates."""

from __future__ import annotations

import math

import numpy as np
import pytest

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.audio.resample import resampled
from foley_synthesis.metrics.surprise import (
    ContactSound,
    cochleagram_distance,
    compared_rate,
    distance_name,
    has_all_bands,
)

RATE = 48_000


def tap(pitch_hz: float, seed: int = 0) -> np.ndarray:
    """1 s at 48 kHz with the contact at 0.25 s."""
    t = np.arange(RATE) / RATE - 0.25
    tone = np.where(t >= 0, np.sin(2 * np.pi * pitch_hz * t) * np.exp(-15 * np.maximum(t, 0)), 0.0)
    return (0.5 * tone + 1e-3 * np.random.default_rng(seed).standard_normal(t.size)).astype(np.float32)


def sound(samples: np.ndarray, rate: int = RATE, onset_s: float = 0.25) -> ContactSound:
    return ContactSound(samples, onset_s, rate)


def test_at_one_rate_the_sounds_are_compared_as_they_are() -> None:
    a, b = tap(800.0), tap(2500.0, seed=1)
    pieces = [
        samples[round((onset - 0.02) * RATE) : round((onset + 0.5) * RATE)]
        for samples, onset in ((a, 0.25), (b, 0.31))
    ]
    frames = [Cochleagram(RATE)(piece) for piece in pieces]
    wanted = float(np.linalg.norm(frames[0] - frames[1], axis=1).mean())
    assert cochleagram_distance(sound(a), sound(b, onset_s=0.31)) == wanted, "bit for bit"


@pytest.mark.parametrize("rates", [(16_000, RATE), (RATE, 16_000), (16_000, 44_100)])
def test_at_two_rates_the_same_sound_is_near_and_another_far(rates: tuple[int, int]) -> None:
    predicted, heard = (resampled(tap(800.0), RATE, rate) for rate in rates)
    other = resampled(tap(2500.0), RATE, rates[1])
    near = cochleagram_distance(sound(predicted, rates[0]), sound(heard, rates[1]))
    far = cochleagram_distance(sound(predicted, rates[0]), sound(other, rates[1]))
    assert near < 0.05 * far
    assert compared_rate(sound(predicted, rates[0]), sound(heard, rates[1])) == 16_000


def test_what_only_the_faster_sound_can_hold_does_not_count() -> None:
    low = tap(800.0)
    hiss = low + tap(14_000.0)
    assert cochleagram_distance(sound(low), sound(hiss)) > 0.1
    slow = sound(resampled(low, RATE, 16_000), 16_000)
    assert cochleagram_distance(slow, sound(hiss)) < 0.3 * cochleagram_distance(sound(low), sound(hiss))


def test_a_distance_over_other_bands_has_another_name() -> None:
    assert has_all_bands(48_000) and has_all_bands(96_000)
    assert not has_all_bands(16_000) and not has_all_bands(44_100)
    assert distance_name(48_000) == "cochleagram_l2" and distance_name(16_000) == "cochleagram_l2_16000"


def test_what_cannot_be_compared() -> None:
    short = sound(tap(800.0)[:20_000])
    assert math.isnan(cochleagram_distance(short, sound(tap(800.0))))
    assert math.isnan(cochleagram_distance(sound(tap(800.0), onset_s=0.01), sound(tap(800.0))))
    with pytest.raises(ValueError, match="must be one channel"):
        cochleagram_distance(sound(np.zeros((2, RATE), np.float32)), sound(tap(800.0)))
