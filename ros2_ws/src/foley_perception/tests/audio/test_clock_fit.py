"""The sample clock of a stream from stamps that jitter, drift and lie."""

from __future__ import annotations

import numpy as np
import pytest

from foley_perception.audio.clock_fit import ClockError, fit_clock

RATE = 48_000
START = 1_800_000_000_123_456_789


def stream(
    seconds: float, *, jitter_s: float = 0.0, drift_ppm: float = 0.0, seed: int = 0, actual: float = RATE
) -> tuple[np.ndarray, np.ndarray]:
    """First samples and stamps of 10 ms chunks; ``drift_ppm`` > 0 is a slow sample clock."""
    samples = np.arange(0, round(seconds * RATE), 480)
    true = samples / actual * (1 + drift_ppm * 1e-6)
    noise = jitter_s * np.random.default_rng(seed).standard_normal(samples.size)
    return samples, START + np.round((true + noise) * 1e9).astype(np.int64)


def test_exact_stamps() -> None:
    samples, stamps = stream(2.0)
    clock = fit_clock(samples, stamps, RATE)
    assert np.abs(clock.time_ns(samples) - stamps).max() <= 1
    assert np.allclose(clock.sample_at(stamps), samples, atol=1e-3)
    assert clock.drift_ppm(RATE) == pytest.approx(0, abs=0.01)


def test_drift_is_found_under_jitter() -> None:
    samples, stamps = stream(60.0, jitter_s=0.002, drift_ppm=80.0)
    clock = fit_clock(samples, stamps, RATE)
    truth = stream(60.0, drift_ppm=80.0)[1]
    assert clock.drift_ppm(RATE) == pytest.approx(80.0, abs=6.0)
    assert np.abs(clock.time_ns(samples) - truth).max() < 0.3e6
    assert clock.jitter_s == pytest.approx(0.002, rel=0.1)


def test_short_streams_keep_the_nominal_rate() -> None:
    samples, stamps = stream(1.0, jitter_s=0.005, drift_ppm=30.0)
    assert fit_clock(samples, stamps, RATE).drift_ppm(RATE) == 0.0


def test_outliers_have_no_say() -> None:
    samples, stamps = stream(10.0, jitter_s=0.0005)
    stamps[::7] += 200_000_000  # every seventh chunk was stamped 0.2 s late
    clock = fit_clock(samples, stamps, RATE)
    truth = stream(10.0)[1]
    assert np.abs(clock.time_ns(samples) - truth).max() < 0.2e6
    assert clock.rejected == len(stamps[::7])


def test_one_chunk_is_enough() -> None:
    clock = fit_clock(np.array([4800]), np.array([START]), RATE)
    assert int(clock.time_ns(4800 + RATE)) == START + 10**9


def test_wrong_rate_is_refused() -> None:
    samples, stamps = stream(3.0, actual=44_100, jitter_s=0.001)
    with pytest.raises(ClockError, match=r"sample_rate is 48000 Hz, but the stamps say 441\d\d Hz"):
        fit_clock(samples, stamps, RATE)


@pytest.mark.parametrize("seed", range(5))
def test_ragged_stamps_are_not_a_wrong_rate(seed: int) -> None:
    samples, stamps = stream(0.5, jitter_s=0.01, seed=seed)
    fit_clock(samples, stamps, RATE)


def test_nothing_to_fit() -> None:
    with pytest.raises(ClockError, match="at least one"):
        fit_clock(np.array([], dtype=int), np.array([], dtype=int), RATE)
