"""Messages that tell of motion, as the types of this package."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import Pose
from nav_msgs.msg import Path
from numpy.typing import NDArray
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from foley_common.times import NS_PER_S
from foley_msgs.msg import HandTrajectory
from foley_msgs.msg import ToolTrajectory as ToolTrajectoryMessage
from foley_perception.action.mapper import HandMapper
from foley_perception.action.tip_history import ToldPoses
from foley_perception.action.trajectory import ToolTrajectory, TrajectoryError, check_times
from foley_perception.audit.motion import joint_fault
from foley_perception.audit.moving import UNIT_HIGH, UNIT_LOW
from foley_perception.geometry.se3 import SE3, stack
from foley_perception.recording.cdr_batch import read_poses
from foley_ros import convert

Array = NDArray[np.float64]


def pose_to_se3(pose: Pose) -> SE3 | None:
    """The pose; None where it is not finite or its quaternion is none (not set, or far from unit length)."""
    position, quaternion = convert.pose_to_arrays(pose)
    length = float(np.linalg.norm(quaternion))  # NaN where one of its numbers is
    if not np.isfinite(position).all() or not UNIT_LOW <= length <= UNIT_HIGH:
        return None
    return SE3(quaternion, position)


def told_poses(messages: list[bytes]) -> ToldPoses:
    """Serialised PoseStamped, many at once; by the rule of :func:`pose_to_se3`."""
    n, frames = len(messages), dict[str, int]()
    which = np.full(n, -1, np.int32)
    numbers = np.tile([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], (n, 1))
    for part in read_poses(messages):
        with np.errstate(over="ignore", invalid="ignore"):
            length = np.linalg.norm(part.numbers[:, 3:], axis=1)
        good = np.isfinite(part.numbers).all(axis=1) & (length >= UNIT_LOW) & (length <= UNIT_HIGH)
        which[part.rows[good]] = frames.setdefault(part.parent.lstrip("/"), len(frames))
        numbers[part.rows[good]] = part.numbers[good]
    return ToldPoses(list(frames), which, SE3(numbers[:, 3:], numbers[:, :3]))


def joint_names(data: bytes) -> tuple[str, ...]:
    """Names in a serialised JointState, without reading the rest: it comes hundreds of times a second.

    Raises:
        ValueError: it ends before its names do.
    """
    # CDR: 4 bytes of encapsulation, stamp, frame_id, number of names, names. Strings have their length with the closing
    # zero before them; numbers are aligned to 4 bytes.
    number = struct.Struct("<I" if data[1:2] == b"\x01" else ">I")
    try:
        at = 16 + number.unpack_from(data, 12)[0]
        at += -at % 4
        (count,) = number.unpack_from(data, at)
        at, found = at + 4, []
        for _ in range(count):
            at += -at % 4
            (length,) = number.unpack_from(data, at)
            at += 4 + length
            found.append(data[at - length : at - 1].decode(errors="replace"))
    except struct.error:
        at = len(data) + 1
    if at > len(data):
        raise ValueError(f"serialised JointState of {len(data)} bytes ends before its names do")
    return tuple(found)


def joint_positions(message: JointState) -> dict[str, float]:
    """Position of every named joint whose is known; empty where the message carries none.

    Raises:
        ValueError: nobody can say which position is whose.
    """
    return told_positions(message.name, message.position)


def told_positions(names: Sequence[str], positions: Sequence[float] | Array) -> dict[str, float]:
    """The same of names and positions."""
    if not len(positions):
        return {}
    if fault := joint_fault(names, positions):
        raise ValueError(
            f"messages have {fault} and are left out; let their publisher give one position to each name"
        )
    told = zip(names, positions, strict=True)
    return {name: float(position) for name, position in told if math.isfinite(position)}


def trajectory_points(message: JointTrajectory) -> tuple[Array, Array, Array | None]:
    """Offsets from the start [n] [s], positions [n, joints], and velocities [n, joints] if every point has them.

    Raises:
        TrajectoryError: no points, times that do not increase, positions missing or not finite.
    """
    what = f"planned_joint_trajectory ({', '.join(message.joint_names) or 'no joints'})"
    joints = len(message.joint_names)
    for index, point in enumerate(message.points):
        if len(point.positions) != joints:
            raise TrajectoryError(
                f"{what}: point {index} has {len(point.positions)} positions for {joints} joints"
            )
    offsets = np.array([p.time_from_start.sec + 1e-9 * p.time_from_start.nanosec for p in message.points])
    check_times(offsets, what)
    positions = np.array([list(p.positions) for p in message.points], dtype=np.float64)
    if not np.isfinite(positions).all():
        bad = int(np.argmin(np.isfinite(positions).all(axis=1)))
        raise TrajectoryError(f"{what}: positions of point {bad} are not finite")
    if all(len(p.velocities) == joints for p in message.points):
        velocities = np.array([list(p.velocities) for p in message.points], dtype=np.float64)
        if np.isfinite(velocities).all():
            return offsets, positions, velocities
    return offsets, positions, None


def path_poses(message: Path) -> tuple[NDArray[np.int64], SE3, str]:
    """Times [n] in ns, poses [n] and frame of a planned Cartesian path; each pose's own stamp says when.

    Raises:
        TrajectoryError: no poses, one that is not finite, or poses in several frames.
    """
    if not message.poses:
        raise TrajectoryError("planned_path has no poses")
    frames = {message.header.frame_id, *(p.header.frame_id for p in message.poses)} - {""}
    if len(frames) > 1:
        raise TrajectoryError(
            f"planned_path: its poses are in several frames ({', '.join(sorted(frames))}); give all in one"
        )
    poses: list[SE3] = []
    for index, stamped in enumerate(message.poses):
        pose = pose_to_se3(stamped.pose)
        if pose is None:
            raise TrajectoryError(f"planned_path: pose {index} is not finite or its orientation is not set")
        poses.append(pose)
    times = np.array([convert.to_ns(p.header.stamp) for p in message.poses], dtype=np.int64)
    return times, stack(poses), next(iter(frames), "")


def hand_trajectory(mapper: HandMapper, trajectory: ToolTrajectory) -> HandTrajectory:
    """The planned motion of the tool as one of the hand."""
    return convert.arrays_to_trajectory(
        trajectory.times_ns,
        mapper.keypoints_of(trajectory),
        frame_id=mapper.config.fixed_frame,
        plan_id=trajectory.plan_id,
    )


def tool_trajectory_message(trajectory: ToolTrajectory, frame_id: str) -> ToolTrajectoryMessage:
    """The planned motion of the tool in a frame."""
    start_ns = int(trajectory.times_ns[0])
    return ToolTrajectoryMessage(
        header=convert.header(start_ns, frame_id),
        plan_id=trajectory.plan_id,
        time_from_start=((trajectory.times_ns - start_ns) / NS_PER_S).tolist(),
        poses=[
            convert.arrays_to_pose(p, q)
            for p, q in zip(trajectory.poses.translation, trajectory.poses.quaternion, strict=True)
        ],
        widths=trajectory.widths.tolist(),
    )


def tool_trajectory(message: ToolTrajectoryMessage) -> ToolTrajectory:
    """The planned motion that a message carries.

    Raises:
        TrajectoryError: numbers of times, poses and widths that differ, or times that do not increase.
    """
    what = f"planned_tool_trajectory `{message.plan_id}`"
    offsets = check_times(np.asarray(message.time_from_start, dtype=np.float64), what)
    if not len(offsets) == len(message.poses) == len(message.widths):
        raise TrajectoryError(
            f"{what} has {len(offsets)} times, {len(message.poses)} poses and {len(message.widths)} widths: "
            "one of each per point is needed"
        )
    arrays = [convert.pose_to_arrays(pose) for pose in message.poses]
    poses = SE3(np.stack([q for _, q in arrays]), np.stack([p for p, _ in arrays]))
    times = convert.to_ns(message.header.stamp) + np.round(offsets * NS_PER_S).astype(np.int64)
    return ToolTrajectory(message.plan_id, times, poses, np.asarray(message.widths, dtype=np.float64))
