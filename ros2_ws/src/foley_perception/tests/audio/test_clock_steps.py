"""Steps of the stamps against the sample count."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from foley_perception.audio.clock_fit import fit_clock
from foley_perception.audio.clock_steps import clock_steps

RATE = 48_000
T0 = 1_800_000_000_000_000_000
Jitter = NDArray[np.float64]


def stream(
    seconds: float,
    steps: list[tuple[float, float]],
    jitter: Jitter | float = 0.0,
    ppm: float = 0.0,
    chunk: int = 480,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First samples and stamps; ``steps`` are (when, size) in seconds."""
    samples = np.arange(0, round(seconds * RATE), chunk)
    times = samples / RATE * (1 + ppm * 1e-6)
    offsets = sum((np.where(samples / RATE >= at, size, 0.0) for at, size in steps), np.zeros(len(samples)))
    if isinstance(jitter, float):
        jitter = jitter * np.random.default_rng(3).standard_normal(len(samples))
    return samples, T0 + np.round((times + offsets + jitter) * 1e9).astype(np.int64)


@pytest.mark.parametrize("jitter", [0.0, 0.001, 0.003])
@pytest.mark.parametrize(("seconds", "at"), [(6.0, 1.0), (6.0, 5.2), (40.0, 25.0)])
@pytest.mark.parametrize(
    ("size", "ppm", "chunk"), [(0.02, 80.0, 480), (-0.03, 0.0, 1024), (0.1, -80.0, 2048)]
)
def test_a_lasting_step_is_found_and_both_clocks_are_right(
    size: float, ppm: float, chunk: int, seconds: float, at: float, jitter: float
) -> None:
    samples, stamps = stream(seconds, [(at, size)], jitter, ppm, chunk)
    (step,) = clock_steps(samples, stamps, RATE)
    assert step.size_s == pytest.approx(size, abs=0.003)
    assert abs(step.first_sample / RATE - at) <= 2.5 * chunk / RATE
    for part, offset in ((slice(0, step.chunk), 0.0), (slice(step.chunk, None), size)):
        middle = float(np.mean(samples[part]))
        true = middle / RATE * (1 + ppm * 1e-6) + offset
        found = int(fit_clock(samples[part], stamps[part], RATE).time_ns(middle)) - T0
        assert found * 1e-9 == pytest.approx(true, abs=0.0015)


def test_two_steps_in_six_seconds_are_two() -> None:
    found = clock_steps(*stream(6.0, [(2.0, 0.03), (4.0, -0.05)], 0.003), RATE)
    assert [s.size_s for s in found] == pytest.approx([0.03, -0.05], abs=0.003)


@pytest.mark.parametrize("kind", ["heavy", "exponential", "outliers", "stalls"])
def test_jitter_is_no_step(kind: str) -> None:
    rng = np.random.default_rng(1)
    count = 6000
    jitter = 0.002 * rng.standard_normal(count)
    if kind == "heavy":
        jitter = 0.005 * rng.standard_t(1.2, count)
    elif kind == "exponential":
        jitter = rng.exponential(0.02, count)
    elif kind == "outliers":
        jitter[rng.random(count) < 0.1] += 0.08
    else:
        for at in range(300, count, 1000):
            jitter[at : at + 60] += 0.05  # for 0.6 s
    assert clock_steps(*stream(60.0, [], jitter, ppm=1500.0), RATE) == []


def test_a_wrong_rate_is_no_step() -> None:
    samples, stamps = stream(20.0, [], 0.001)
    assert clock_steps(samples, T0 + (stamps - T0) * 48_000 // 44_100, RATE) == []
