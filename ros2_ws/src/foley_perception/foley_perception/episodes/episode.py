"""An episode: one recording as arrays that share ROS time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.topics import MAIN_ARM, MAIN_CAMERA, MAIN_MICROPHONE
from foley_perception.action.gripper import GripperHand
from foley_perception.action.tip import tip_in_tool
from foley_perception.audit.finding import Finding
from foley_perception.contact_event import Contact
from foley_perception.episodes.tracks import (
    ArmTrack,
    AudioTrack,
    CameraTrack,
    FrameTrack,
    Gap,
    JointPlan,
    KeypointTrack,
    Label,
    PoseTrack,
    Series,
    Times,
    ToolPlan,
)
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer


@dataclasses.dataclass(frozen=True, eq=False)
class Episode:
    """What was recorded; None or empty where a topic was not.

    Devices are those of the registry of topics (``foley_common.topics``). ``audio``, ``frames``, ``ee_pose`` and the
    like are of the main ones.

    ``problems`` says what is wrong but bearable: an unfinished file, gaps in the sound, dropped NaN poses.
    """

    path: Path
    session: dict[str, Any]
    scene: dict[str, Any]
    start_ns: int
    end_ns: int
    microphones: Mapping[str, AudioTrack]  # by device, as in the registry of topics
    cameras: Mapping[str, CameraTrack]
    arms: Mapping[str, ArmTrack]
    keypoints: KeypointTrack | None
    transforms: TransformBuffer  # static ones
    detected: tuple[Contact, ...]  # contacts
    labels: tuple[Label, ...]
    robot_description: str
    problems: tuple[str, ...]
    findings: tuple[Finding, ...] = ()  # the same and what is merely worth knowing

    # ---- the main devices ------------------------------------------------------------------------------
    @property
    def audio(self) -> AudioTrack | None:
        return self.microphones.get(MAIN_MICROPHONE)

    @property
    def frames(self) -> FrameTrack | None:
        return self._camera.frames

    @property
    def depth(self) -> FrameTrack | None:
        return self._camera.depth

    @property
    def camera(self) -> CameraModel | None:
        """One that is calibrated and stands still; None where it moves, or one of the two is not known."""
        return self._camera.model

    @property
    def camera_placed(self) -> bool:
        """Whether :meth:`camera_at` knows anything."""
        return self._camera.placed

    def camera_at(self, time_ns: int) -> CameraModel:
        """The camera as it stood at a time. Raises EpisodeError where nobody said."""
        return self._camera.at(time_ns)

    @property
    def ee_pose(self) -> PoseTrack | None:
        return self._arm.ee_pose

    @property
    def joints(self) -> Series | None:
        return self._arm.joints

    @property
    def wrench(self) -> Series | None:
        return self._arm.wrench

    @property
    def joint_plans(self) -> tuple[JointPlan, ...]:
        return self._arm.joint_plans

    @property
    def tool_plans(self) -> tuple[ToolPlan, ...]:
        return self._arm.tool_plans

    @property
    def truth(self) -> tuple[Contact, ...]:
        """Contacts that the simulator knows of."""
        return self._arm.truth

    @property
    def _camera(self) -> CameraTrack:
        return self.cameras.get(MAIN_CAMERA, CameraTrack())

    @property
    def _arm(self) -> ArmTrack:
        return self.arms.get(MAIN_ARM, ArmTrack())

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
    @property
    def tx_tool_tip(self) -> SE3:
        """From tf_static or the robot description; the tool point itself where neither has a tip."""
        return self.tool_tip(MAIN_ARM)

    @property
    def tip_problem(self) -> str:
        """Why the tool point is taken for the tip; empty where it is not."""
        return self._tip(MAIN_ARM)[1]

    def tool_tip(self, arm: str) -> SE3:
        """``tx_tool_tip`` of one arm. Frames of a further one bear its name: `left_tool`, `left_tip`."""
        return self._tip(arm)[0]

    @cached_property
    def _tips(self) -> dict[str, tuple[SE3, str]]:
        return {}

    def _tip(self, arm: str) -> tuple[SE3, str]:
        if arm not in self._tips:
            tool, tip = _of(arm, "tool"), _of(arm, "tip")
            self._tips[arm] = tip_in_tool(self.transforms.lookup, tool, tip, self.robot_description)
        return self._tips[arm]

    @cached_property
    def tip_path(self) -> tuple[Times, NDArray[np.float64]]:
        """Measured tip positions: times [n] and [n, 3] in the world. Empty without poses."""
        return self.tip_path_of(MAIN_ARM)

    def tip_path_of(self, arm: str) -> tuple[Times, NDArray[np.float64]]:
        """The same of one arm."""
        pose = self.arms[arm].ee_pose if arm in self.arms else None
        if pose is None:
            return np.empty(0, dtype=np.int64), np.empty((0, 3))
        return pose.times_ns, (pose.poses @ self.tool_tip(arm)).translation

    def gripper_width(
        self, hand: GripperHand, arm: str = MAIN_ARM
    ) -> tuple[Times, NDArray[np.float64]] | None:
        """Measured opening of the gripper: times [n] and [n] in metres; None where its joint was not recorded."""
        joints = self.arms[arm].joints if arm in self.arms else None
        column = joints.column(_of(arm, hand.width_joint)) if joints is not None else None
        return None if joints is None or column is None else (joints.times_ns, hand.width_of(column))

    @cached_property
    def force(self) -> tuple[Times, NDArray[np.float64]] | None:
        """Magnitude of the measured force: times [n] and [n] in newtons."""
        return self._arm.force

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


def _of(arm: str, name: str) -> str:
    """A frame or joint of an arm."""
    return name if arm == MAIN_ARM else f"{arm}_{name}"


def number(value: Any) -> float:
    """A float, NaN where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
