"""Motions with times of their own, on rows of 8 ms."""

import numpy as np
import pytest

from foley_perception.action.motion_grid import (
    grid_times_ns,
    measured_on_grid,
    planned_on_grid,
    wrench_on_grid,
)
from foley_perception.action.trajectory import ToolTrajectory
from foley_perception.geometry.se3 import SE3

START = 1_700_000_000_000_000_003  # a time that no float64 holds


def moving(times_ns: np.ndarray, speed: float = 0.5) -> SE3:
    """Along x, turning about z at 1 rad/s."""
    seconds = (times_ns - START) / 1e9
    zero = np.zeros_like(seconds)
    return SE3.from_rotation_vector(
        np.stack([zero, zero, seconds], axis=1), np.stack([speed * seconds, zero, zero], axis=1)
    )


def test_measured_poses_are_exact_between_their_times_and_unknown_in_gaps() -> None:
    times = START + np.concatenate([np.arange(0, 1_000, 7), np.arange(1_400, 2_000, 7)]) * 1_000_000
    motion = measured_on_grid(START, 240, times, moving(times), (times, np.full(len(times), 0.03)))
    rows = grid_times_ns(START, 240)
    assert (np.diff(rows) == 8_000_000).all() and rows[0] == START
    known = motion.poses.finite
    inside = (rows <= times[142]) | ((rows >= times[143]) & (rows <= times[-1]))
    assert known.tolist() == inside.tolist() and not known.all()
    np.testing.assert_allclose(motion.poses[known].matrix, moving(rows[known]).matrix, atol=1e-9)
    np.testing.assert_allclose(motion.widths[:100], 0.03)


def test_a_plan_holds_until_the_next_begins() -> None:
    def plan(name: str, begin_s: float, end_s: float, width: float) -> ToolTrajectory:
        times = START + np.round(np.linspace(begin_s, end_s, 11) * 1e9).astype(np.int64)
        return ToolTrajectory(name, times, moving(times), np.full(11, width))

    motion = planned_on_grid(START, 250, [plan("a", 0.4, 0.8, 0.01), plan("b", 1.2, 3.0, 0.02)])
    seconds = np.arange(250) / 125
    x = np.where(seconds < 1.2, np.clip(seconds, 0.4, 0.8), seconds) * 0.5
    np.testing.assert_allclose(motion.poses.translation[:, 0], x, atol=1e-9)
    np.testing.assert_allclose(motion.widths, np.where(seconds < 1.2, 0.01, 0.02))
    with pytest.raises(ValueError, match="need some, in order"):
        planned_on_grid(START, 250, [])


def test_a_row_of_force_is_its_mean() -> None:
    times = START + np.arange(2_001) * 1_000_000
    ramp = np.arange(2_001)[:, None] * np.array([1e-3, 0, 0, 0, 0, 2e-3])
    rows = wrench_on_grid(START, 250, times, ramp)
    middle = (np.arange(250) + 0.5) / 125
    np.testing.assert_allclose(rows, middle[:, None] * np.array([1, 0, 0, 0, 0, 2]), atol=1e-9)
    ramp[500:1000] = np.nan
    assert np.isnan(wrench_on_grid(START, 250, times, ramp)[64:124]).all()
    assert np.isnan(wrench_on_grid(START, 2, times[:0], ramp[:0])).all()
