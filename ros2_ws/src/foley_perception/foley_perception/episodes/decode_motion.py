"""Motion in a bag's messages to the tracks of an episode: poses, joints, forces, hands, transforms and plans.

Poses and wrenches are read straight from their bytes: they are many, and their types are frozen. Everything else goes
through the definitions that the bag itself carries.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.action.trajectory import ToolTrajectory
from foley_perception.episodes.decode import Decoder, Messages, increasing, stamp_ns
from foley_perception.episodes.tracks import (
    EpisodeError,
    JointPlan,
    KeypointTrack,
    PoseTrack,
    Series,
    Times,
    ToolPlan,
)
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer
from foley_perception.recording import cdr


# ---- measured ------------------------------------------------------------------------------------------
def _doubles(topic: str, messages: Messages, count: int) -> tuple[Times, NDArray[np.float64], str]:
    times, rows, frame = np.empty(len(messages), np.int64), np.empty((len(messages), count)), ""
    try:
        for i, message in enumerate(messages):
            header, rows[i] = cdr.read_doubles(message.data, count)
            times[i], frame = header.time_ns, header.frame_id
    except cdr.CdrError as error:
        raise EpisodeError(f"{topic}: a message cannot be read ({error})") from error
    return times, rows, frame


def _clean(topic: str, times: Times, rows: NDArray[np.float64]) -> tuple[Times, NDArray[np.float64], int]:
    finite = np.isfinite(rows).all(axis=1)
    if not finite.any():
        raise EpisodeError(f"{topic}: all {len(rows)} messages hold NaN; what publishes it is not ready")
    order = increasing(times[finite])
    return times[finite][order], rows[finite][order], int(np.count_nonzero(~finite))


def pose_track(topic: str, messages: Messages) -> PoseTrack:
    """geometry_msgs/PoseStamped; NaN poses and quaternions of length 0 are dropped and counted."""
    times, rows, frame = _doubles(topic, messages, 7)
    with np.errstate(invalid="ignore"):
        rows[np.linalg.norm(rows[:, 3:], axis=1) < 1e-6] = np.nan
    times, rows, dropped = _clean(topic, times, rows)
    return PoseTrack(times, SE3(rows[:, 3:], rows[:, :3]), frame, dropped)


def wrench_series(topic: str, messages: Messages) -> Series:
    """geometry_msgs/WrenchStamped as [n, 6] (force, torque)."""
    times, rows, _ = _doubles(topic, messages, 6)
    times, rows, dropped = _clean(topic, times, rows)
    return Series(times, rows, ("fx", "fy", "fz", "tx", "ty", "tz"), dropped)


def joint_series(topic: str, messages: Messages, decoder: Decoder) -> Series:
    """sensor_msgs/JointState: positions of every joint that is ever named; NaN where it is not."""
    read = [decoder.read(message) for message in messages]
    names = tuple(dict.fromkeys(name for m in read for name in m.name))
    column = {name: i for i, name in enumerate(names)}
    times, values = np.empty(len(read), np.int64), np.full((len(read), len(names)), np.nan)
    for i, m in enumerate(read):
        times[i] = stamp_ns(m.header)
        positions = np.asarray(m.position, dtype=np.float64)
        if positions.size != len(m.name):
            continue  # velocities or efforts only
        values[i, [column[name] for name in m.name]] = positions
    order = increasing(times)
    times, values = times[order], values[order]
    rows = np.arange(len(times))
    for j in range(len(names)):
        # Several publishers may name their joints in turn: between its own messages a joint is interpolated.
        known = np.isfinite(values[:, j])
        if known.any():
            values[:, j] = np.interp(rows, rows[known], values[known, j])
    return Series(times, values, names)


def keypoint_track(messages: Messages, decoder: Decoder) -> KeypointTrack:
    times, rows = [], []
    for message in messages:
        m = decoder.read(message)
        times.append(stamp_ns(m.header))
        rows.append(hands(m))
    stamps = np.array(times, dtype=np.int64)
    order = increasing(stamps)
    return KeypointTrack(stamps[order], np.stack(rows)[order])


def hands(message: Any) -> NDArray[np.float64]:
    """[2, 21, 3] of a HandKeypoints."""
    return np.array([[(p.x, p.y, p.z) for p in hand] for hand in (message.left, message.right)])


def add_transforms(
    buffer: TransformBuffer, messages: Messages, decoder: Decoder, *, static: bool
) -> list[str]:
    """Put tf2_msgs/TFMessage into a buffer; what cannot be a transform is left out and told, once per frame."""
    problems: dict[str, str] = {}
    for message in messages:
        for stamped in decoder.read(message).transforms:
            t, q = stamped.transform.translation, stamped.transform.rotation
            try:
                pose = SE3(np.array([q.x, q.y, q.z, q.w]), np.array([t.x, t.y, t.z]))
                parent, child = stamped.header.frame_id, stamped.child_frame_id
                buffer.add(parent, child, stamp_ns(stamped.header), pose, static=static)
            except ValueError as error:
                problems[stamped.child_frame_id] = f"{message.topic}: {stamped.child_frame_id}: {error}"
    return list(problems.values())


# ---- planned -------------------------------------------------------------------------------------------
def joint_plans(messages: Messages, decoder: Decoder) -> list[JointPlan]:
    """trajectory_msgs/JointTrajectory; plans without points are left out."""
    plans = []
    for message in messages:
        m = decoder.read(message)
        if len(m.points) < 2:
            continue
        offsets = [p.time_from_start.sec + p.time_from_start.nanosec * 1e-9 for p in m.points]
        positions = np.array([p.positions for p in m.points], dtype=np.float64)
        moving = all(len(p.velocities) == len(m.joint_names) for p in m.points)
        velocities = np.array([p.velocities for p in m.points], dtype=np.float64) if moving else None
        # A zero stamp means `at once`.
        start = stamp_ns(m.header) or message.log_time
        plans.append(
            JointPlan(message.log_time, start, np.array(offsets), tuple(m.joint_names), positions, velocities)
        )
    return plans


def tool_plans(messages: Messages, decoder: Decoder) -> list[ToolPlan]:
    """foley_msgs/ToolTrajectory; plans without points, or with other numbers of times and poses, are left out."""
    plans = []
    for message in messages:
        m = decoder.read(message)
        offsets = np.asarray(m.time_from_start, dtype=np.float64)
        if not 2 <= len(offsets) == len(m.poses) == len(m.widths):
            continue
        rows = np.array(
            [
                (*(p.position.x, p.position.y, p.position.z), *(q.x, q.y, q.z, q.w))
                for p in m.poses
                for q in (p.orientation,)
            ]
        )
        times = stamp_ns(m.header) + np.round(offsets * NS_PER_S).astype(np.int64)
        poses, widths = SE3(rows[:, 3:], rows[:, :3]), np.asarray(m.widths, dtype=np.float64)
        trajectory = ToolTrajectory(m.plan_id, times, poses, widths)
        plans.append(ToolPlan(message.log_time, m.header.frame_id, trajectory))
    return plans
