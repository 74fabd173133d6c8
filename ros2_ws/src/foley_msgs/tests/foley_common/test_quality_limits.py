"""The section `quality` of a robot's file."""

from __future__ import annotations

import math

import pytest

from foley_common.quality_limits import USUAL_LIMITS
from foley_common.robot_file import RobotFile, RobotFileError


def test_a_file_says_what_differs_and_is_written_as_it_is_read() -> None:
    robot = RobotFile.parse("quality: {max_lost_share: 0.01, min_contacts: 3, max_drift_ppm: null}")
    assert robot.quality.max_lost_share == 0.01 and robot.quality.min_contacts == 3.0
    assert math.isnan(robot.quality.max_drift_ppm) and "max_drift_ppm" not in robot.quality.judged()
    assert robot.quality.max_gap_s == USUAL_LIMITS.max_gap_s  # as by default
    again = RobotFile.parse(robot.text())
    assert again.quality.told() == {"max_lost_share": 0.01, "max_drift_ppm": None, "min_contacts": 3.0}
    assert "quality" not in RobotFile.parse("name: ur5e").content()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("max_los_share: 0.1", "`quality.max_los_share` is not known; is max_lost_share"),
        ("max_lost_share: 5", "`quality.max_lost_share` is 5; must lie in [0, 1]: a share, 1 % is 0.01"),
        ("max_noise_floor_dbfs: 60", "must lie in [-200, 20]"),
        ("min_contacts: -1", "must not be negative"),
        ("max_blur: sharp", "expected a finite number"),
        ("max_blur: .nan", "expected a finite number"),
    ],
)
def test_what_cannot_be_is_refused_by_name(text: str, told: str) -> None:
    with pytest.raises(RobotFileError) as error:
        RobotFile.parse(f"name: a\nquality:\n  {text}\n", "robot.yaml")
    assert told in str(error.value) and str(error.value).startswith("robot.yaml:3")
