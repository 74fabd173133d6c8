"""Planned motion of an episode as paths of the tip, by the same code that live nodes use."""

from __future__ import annotations

import numpy as np

from foley_common.times import NS_PER_S
from foley_perception.action.kinematics import ForwardKinematics, KinematicsError
from foley_perception.action.trajectory import (
    TrajectoryError,
    check_times,
    interpolate_joints,
    plan_id_of,
    sample_times,
)
from foley_perception.episodes.episode import PLAN_RATE_HZ, WIDTH_JOINT, Episode, PlannedPath
from foley_perception.episodes.tracks import EpisodeError, JointPlan


def planned_paths(episode: Episode) -> tuple[PlannedPath, ...]:
    """Joint plans by forward kinematics.

    Raises:
        EpisodeError: there are joint plans, but kinematics are not possible; says why.
    """
    if not episode.joint_plans:
        return ()
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
            paths.append(_path(episode, chain, plan))
        except (KinematicsError, TrajectoryError) as error:
            raise EpisodeError(f"{episode.path}: planned_joint_trajectory: {error}") from error
    return tuple(sorted(paths, key=lambda p: p.received_ns))


def _path(episode: Episode, chain: ForwardKinematics, plan: JointPlan) -> PlannedPath:
    offsets = check_times(plan.offsets_s, "planned_joint_trajectory")
    query = sample_times(offsets, PLAN_RATE_HZ)
    positions = interpolate_joints(offsets, plan.positions, query, plan.velocities)
    poses = chain.poses(plan.names, positions, others=_others(episode, plan), ignore=(WIDTH_JOINT,))
    width = np.full(len(query), np.nan)
    if WIDTH_JOINT in plan.names:
        width = positions[:, plan.names.index(WIDTH_JOINT)]
    return PlannedPath(
        plan_id=plan_id_of(plan.start_ns, plan.positions),
        received_ns=plan.received_ns,
        times_ns=plan.start_ns + np.round(query * NS_PER_S).astype(np.int64),
        tip=(poses @ episode.tx_tool_tip).translation,
        width=width,
    )


def _others(episode: Episode, plan: JointPlan) -> dict[str, float]:
    """Joints that the plan leaves alone stay where they were when it was made."""
    joints = episode.joints
    if joints is None:
        return {}
    row = int(np.clip(np.searchsorted(joints.times_ns, plan.received_ns), 0, len(joints.times_ns) - 1))
    values = zip(joints.names, joints.values[row], strict=True)
    return {name: float(v) for name, v in values if np.isfinite(v)}
