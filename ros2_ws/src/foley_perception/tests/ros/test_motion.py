"""Messages that tell of motion."""

from __future__ import annotations

import math

import numpy as np
import pytest
from nav_msgs.msg import Path
from rclpy.serialization import serialize_message
from sensor_msgs.msg import JointState

from foley_perception.action.trajectory import TrajectoryError
from foley_perception.ros.motion import joint_names, joint_positions, path_poses, pose_to_se3
from foley_ros import convert


@pytest.mark.parametrize("frame", ["", "w", "world", "base_link"])
@pytest.mark.parametrize("names", [[], ["a"], ["ab", "abc", "gripper_width", ""], ["Gelenk_\u00e4", "x"]])
def test_names_are_read_from_a_serialised_joint_state(frame: str, names: list[str]) -> None:
    message = JointState(header=convert.header(123, frame), name=names, position=[0.5] * len(names))
    data = serialize_message(message)
    assert joint_names(data) == tuple(names)


def test_a_joint_state_that_ends_early_is_refused() -> None:
    data = serialize_message(JointState(header=convert.header(0, "world"), name=["shoulder", "elbow"]))
    for end in (12, 16, 25, 30, 45):
        with pytest.raises(ValueError, match="ends before its names do"):
            joint_names(data[:end])


def test_positions_that_nobody_can_assign_are_refused_and_unknown_ones_left_out() -> None:
    def told(names: list[str], positions: list[float]) -> dict[str, float]:
        return joint_positions(JointState(name=names, position=positions))

    assert told(["a", "b", "c"], [1.0, math.nan, 3.0]) == {"a": 1.0, "c": 3.0}
    assert told(["a"], []) == {}
    with pytest.raises(ValueError, match="1 positions for 2 names"):
        told(["a", "b"], [1.0])
    with pytest.raises(ValueError, match="`a` twice"):
        told(["a", "a"], [1.0, 2.0])


@pytest.mark.parametrize(
    ("length", "known"), [(0.0, False), (0.5, False), (0.95, True), (1.08, True), (2.0, False)]
)
def test_a_quaternion_far_from_unit_length_is_no_orientation(length: float, known: bool) -> None:
    pose = pose_to_se3(convert.arrays_to_pose(np.zeros(3), np.array([0.0, length, 0.0, 0.0])))
    assert (pose is not None) == known
    if pose is not None:
        np.testing.assert_allclose(pose.quaternion, [0, 1, 0, 0])


def test_a_path_is_in_one_frame_wherever_that_is_said() -> None:
    def path(header: str, *frames: str) -> Path:
        upright = np.array([0, 0, 0, 1.0])
        poses = [convert.pose_stamped(np.zeros(3), upright, i, frame) for i, frame in enumerate(frames)]
        return Path(header=convert.header(0, header), poses=poses)

    assert path_poses(path("", "base", ""))[2] == "base"
    assert path_poses(path("base", "", "base"))[2] == "base"
    assert path_poses(path("", "", ""))[2] == ""
    with pytest.raises(TrajectoryError, match=r"in several frames \(base, tool\)"):
        path_poses(path("base", "base", "tool"))
