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

from foley_common.latencies import Latencies
from foley_common.robot_file import UNKNOWN_ROBOT, RobotFile
from foley_common.topics import JOINT_STATES, MAIN_ARM, MAIN_CAMERA, MAIN_MICROPHONE
from foley_perception.action.gripper import GripperHand
from foley_perception.action.mimic import MimicJoints
from foley_perception.action.planned_motion import joint_position
from foley_perception.action.tip import tip_in_tool
from foley_perception.audit.finding import Finding, Severity
from foley_perception.audit.motion import width_faults, width_untold
from foley_perception.contact_event import Contact
from foley_perception.episodes.frames import FrameNames, RecordedTransforms
from foley_perception.episodes.tracks import (
    ArmTrack,
    AudioTrack,
    CameraTrack,
    EpisodeError,
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
from foley_perception.recording.bag_name import bag_name
from foley_perception.recording.labels import Pause


@dataclasses.dataclass(frozen=True, eq=False)
class Episode:
    """What was recorded; None or empty where a topic was not.

    Devices are those of the registry of topics (``foley_common.topics``). ``audio``, ``frames``, ``ee_pose`` and the
    like are of the main ones.

    ``problems`` says what is wrong but bearable: an unfinished file, gaps in the sound, dropped NaN poses. ``unplaced``
    says of a stretch of a recording what tf could not bring to the world in it: an error where that is so in the whole.
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
    transforms: RecordedTransforms
    frame_names: FrameNames
    detected: tuple[Contact, ...]  # contacts
    labels: tuple[Label, ...]
    robot_description: str
    problems: tuple[str, ...]
    unplaced: tuple[str, ...] = ()
    simulated: bool = False  # ground truth was recorded, be it outside of this stretch
    findings: tuple[Finding, ...] = ()  # the same and what is merely worth knowing
    latencies: Latencies = dataclasses.field(default_factory=Latencies)  # that were taken off
    robot: RobotFile = UNKNOWN_ROBOT  # as the recording, or who reads it, says
    pauses: tuple[Pause, ...] = ()  # of the whole recording: from when to when nothing was kept

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
    def directed_wrench(self) -> Series | None:
        """The same where its directions are those of the tool, else None."""
        return self._arm.wrench if self._arm.wrench_in_tool else None

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
        return str(self.session.get("session_id") or bag_name(self.path))

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
        return (
            given
            if given in ("sim", "real")
            else ("sim" if self.scene or self.truth or self.simulated else "real")
        )

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
        """``tx_tool_tip`` of one arm."""
        return self._tip(arm)[0]

    @cached_property
    def _tips(self) -> dict[str, tuple[SE3, str]]:
        return {}

    def _tip(self, arm: str) -> tuple[SE3, str]:
        if arm not in self._tips:
            names = self.frame_names.of_arm(arm)
            found, problem = tip_in_tool(
                self.transforms.lookup, names.tool, names.tip, self.robot_description
            )
            self._tips[arm] = found, problem
        return self._tips[arm]

    def check_frames(self) -> None:
        """Frames that somebody named must exist; of those that are merely usual it is told where they do not.

        Raises:
            EpisodeError: nobody knows a frame of another name than the usual one.
        """
        names, usual, problem = self.frame_names, FrameNames(), self.tip_problem
        unknown = names.tip != usual.tip or (
            names.tool != usual.tool
            and not self.transforms.knows(names.tool)
            and f'"{names.tool}"' not in self.robot_description
        )
        if problem and unknown:
            raise EpisodeError(
                f"{self.path}: nobody knows where the tip `{names.tip}` is in the tool `{names.tool}` ({problem}); "
                "name frames of /tf_static or of robot_description with --tool-frame and --tip-frame"
            )

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
        """Measured opening of the gripper: times [n] and [n] in metres, NaN where messages do not know it.

        None where nobody told it.
        By the joint that the hand's file names, or by one that moves with it (mimic joints of the robot description).
        """
        joints = self.arms[arm].joints if arm in self.arms else None
        if joints is None:
            return None
        mimics = MimicJoints(self.robot_description)
        family = [name for name in mimics.family(_of(arm, hand.width_joint)) if name in joints.names]
        for name in family:
            # Of the first that is told: a row may name some of them only.
            column = joints.values[:, joints.names.index(name)]
            told = ~np.isnan(column)
            measured = np.where(np.isfinite(column), column, np.nan)[told]
            position = joint_position(_of(arm, hand.width_joint), {name: measured}, mimics)
            if position is not None and np.isfinite(position).any():
                return joints.times_ns[told], hand.measured_width(position)
        return None

    def motion_problems(self, hand: GripperHand | None) -> tuple[str, ...]:
        """What is taken for something else: the tool for its tip, a width that nobody tells of a hand.

        Raises:
            EpisodeError: see :meth:`check_frames`.
        """
        if self.ee_pose is None:
            return ()
        self.check_frames()
        told = [self.tip_problem] if self.tip_problem else []
        if hand is not None and hand.width_joint and self.gripper_width(hand) is None:
            names = self.joints.names if self.joints is not None else ()
            told.append(
                str(width_untold(JOINT_STATES.name, hand.width_joint, hand.name, hand.default_width, names))
            )
        return (*told, *map(str, self.width_findings(hand)))

    def width_findings(self, hand: GripperHand | None) -> list[Finding]:
        """What is wrong with the opening of the main gripper where a joint tells it."""
        arm = self._arm
        if hand is None or not hand.width_joint:
            return []
        mimics = MimicJoints(self.robot_description)
        for joint in mimics.family(hand.width_joint):
            span = arm.joint_spans.get(joint)
            if span is None or not np.isfinite(span.lowest):
                continue
            ends = np.array([span.lowest, span.highest])
            position = joint_position(hand.width_joint, {joint: ends}, mimics)
            if position is not None:
                low, high = hand.width_of(position).tolist()
                name, size = JOINT_STATES.name, hand.max_width
                return width_faults(
                    name, joint, hand.name, size, span, (low, high), arm.pose_extent, self.start_ns
                )
        return []

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth knowing, and costs nothing."""
        return tuple(str(found) for found in self.findings if found.severity == Severity.NOTE)

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
