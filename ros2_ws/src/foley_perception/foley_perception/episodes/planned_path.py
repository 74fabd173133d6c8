"""Planned motion of an episode as paths of the tip, by the same code that live nodes use."""

from __future__ import annotations

import dataclasses

import numpy as np

from foley_perception.action.gripper import GripperHand
from foley_perception.action.kinematics import ForwardKinematics, KinematicsError
from foley_perception.action.planned_motion import tool_trajectory
from foley_perception.action.tip import in_fixed_frame
from foley_perception.action.trajectory import TipPath, TrajectoryError
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.tracks import EpisodeError, JointPlan
from foley_perception.geometry.tf_buffer import TransformUnavailable

_NEAR_NS = 500_000_000  # before a plan's begin and after its end, in which a contact may still be its own


@dataclasses.dataclass(frozen=True, eq=False)
class ReceivedPath:
    """A planned path and when it came."""

    received_ns: int
    path: TipPath


def planned_paths(episode: Episode, hand: GripperHand) -> tuple[ReceivedPath, ...]:
    """Joint plans by forward kinematics, in order of arrival; where there are none, the tool's plans as recorded.

    Raises:
        EpisodeError: there are joint plans, but kinematics are not possible; says why.
    """
    if not episode.joint_plans:
        return _of_the_tool(episode)
    if not episode.robot_description:
        raise EpisodeError(
            f"{episode.path}: planned_joint_trajectory is there, robot_description is not; record it as well"
        )
    try:
        chain = ForwardKinematics(episode.robot_description, "tool", "world")
    except KinematicsError as error:
        raise EpisodeError(f"{episode.path}: robot_description: {error}") from error
    paths = []
    for plan in episode.joint_plans:
        try:
            motion = tool_trajectory(
                chain,
                hand,
                plan.start_ns,
                plan.names,
                plan.offsets_s,
                plan.positions,
                plan.velocities,
                measured=_measured(episode, plan),
            )
        except (KinematicsError, TrajectoryError) as error:
            raise EpisodeError(f"{episode.path}: planned_joint_trajectory: {error}") from error
        paths.append(ReceivedPath(plan.received_ns, motion.tip_path(episode.tx_tool_tip)))
    return tuple(sorted(paths, key=lambda p: p.received_ns))


def _of_the_tool(episode: Episode) -> tuple[ReceivedPath, ...]:
    """Of a robot that plans Cartesian paths: hand_mapper sampled them."""
    paths = []
    for plan in episode.tool_plans:
        motion = plan.trajectory
        try:
            poses = in_fixed_frame(
                motion.poses, plan.frame_id, "world", int(motion.times_ns[0]), episode.transforms.lookup
            )
        except TransformUnavailable as error:
            raise EpisodeError(f"{episode.path}: planned motion of the tool: {error}") from error
        path = dataclasses.replace(motion, poses=poses).tip_path(episode.tx_tool_tip)
        paths.append(ReceivedPath(plan.received_ns, path))
    return tuple(sorted(paths, key=lambda p: p.received_ns))


def plan_for(paths: tuple[ReceivedPath, ...], contact_ns: int) -> TipPath | None:
    """The newest plan that was known before the contact and is about that time."""
    for plan in reversed(paths):
        near = plan.path.times_ns[0] - _NEAR_NS <= contact_ns <= plan.path.times_ns[-1] + _NEAR_NS
        if plan.received_ns < contact_ns and near:
            return plan.path
    return None


def _measured(episode: Episode, plan: JointPlan) -> dict[str, float]:
    """Joints as newest known when the plan came: what it leaves alone stays there."""
    joints = episode.joints
    if joints is None or not len(joints.times_ns):
        return {}
    # As live, where nothing of later is known. Where a recording begins with the plan, its first row has to do.
    row = max(int(np.searchsorted(joints.times_ns, plan.received_ns, side="right")) - 1, 0)
    values = zip(joints.names, joints.values[row], strict=True)
    return {name: float(v) for name, v in values if np.isfinite(v)}
