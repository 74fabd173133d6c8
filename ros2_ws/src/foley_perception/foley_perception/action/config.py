"""Configuration of the hand mapper node."""

from __future__ import annotations

import dataclasses
from typing import Any


def _doc(default: Any, text: str) -> Any:
    return dataclasses.field(default=default, metadata={"doc": text})


@dataclasses.dataclass(frozen=True)
class HandMapperConfig:
    """Parameters of `hand_mapper`."""

    hand: str = _doc("parallel_gripper", "name of a shipped hand file, or path of one's own")
    rate_hz: float = _doc(50.0, "of hand_keypoints, at most [Hz]")
    plan_rate_hz: float = _doc(100.0, "sampling of plans, at most [Hz]")
    fixed_frame: str = _doc("world", "frame of all keypoints; must not move")
    tool_frame: str = _doc("tool", "the gripper's tool point in robot_description and tf")
    width_joint: str = _doc("", "joint that gives the opening; empty: the one that the hand file names")
    pose_rate_hz: float = _doc(250.0, "of ee_pose where nobody else publishes it, at most [Hz]; 0: never")
    pose_timeout_s: float = _doc(
        0.5, "without ee_pose for this long, joint_states are used, and without these tf [s]"
    )

    def __post_init__(self) -> None:
        for name, low, high in (
            ("rate_hz", 1.0, 250.0),
            ("plan_rate_hz", 5.0, 500.0),
            ("pose_rate_hz", 0.0, 1000.0),
            ("pose_timeout_s", 0.05, 60.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}, must lie in [{low}, {high}]")
        for name in ("hand", "fixed_frame", "tool_frame"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty")
