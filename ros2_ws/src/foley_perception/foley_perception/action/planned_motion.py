"""A commanded joint trajectory to the motion of the tool: the one computation for recordings and for live nodes.

joint trajectory -> sampled as a controller would -> forward kinematics -> tool poses, gripper widths
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from foley_common.plan_ids import plan_id_of
from foley_common.times import NS_PER_S
from foley_common.topics import JOINT_PLAN
from foley_perception.action.gripper import GripperHand
from foley_perception.action.kinematics import ForwardKinematics
from foley_perception.action.mimic import MimicJoints
from foley_perception.action.trajectory import (
    ToolTrajectory,
    check_times,
    interpolate_joints,
    sample_times,
)
from foley_perception.geometry.se3 import SE3

Array = NDArray[np.float64]

PLAN_RATE_HZ = 100.0  # at which plans are sampled
NO_MIMICS = MimicJoints()


def tool_trajectory(
    chain: ForwardKinematics,
    hand: GripperHand,
    start_ns: int,
    names: Sequence[str],
    offsets_s: Array,  # [n]
    positions: Array,  # [n, joints]
    velocities: Array | None = None,  # [n, joints]
    *,
    measured: Mapping[str, float],
    width_joint: str = "",
    tx_world_base: SE3 | None = None,
    rate_hz: float = PLAN_RATE_HZ,
) -> ToolTrajectory:
    """Planned motion of the tool in the world.

    Args:
        chain: kinematics of the tool.
        hand: says how a joint's position becomes a width.
        measured: joints as they were when the plan came. What the plan leaves alone stays there, the gripper too.
        width_joint: that gives the width; empty for the one that the hand file names.
        tx_world_base: where the base of the kinematics stands; None for in the world's origin.

    Raises:
        KinematicsError: an unknown joint, or a joint of the chain without a position.
        TrajectoryError: times that do not increase, or too long a plan.
    """
    joint = width_joint or hand.width_joint
    offsets = check_times(offsets_s, JOINT_PLAN.name)
    query = sample_times(offsets, rate_hz)
    sampled = interpolate_joints(offsets, positions, query, velocities)
    poses = chain.poses(names, sampled, others=measured, ignore=(joint,))
    if tx_world_base is not None:
        poses = tx_world_base @ poses
    planned = joint_position(joint, dict(zip(names, sampled.T, strict=True)), chain.mimics)
    if planned is not None:
        widths = hand.width_of(planned)
    else:
        widths = np.full(len(query), measured_width(hand, measured, joint, chain.mimics))
    times = start_ns + np.round(query * NS_PER_S).astype(np.int64)
    return ToolTrajectory(plan_id_of(start_ns, positions), times, poses, widths)


def measured_width(
    hand: GripperHand, measured: Mapping[str, float], width_joint: str = "", mimics: MimicJoints = NO_MIMICS
) -> float:
    """Opening of the gripper [m] by its joint, or by one that moves with it; NaN where nobody has told it."""
    known = {name: np.array([position]) for name, position in measured.items()}
    position = joint_position(width_joint or hand.width_joint, known, mimics)
    return float(hand.width_of(position)[0]) if position is not None else float("nan")


def joint_position(joint: str, known: Mapping[str, Array], mimics: MimicJoints) -> Array | None:
    """Positions [n] of the joint that tells the width: its own where they are told, else of one that moves with it."""
    return known[joint] if joint in known else mimics.position(joint, known)
