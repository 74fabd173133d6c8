"""Planned motion of an episode as paths of the tip, by the same code that live nodes use."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Iterable

import numpy as np

from foley_common.topics import JOINT_PLAN
from foley_perception.action.gripper import GripperHand
from foley_perception.action.kinematics import ForwardKinematics, KinematicsError, chain_in
from foley_perception.action.planned_motion import tool_trajectory
from foley_perception.action.trajectory import TipPath, ToolTrajectory, TrajectoryError
from foley_perception.audit.finding import Finding, Severity
from foley_perception.audit.motion import plan_refused
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.tracks import JointPlan
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformUnavailable

_NEAR_NS = 500_000_000  # before a plan's begin and after its end, in which a contact may still be its own


@dataclasses.dataclass(frozen=True, eq=False)
class ReceivedPath:
    """A planned motion, and the path of the tip in it, and when it came."""

    received_ns: int
    motion: ToolTrajectory
    path: TipPath


@dataclasses.dataclass(frozen=True)
class PlannedPaths:
    """Every plan of an episode that can be followed, in order of arrival, and what is wrong with the others."""

    paths: tuple[ReceivedPath, ...]
    findings: tuple[Finding, ...] = ()


def planned_paths(episode: Episode, hand: GripperHand) -> PlannedPaths:
    """Joint plans by forward kinematics; where there are none, no kinematics, or a root whose place in the world
    nobody knows, the tool's plans as recorded."""
    tool_plans = tuple(
        ReceivedPath(plan.received_ns, plan.trajectory, plan.trajectory.tip_path(episode.tx_tool_tip))
        for plan in episode.tool_plans
    )
    if not episode.joint_plans:
        return PlannedPaths(_in_order(tool_plans))
    try:
        if not episode.robot_description:
            raise KinematicsError("robot_description was not recorded; record it as well")
        names = episode.frame_names
        chain = chain_in(episode.robot_description, names.tool, names.world)
        _check_root(episode, chain)
    except KinematicsError as error:
        return PlannedPaths(_in_order(tool_plans), (_without_kinematics(episode, str(error)),))
    found, paths = [], []
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
                tx_world_base=_base(episode, chain, plan),
            )
        except (KinematicsError, TrajectoryError, TransformUnavailable) as error:
            found.append(plan_refused(JOINT_PLAN.name, plan.received_ns, str(error), episode.start_ns))
            continue
        paths.append(ReceivedPath(plan.received_ns, motion, motion.tip_path(episode.tx_tool_tip)))
    return PlannedPaths(_in_order(paths), tuple(found))


def plan_findings(episode: Episode, hand: GripperHand) -> tuple[Finding, ...]:
    """What is wrong with an episode's plans; nothing where no kinematics are installed, which the bag cannot help."""
    return planned_paths(episode, hand).findings if importlib.util.find_spec("pinocchio") else ()


def _in_order(paths: Iterable[ReceivedPath]) -> tuple[ReceivedPath, ...]:
    return tuple(sorted(paths, key=lambda p: p.received_ns))


def _without_kinematics(episode: Episode, why: str) -> Finding:
    instead = (
        "those of planned_tool_trajectory stand in" if episode.tool_plans else "no action is planned (NaN)"
    )
    text = f"{JOINT_PLAN.name}: its {len(episode.joint_plans)} plans cannot be followed: {why}; {instead}"
    return Finding("plan_kinematics", Severity.PROBLEM, JOINT_PLAN.name, text)


def _check_root(episode: Episode, chain: ForwardKinematics) -> None:
    """Raises KinematicsError: no transform connects the base of the kinematics with the world."""
    world, root = episode.frame_names.world, chain.base_link
    if root != world and not episode.transforms.connect(world, root):
        raise KinematicsError(
            f"no recorded transform connects the root `{root}` of robot_description with `{world}`; record /tf and "
            "/tf_static as well, or name the frame that counts as the world with --world-frame"
        )


def _base(episode: Episode, chain: ForwardKinematics, plan: JointPlan) -> SE3 | None:
    """Where the base of the kinematics stood when the plan came, as live.

    Raises:
        TransformUnavailable: none at that time.
    """
    world, root = episode.frame_names.world, chain.base_link
    if root == world:
        return None
    return episode.transforms.lookup(world, root, min(plan.received_ns, plan.start_ns))


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
    came = int(np.searchsorted(joints.times_ns, plan.received_ns, side="right"))
    found = {}
    for name, column in zip(joints.names, joints.values.T, strict=True):
        known = np.flatnonzero(np.isfinite(column))
        if known.size:
            # As live, where nothing of later is known. Where a recording begins with the plan, the first has to do.
            row = known[max(int(np.searchsorted(known, came)) - 1, 0)]
            found[name] = float(column[row])
    return found
