"""A wrench seen from the tool instead of from its sensor."""

from __future__ import annotations

import numpy as np
import pytest

from foley_perception.action.wrench import from_sensor
from foley_perception.geometry.se3 import SE3


def test_force_turns_and_pulls_at_its_lever() -> None:
    # The sensor lies 0.1 m behind the tool, turned by a right angle about z: its x is the tool's y.
    lies = SE3.from_rotation_vector((0.0, 0.0, np.pi / 2), (0.0, 0.0, -0.1))
    (found,) = from_sensor(np.array([[2.0, 0.0, 5.0, 0.0, 0.0, 0.3]]), lies)
    # (0, 0, -0.1) x (0, 2, 5) = (0.2, 0, 0)
    assert found == pytest.approx([0.0, 2.0, 5.0, 0.2, 0.0, 0.3])


def test_work_is_the_same_in_both_frames() -> None:
    rng = np.random.default_rng(0)
    lies = SE3.from_rotation_vector(rng.normal(size=3), rng.normal(size=3))
    wrench, turn, speed = rng.normal(size=(1, 6)), rng.normal(size=3), rng.normal(size=3)
    # A rigid motion of the sensor's origin, and the same motion at the tool's.
    turn_tool = lies.rotate(turn)
    speed_tool = lies.rotate(speed) - np.cross(turn_tool, lies.translation)
    found = from_sensor(wrench, lies)[0]
    power = wrench[0, :3] @ speed + wrench[0, 3:] @ turn
    assert found[:3] @ speed_tool + found[3:] @ turn_tool == pytest.approx(power)


def test_what_is_not_known_stays_so() -> None:
    found = from_sensor(np.array([[np.nan] * 6, [1.0] * 6]), SE3.identity())
    assert np.isnan(found[0]).all() and found[1] == pytest.approx(np.ones(6))
