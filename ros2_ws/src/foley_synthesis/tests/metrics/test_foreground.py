"""Distances in the foreground, on levels that are made here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from foley_synthesis.metrics.foreground import (
    above_floor,
    aligned_error,
    energy_score,
    floor_of,
    foreground_error,
    lag_frames,
    onset_strength,
)

FRAMES, BINS = 60, 4
Draw = Callable[[np.random.Generator], np.ndarray]


def touch(at: int, level: float, bins: slice = slice(0, 2), frames: int = FRAMES) -> np.ndarray:
    """Levels over the floor [4, frames]: one touch that decays by 2 dB a frame."""
    found = np.zeros((BINS, frames), np.float32)
    decay = np.maximum(level - 2.0 * np.arange(frames - at), 0.0)
    found[bins, at:] = decay
    return found


def test_the_floor_is_the_twentieth_percentile_of_each_bin() -> None:
    levels = np.stack([np.arange(-70.0, 30.0), np.full(100, -100.0)])  # [2, 100]
    np.testing.assert_allclose(floor_of(levels), [-51.0, -100.0])
    above = above_floor(levels)
    assert above[0, :20].max() == 0.0 and above[0, -1] == pytest.approx(80.0)
    assert above[1].max() == 0.0, "silence stands over nothing"


def test_only_bins_where_either_is_foreground_count() -> None:
    real = np.array([[0.0, 9.0, 30.0, 12.0]])
    made = np.array([[9.0, 0.0, 20.0, 4.0]])
    assert foreground_error(made, real) == pytest.approx((10.0 + 8.0) / 2)
    assert foreground_error(made, real) == foreground_error(real, made)
    assert foreground_error(np.zeros((1, 4)), real) == pytest.approx(21.0), "silence misses all that sounds"
    assert foreground_error(np.zeros((1, 4)), np.full((1, 4), 9.0)) == 0.0


def test_one_gain_mends_a_sound_that_is_only_too_quiet_and_does_not_mend_silence() -> None:
    real = touch(10, 40.0)
    quiet = np.maximum(real - 7.0, 0.0)
    error, gain = aligned_error(quiet, real)
    assert gain == 7.0 and error == pytest.approx(0.0 + 7.0 * 6 / 30)  # 3 frames of 15 are its background
    assert error < foreground_error(quiet, real) == pytest.approx(7.0)
    silent, _ = aligned_error(np.zeros_like(real), real)
    assert silent == pytest.approx(foreground_error(np.zeros_like(real), real))
    hiss = np.full_like(real, 3.0)
    assert aligned_error(hiss, real)[0] == foreground_error(hiss, real)


def scores(draw: Draw, truth: Draw, part: str, m: int = 6, windows: int = 400) -> float:
    """The energy score of a forecaster that draws from one distribution where another one is true."""
    rng = np.random.default_rng(0)
    found = [energy_score(np.stack([draw(rng) for _ in range(m)]), truth(rng)) for _ in range(windows)]
    if part == "pairs":
        return float(np.mean([s.pairs for s in found]))
    return sum(s.proper for s in found) / sum(s.bins for s in found)


def level_of(mean: float, spread: float) -> Draw:
    return lambda rng: touch(10, float(rng.normal(mean, spread)))


def either_bins(rng: np.random.Generator) -> np.ndarray:
    """One of two materials: low or high bins."""
    return touch(10, 36.0, slice(0, 2) if rng.random() < 0.5 else slice(2, 4))


@pytest.mark.parametrize("part", ["pairs", "proper"])
def test_among_levels_the_right_spread_wins_and_its_mean_does_not(part: str) -> None:
    truth = level_of(34.0, 6.0)
    right = scores(truth, truth, part)
    wrong = {
        "mean": level_of(34.0, 0.0),
        "too narrow": level_of(34.0, 1.5),
        "too wide": level_of(34.0, 14.0),
        "too loud": level_of(42.0, 6.0),
        "silence": lambda rng: np.zeros((BINS, FRAMES), np.float32),
    }
    for name, draw in wrong.items():
        assert scores(draw, truth, part) > right, name


@pytest.mark.parametrize("part", ["pairs", "proper"])
def test_between_two_materials_drawing_either_beats_always_the_mean_of_both(part: str) -> None:
    mean = 0.5 * (touch(10, 36.0, slice(0, 2)) + touch(10, 36.0, slice(2, 4)))
    right = scores(either_bins, either_bins, part)
    assert scores(lambda rng: mean, either_bins, part) > right
    assert scores(lambda rng: touch(10, 36.0), either_bins, part) > right, "always the one"


def test_one_draw_scores_as_a_certainty_and_the_truth_as_nothing() -> None:
    real, made = touch(10, 30.0), touch(10, 24.0)
    one = energy_score(made[None], real)
    assert one.pairs == one.error == pytest.approx(foreground_error(made, real))
    exact = energy_score(np.stack([real, real]), real)
    assert exact.pairs == exact.proper == 0.0 and exact.bins == np.count_nonzero(real > 10.0)


@pytest.mark.parametrize("frames", [0, 6, -9])
def test_the_lag_is_that_of_the_onsets(frames: int) -> None:
    real = onset_strength(touch(40, 30.0, frames=120) + touch(70, 20.0, frames=120))
    made = onset_strength(touch(40 + frames, 12.0, frames=120) + touch(70 + frames, 25.0, frames=120))
    assert lag_frames(made, real, 25) == frames
    assert np.isnan(lag_frames(np.zeros(120), real, 25)), "silence has no onset"
