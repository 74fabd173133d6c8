"""Pictures against the way of the tip."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from foley_perception.latency.match import UnclearError
from foley_perception.latency.pictures import changes, delay

from .made_taps import path

ARM_S = np.arange(0.0, 9.5, 0.004)


def seen(times_s: NDArray[np.float64], late_s: float) -> Callable[[int], NDArray[np.uint8]]:
    """What a camera draws that is late: a bright tool before a grey scene, with noise."""
    rng = np.random.default_rng(5)
    scene = rng.integers(90, 110, (60, 80)).astype(np.float64)
    rows = np.arange(60)[:, None]

    def read(i: int) -> NDArray[np.uint8]:
        height = float(path(np.array([times_s[i] - late_s]))[0, 2])
        edge = 50 - 600 * height  # of the tool's tip [px]
        share = np.clip(edge - rows, 0, 1) * (np.abs(np.arange(80) - 40) < 10)
        picture = scene * (1 - share) + 220 * share + rng.standard_normal((60, 80))
        return np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)

    return read


@pytest.mark.parametrize(("rate", "late_s"), [(30, 0.0), (30, 0.3), (15, 0.075), (30, -0.15)])
def test_the_delay_is_found_to_a_fraction_of_a_frame(rate: int, late_s: float) -> None:
    times = np.arange(0.01, 9.4, 1 / rate)
    found = delay(times, changes(len(times), seen(times, late_s)), ARM_S, path(ARM_S))
    assert abs(found.seconds - late_s) < 0.2 / rate and found.std < 0.3 / rate
    assert found.correlation > 0.8


def test_what_tells_no_delay_is_refused_with_the_reason() -> None:
    times, rng = np.arange(0.01, 9.4, 1 / 30), np.random.default_rng(6)
    tip = path(ARM_S)
    with pytest.raises(UnclearError, match="nothing changes in its pictures"):
        delay(times, changes(len(times), lambda i: np.zeros((20, 30, 3), np.uint8)), ARM_S, tip)
    with pytest.raises(UnclearError, match=r"goes with the arm's motion by .* only"):
        delay(times, rng.uniform(1, 2, len(times)), ARM_S, tip)
    with pytest.raises(UnclearError, match="moves by 0 mm in all"):
        delay(times, rng.uniform(1, 2, len(times)), ARM_S, np.zeros_like(tip))
    with pytest.raises(UnclearError, match="20 pictures, 60 are needed"):
        delay(times[:20], np.ones(20), ARM_S, tip)
    swing = np.stack([0.1 * np.sin(2 * np.pi * 4 * ARM_S)] * 3, axis=1)
    speed = np.abs(np.cos(2 * np.pi * 4 * (times - 0.5 / 30)))
    with pytest.raises(UnclearError, match="several delays explain it"):
        delay(times, speed, ARM_S, swing)
