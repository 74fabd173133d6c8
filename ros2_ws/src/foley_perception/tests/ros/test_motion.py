"""Messages that tell of motion."""

from __future__ import annotations

import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import JointState

from foley_perception.ros.motion import joint_names
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
