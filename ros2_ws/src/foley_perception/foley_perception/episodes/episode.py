"""An episode: one recording as arrays that share ROS time."""

from __future__ import annotations

import dataclasses
import math
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.action.gripper import GripperHand
from foley_perception.action.tip import tip_in_tool
from foley_perception.contact_event import Contact
from foley_perception.episodes.tracks import (
    AudioTrack,
    FrameTrack,
    Gap,
    JointPlan,
    KeypointTrack,
    Label,
    PoseTrack,
    Series,
    Times,
)
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer


@dataclasses.dataclass(frozen=True, eq=False)
class Episode:
    """What was recorded; None or empty where a topic was not.

    ``problems`` says what is wrong but bearable: an unfinished file, gaps in the sound, dropped NaN poses.
    """

    path: Path
    session: dict[str, Any]
    scene: dict[str, Any]
    start_ns: int
    end_ns: int
    audio: AudioTrack | None
    ee_pose: PoseTrack | None  # tx_world_tool
    joints: Series | None
    wrench: Series | None  # [n, 6] in the tool frame
    keypoints: KeypointTrack | None
    frames: FrameTrack | None
    depth: FrameTrack | None
    camera: CameraModel | None
    transforms: TransformBuffer  # static ones; all, where poses came in another frame than the world
    joint_plans: tuple[JointPlan, ...]
    truth: tuple[Contact, ...]  # sim/contacts
    detected: tuple[Contact, ...]  # contacts
    labels: tuple[Label, ...]
    robot_description: str
    problems: tuple[str, ...]

    # ---- names -----------------------------------------------------------------------------------------
    @property
    def session_id(self) -> str:
        """From the metadata; a bag without any is known by its folder's name."""
        return str(self.session.get("session_id") or self.path.stem)

    @property
    def scene_id(self) -> str:
        """Empty if nobody said where it was."""
        return str(self.scene.get("scene_id") or self.session.get("scene_id") or "")

    @property
    def split(self) -> str:
        """Given by the recording, else by its scene; empty if neither."""
        return str(self.session.get("split") or self.scene.get("split") or "")

    @property
    def domain(self) -> str:
        """`sim` where ground truth was recorded or the metadata says so."""
        given = str(self.session.get("domain") or "")
        return given if given in ("sim", "real") else ("sim" if self.scene or self.truth else "real")

    @property
    def origin(self) -> str:
        """The machine that recorded; empty in simulation, where times mean nothing outside of the bag."""
        return "" if self.domain == "sim" else str(self.session.get("origin") or "")

    @property
    def gaps(self) -> tuple[Gap, ...]:
        return self.audio.gaps if self.audio is not None else ()

    # ---- motion ----------------------------------------------------------------------------------------
    @cached_property
    def _tip(self) -> tuple[SE3, str]:
        return tip_in_tool(self.transforms.lookup, "tool", "tip", self.robot_description)

    @property
    def tx_tool_tip(self) -> SE3:
        """From tf_static or the robot description; the tool point itself where neither has a tip."""
        return self._tip[0]

    @property
    def tip_problem(self) -> str:
        """Why the tool point is taken for the tip; empty where it is not."""
        return self._tip[1]

    @cached_property
    def tip_path(self) -> tuple[Times, NDArray[np.float64]]:
        """Measured tip positions: times [n] and [n, 3] in the world. Empty without poses."""
        if self.ee_pose is None:
            return np.empty(0, dtype=np.int64), np.empty((0, 3))
        return self.ee_pose.times_ns, (self.ee_pose.poses @ self.tx_tool_tip).translation

    def gripper_width(self, hand: GripperHand) -> tuple[Times, NDArray[np.float64]] | None:
        """Measured opening of the gripper: times [n] and [n] in metres; None where its joint was not recorded."""
        column = self.joints.column(hand.width_joint) if self.joints is not None else None
        return (
            None if self.joints is None or column is None else (self.joints.times_ns, hand.width_of(column))
        )

    @cached_property
    def force(self) -> tuple[Times, NDArray[np.float64]] | None:
        """Magnitude of the measured force: times [n] and [n] in newtons."""
        if self.wrench is None:
            return None
        return self.wrench.times_ns, np.linalg.norm(self.wrench.values[:, :3], axis=1)

    # ---- truth about objects ---------------------------------------------------------------------------
    def object_properties(self, object_id: str, time_ns: int) -> dict[str, Any]:
        """Material and numbers of an object: from the scene, the session's `objects`, then labels."""
        found: dict[str, Any] = {}
        for source in (self.scene.get("objects"), self.session.get("objects")):
            for entry in source if isinstance(source, list) else ():
                if isinstance(entry, dict) and str(entry.get("id", entry.get("object_id", ""))) == object_id:
                    found.update(entry)
        for label in self.labels:
            if label.object_id and label.object_id != object_id:
                continue
            if label.object_id or label.start_ns <= time_ns <= max(label.end_ns, label.start_ns):
                found[label.key] = label.value
        return found


def number(value: Any) -> float:
    """A float, NaN where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
