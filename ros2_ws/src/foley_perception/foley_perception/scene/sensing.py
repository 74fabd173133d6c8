"""What a node senses of its robot: frames, gripper and inputs, the same questions for every node."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class SensingConfig:
    """See docs/conventions.md for the rule behind each."""

    fixed_frame: str = "world"
    tool_frame: str = "tool"
    tip_frame: str = "tip"
    hand: str = "parallel_gripper"  # hand file, by name or path
    pictures: bool = False  # keep the camera's pictures
    depth: bool = True  # keep the depth behind the arm
    camera_transport: str = "auto"  # raw, compressed, or auto: compressed where only that is published
    gripper: bool = False  # keep the width of the gripper
    tip_margin_m: float = 0.0  # from the tip frame to the point that touches first
    clear_m: float = 0.10  # a tip nearer than this to a place is in the way of its picture
    silent_s: float = 2.0  # without a message an input is reported as missing

    def __post_init__(self) -> None:
        if self.camera_transport not in ("auto", "raw", "compressed"):
            raise ValueError(
                f"camera_transport is `{self.camera_transport}`, known are auto, raw, compressed"
            )
