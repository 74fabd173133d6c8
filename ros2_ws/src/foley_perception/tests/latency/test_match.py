"""Which taps are the same, and by how much they differ."""

from __future__ import annotations

import numpy as np
import pytest

from foley_perception.latency.match import UnclearError, difference

from .made_taps import TAPS_S


@pytest.mark.parametrize("late_s", [-0.3, -0.075, 0.0, 0.02, 0.3])
def test_a_difference_among_taps_that_one_of_them_missed_or_made_up(late_s: float) -> None:
    rng = np.random.default_rng(3)
    second = np.sort(np.append(TAPS_S[1:] + late_s + 0.0005 * rng.standard_normal(6), [0.2, 3.9, 7.5]))
    found = difference(TAPS_S, second, std_s=0.0008, limit_s=0.006)
    assert len(found.pairs) == 6 and set(found.first) == {1, 2, 3, 4, 5, 6}
    assert abs(found.seconds - late_s) < 3 * found.std < 0.0015


def test_one_tap_that_is_off_does_not_count() -> None:
    second = TAPS_S + 0.1
    second[2] += 0.01
    found = difference(TAPS_S, second, std_s=0.0008, limit_s=0.006)
    assert found.seconds == pytest.approx(0.1, abs=1e-9) and len(found.pairs) == 6


def test_the_stated_error_covers_the_error() -> None:
    rng, inside = np.random.default_rng(4), 0
    for _ in range(400):
        taps = np.cumsum(rng.uniform(0.9, 1.6, 4))
        found = difference(taps, taps + 0.05 + 0.001 * rng.standard_normal(4), std_s=0.001, limit_s=0.006)
        inside += abs(found.seconds - 0.05) < 2 * found.std
    assert 0.92 <= inside / 400 <= 0.98


def test_what_tells_no_difference_is_refused_with_the_reason() -> None:
    how = {"std_s": 0.001, "limit_s": 0.006}
    with pytest.raises(UnclearError, match="no taps of the two lie within 320 ms"):
        difference(TAPS_S, TAPS_S + 30.0, **how)
    with pytest.raises(UnclearError, match="2 taps of the two agree, 3 are needed"):
        difference(TAPS_S[:2], TAPS_S[:2] + 0.1, **how)
    even = np.arange(8) * 0.4
    with pytest.raises(UnclearError, match=r"100 ms and of -300 ms explain.*uneven intervals"):
        difference(even, even + 0.1, **how)
    scattered = TAPS_S + 0.1 + np.array([-11, -9, -8, 0.5, 9, 10, 11]) / 1e3
    with pytest.raises(UnclearError, match=r"single taps differ by \d+\.\d ms.*no more than 6\.0 ms"):
        difference(TAPS_S, scattered, **how)
