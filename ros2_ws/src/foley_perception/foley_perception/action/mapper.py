"""Robot state and plans in, hand keypoints out: the core of the hand mapper node, without middleware."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from foley_common.plan_ids import plan_id_of
from foley_common.times import NS_PER_S
from foley_common.topics import JOINT_STATES
from foley_perception.action.config import HandMapperConfig
from foley_perception.action.gripper import GripperHand
from foley_perception.action.kinematics import ForwardKinematics, KinematicsError, chain_in
from foley_perception.action.mimic import MimicJoints
from foley_perception.action.planned_motion import NO_MIMICS, measured_width, tool_trajectory
from foley_perception.action.tip import in_fixed_frame, plan_in_fixed_frame
from foley_perception.action.told_joints import StaleJoint, ToldJoints
from foley_perception.action.trajectory import ToolTrajectory, resample_poses
from foley_perception.audit.motion import width_untold
from foley_perception.audit.pose_unit import PoseUnit
from foley_perception.geometry.rigid import Rigid, compose
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer

Array = NDArray[np.float64]

_LOOK_NS = NS_PER_S // 4  # between look-ups of where a base stands that does not move


@dataclasses.dataclass
class Counts:
    """What came in and what became of it."""

    poses: int = 0
    bad_poses: int = 0  # not finite, not in metres, or in a frame that tf does not know
    from_joints: int = 0  # poses from forward kinematics
    from_tf: int = 0  # poses of the tool's frame in tf
    stale_joints: int = 0  # times that a joint of the chain had not been told of late: no pose
    keypoints: int = 0
    plans: int = 0
    bad_plans: int = 0


class HandMapper:
    """Turn tool poses and planned motion into keypoints of the gripper's hand.

    Args:
        config: parameters of the node.
        frames: transforms between the frames that messages name.

    Raises:
        HandError: the hand file is missing or not valid.
    """

    def __init__(self, config: HandMapperConfig, frames: TransformBuffer) -> None:
        self.config = config
        self.frames = frames
        self.hand = GripperHand.from_yaml(config.hand)
        self.width_joint = config.width_joint or self.hand.width_joint
        self.counts = Counts()
        self._kinematics: ForwardKinematics | None = None
        self._told = ToldJoints()
        self._stands: tuple[int, Rigid | None] = (0, None)  # the base in the fixed frame, and when
        self.unit = PoseUnit()
        self._last_pose_ns: int | None = None
        self._next_due_ns = 0

    # ---- state ---------------------------------------------------------------------------------------------
    @property
    def has_robot(self) -> bool:
        return self._kinematics is not None

    @property
    def width(self) -> float:
        """Opening of the gripper [m] as last measured; NaN before that."""
        return measured_width(self.hand, self._told.positions, self.width_joint, self._mimics)

    @property
    def _mimics(self) -> MimicJoints:
        kinematics = self._kinematics
        return kinematics.mimics if kinematics is not None else NO_MIMICS

    def set_robot(self, urdf: str) -> None:
        """Take in ``robot_description``.

        Raises:
            KinematicsError: not a URDF, no tool frame in it, or Pinocchio is not installed.
        """
        self._kinematics = None
        self._stands = 0, None
        self._kinematics = chain_in(urdf, self.config.tool_frame, self.config.fixed_frame)

    def set_joints(self, time_ns: int, positions: Mapping[str, float]) -> None:
        """Take in joint positions as measured; several publishers may each tell of some."""
        self._told.add(time_ns, positions)

    def moves_tool(self, names: Collection[str]) -> bool:
        """Whether any of these joints moves the tool; where none does, as on a bench, every message tells its pose."""
        kinematics = self._kinematics  # once: another thread may take in another robot
        if kinematics is None:
            return False
        return not kinematics.joints or not kinematics.moved_by.isdisjoint(names)

    def problems(self) -> list[str]:
        """What stands in for something that nobody tells."""
        if not self.width_joint or np.isfinite(self.width):
            return []
        hand, topic = self.hand, JOINT_STATES.name
        return [
            str(
                width_untold(
                    topic, self.width_joint, hand.name, hand.default_width, list(self._told.positions)
                )
            )
        ]

    # ---- measured ------------------------------------------------------------------------------------------
    def due(self, time_ns: int) -> bool:
        """Whether keypoints for this stamp are due; if so, the next ones are due a period later."""
        period = int(NS_PER_S / self.config.rate_hz)
        late = time_ns - self._next_due_ns
        if -2 * period < late < 0:
            return False
        # A steady grid whatever the rate of the input; after a pause, or a jump of time, it starts anew.
        self._next_due_ns = self._next_due_ns + period if 0 <= late < period else time_ns + period
        return True

    def poses_are_fresh(self, time_ns: int) -> bool:
        """Whether tool poses come in, so that joints are not needed."""
        if self._last_pose_ns is None:
            return False
        return abs(time_ns - self._last_pose_ns) < self.config.pose_timeout_s * NS_PER_S

    def from_pose(self, time_ns: int, frame: str, pose: SE3 | None) -> Array | None:
        """Keypoints [2, 21, 3] in the fixed frame of a tool pose given in ``frame``; None if it is not known.

        Raises:
            TransformUnavailable: tf does not know the frame.
        """
        self.counts.poses += 1
        self._last_pose_ns = time_ns
        if pose is None:
            self.counts.bad_poses += 1
            return None
        try:
            pose = in_fixed_frame(pose, frame, self.config.fixed_frame, time_ns, self.frames.lookup)
        except LookupError:
            self.counts.bad_poses += 1
            raise
        return self.keypoints_at(time_ns, pose)

    def check_joints(self, time_ns: int) -> None:
        """Refuse joints that are not of this time: a pose of them would be an old one with a new stamp.

        Raises:
            KinematicsError: a joint of the chain was told, but not of late.
        """
        if self._kinematics is None:
            return
        try:
            self._told.check(self._kinematics, time_ns)
        except StaleJoint:
            self.counts.stale_joints += 1
            raise

    def pose_from_joints(self, time_ns: int) -> Rigid | None:
        """Pose of the tool in the fixed frame; None without a robot or with joints that are not finite.

        Raises:
            KinematicsError: a joint of the chain has no position, or none of this time.
            TransformUnavailable: the robot's root is not connected to the fixed frame.
        """
        if self._kinematics is None:
            return None
        self.check_joints(time_ns)
        pose = self._kinematics.pose_of(self._told.positions)
        self.counts.from_joints += 1
        if pose is None:
            self.counts.bad_poses += 1
            return None
        if self._kinematics.base_link == self.config.fixed_frame:
            return pose
        return compose(self._standing(self._kinematics, time_ns), pose)

    def keypoints_at(self, time_ns: int, pose: SE3) -> Array | None:
        """Keypoints [2, 21, 3] of a pose of the tool in the fixed frame, with the width as last measured; None where
        poses are not in metres."""
        self.unit.add(time_ns, pose.translation.tolist())
        if self.unit.wrong:
            self.counts.bad_poses += 1
            return None
        self.counts.keypoints += 1
        return np.asarray(self.hand.keypoints(pose[None], self.width)[0])

    # ---- planned -------------------------------------------------------------------------------------------
    def plan_joints(
        self,
        start_ns: int,
        names: Sequence[str],
        offsets_s: Array,  # [n]
        positions: Array,  # [n, joints]
        velocities: Array | None = None,
    ) -> ToolTrajectory:
        """Planned tool motion of a joint trajectory.

        Raises:
            KinematicsError: no robot_description yet, an unknown joint, or a joint without a position.
            TrajectoryError: times that do not increase, or too long a plan.
            TransformUnavailable: the robot's root is not connected to the fixed frame.
        """
        if self._kinematics is None:
            raise KinematicsError("a plan came before robot_description: is it published (transient local)?")
        return tool_trajectory(
            self._kinematics,
            self.hand,
            start_ns,
            names,
            offsets_s,
            positions,
            velocities,
            measured=self._told.positions,
            width_joint=self.width_joint,
            tx_world_base=self._root(self._kinematics, None),
            rate_hz=self.config.plan_rate_hz,
        )

    def plan_path(self, times_ns: NDArray[np.int64], poses: SE3, frame: str) -> ToolTrajectory:
        """Planned tool motion of a Cartesian path [n] given in ``frame``.

        Raises:
            TrajectoryError: too few poses, or times that do not increase.
            TransformUnavailable: tf does not know the frame.
        """
        times, sampled = resample_poses(times_ns, poses, self.config.plan_rate_hz)
        sampled = plan_in_fixed_frame(
            sampled, frame, self.config.fixed_frame, int(times[0]), self.frames.lookup
        )
        widths = np.full(len(times), self.width)
        return ToolTrajectory(plan_id_of(int(times[0]), poses.translation), times, sampled, widths)

    def keypoints_of(self, trajectory: ToolTrajectory) -> Array:
        """Keypoints [n, 2, 21, 3] of a planned motion."""
        return self.hand.keypoints(trajectory.poses, trajectory.widths)

    # ---- inside --------------------------------------------------------------------------------------------
    def _standing(self, kinematics: ForwardKinematics, time_ns: int) -> Rigid:
        """:meth:`_root` of a measured pose: of a base that is bolted down it is looked up now and then."""
        fixed, base = self.config.fixed_frame, kinematics.base_link
        at, kept = self._stands
        if kept is not None and 0 <= time_ns - at < _LOOK_NS and self.frames.fixed(fixed, base):
            return kept
        root = self._root(kinematics, time_ns)
        found = cast(Rigid, (*root.translation.tolist(), *root.quaternion.tolist()))
        self._stands = time_ns, found
        return found

    def _root(self, kinematics: ForwardKinematics, time_ns: int | None) -> SE3:
        """Where the base of the kinematics stands in the fixed frame."""
        if kinematics.base_link == self.config.fixed_frame:
            return SE3.identity()
        return self.frames.lookup(self.config.fixed_frame, kinematics.base_link, time_ns)
