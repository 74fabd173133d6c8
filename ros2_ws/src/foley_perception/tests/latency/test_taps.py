"""Each sensor alone tells when it felt a tap."""

from __future__ import annotations

import numpy as np
import pytest

from foley_perception.latency.taps import force_taps, sound_taps, stop_taps

from .made_taps import TAPS_S, force, path, sound


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_sound_tells_taps_within_a_millisecond(rate: int) -> None:
    found = sound_taps(sound(rate, 9.5, np.random.default_rng(0)), rate)
    np.testing.assert_allclose(found, TAPS_S, atol=0.001)


@pytest.mark.parametrize("rate", [125, 250, 500])
def test_force_tells_taps_to_half_a_period_and_their_mean_better(rate: int) -> None:
    times = np.arange(0.0, 9.5, 1 / rate) + 0.0007
    found = force_taps(times, force(times, np.random.default_rng(1)))
    np.testing.assert_allclose(found.times_s, TAPS_S, atol=0.5 / rate + 1e-6)
    assert found.std_s == pytest.approx(1 / rate / np.sqrt(12), rel=0.01) and not found.note
    assert abs(float(np.mean(found.times_s - TAPS_S))) < 0.25 / rate


def test_a_force_that_is_too_soft_is_told() -> None:
    times = np.arange(0.0, 9.5, 0.004)
    found = force_taps(times, force(times, np.random.default_rng(1), size=0.02))
    assert not len(found.times_s) and "its force never steps by 0." in found.note
    noisy = force(times, np.random.default_rng(1), np.empty(0))
    noisy[::50, 2] = np.nan
    assert not len(force_taps(times, noisy).times_s), "what is not known is no step"


@pytest.mark.parametrize("rate", [125, 250, 500])
def test_the_tip_stops_between_samples(rate: int) -> None:
    rng = np.random.default_rng(2)
    times = np.arange(0.0, 9.5, 1 / rate) + 0.0013
    found = stop_taps(times, path(times) + 2e-5 * rng.standard_normal((len(times), 3)))
    np.testing.assert_allclose(found.times_s, TAPS_S, atol=0.001)


def test_a_tip_that_slows_down_by_itself_or_creeps_tells_no_time() -> None:
    times = np.arange(0.0, 9.5, 0.004)
    smooth = np.stack([np.zeros_like(times), np.zeros_like(times), 0.05 * np.cos(2 * np.pi * times)], axis=1)
    assert not len(stop_taps(times, smooth).times_s)
    slow = stop_taps(times, path(times, speed=0.01))
    assert not len(slow.times_s) and "never stops from 30 mm/s" in slow.note
    rng = np.random.default_rng(0)
    still = stop_taps(times, 1e-5 * rng.standard_normal((len(times), 3)))
    assert not len(still.times_s)
