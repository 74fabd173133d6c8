"""What an arm does, and what it cannot."""

import numpy as np
import pytest

from foley_perception.audit.pose_unit import PoseUnit

S = 1_000_000_000


def judged(positions: np.ndarray, rate_hz: float = 100.0) -> PoseUnit:
    unit = PoseUnit()
    for i, position in enumerate(positions):
        time_ns = S + round(i * S / rate_hz)
        if unit.due(time_ns):
            unit.add(time_ns, position.tolist())
    return unit


def tapping(seconds: float = 5.0, rate_hz: float = 100.0) -> np.ndarray:
    """0.1 m up and down, twice a second [m]."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.stack([0.4 + 0 * t, 0 * t, 0.2 + 0.05 * np.cos(4 * np.pi * t)], axis=1)


@pytest.mark.parametrize("rate_hz", [25.0, 100.0, 1000.0])
def test_metres_are_right_and_millimetres_and_centimetres_are_wrong(rate_hz: float) -> None:
    metres = tapping(rate_hz=rate_hz)
    assert not judged(metres, rate_hz).wrong
    assert judged(1000 * metres, rate_hz).wrong and judged(100 * metres, rate_hz).wrong


def test_a_car_a_jump_two_publishers_and_rest_are_no_unit() -> None:
    assert not judged(tapping() + np.arange(500)[:, None] * [0.04, 0, 0]).wrong, "4 m/s"
    jumps = tapping()
    jumps[100:200] += 30.0
    assert not judged(jumps).wrong
    two = tapping()
    two[::2] += 8.0
    assert not judged(two).wrong
    assert not judged(np.full((500, 3), 700.0)).wrong


def test_it_recovers_when_poses_are_right_again() -> None:
    assert judged(np.concatenate([1000 * tapping(2.0), tapping(8.0)])).wrong
    assert not judged(np.concatenate([1000 * tapping(2.0), tapping(15.0)])).wrong
