"""Motion in a bag's messages to the tracks of an episode: poses, joints, forces, hands, transforms and plans.

Poses and wrenches are read straight from their bytes: they are many, and their types are frozen. Everything else goes
through the definitions that the bag itself carries.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.action.trajectory import ToolTrajectory, TrajectoryError, check_times
from foley_perception.action.wrench import from_sensor
from foley_perception.audit import motion as rules
from foley_perception.audit.finding import Finding
from foley_perception.audit.moving import POSE, UNIT_HIGH, UNIT_LOW, JointNames
from foley_perception.episodes.decode import Decoder, Messages, increasing, stamp_ns
from foley_perception.episodes.frames import (
    RecordedTransforms,
    World,
    plans_in_world,
    points_in_world,
    poses_in_world,
)
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
from foley_perception.geometry.tf_buffer import TransformBuffer, TransformUnavailable
from foley_perception.recording import cdr


# ---- measured ------------------------------------------------------------------------------------------
def _doubles(
    topic: str, messages: Messages, count: int
) -> tuple[Times, NDArray[np.float64], NDArray[np.object_]]:
    """Stamps [n], numbers [n, count] and frame_ids [n]; what cannot be read is told by the outline's judge.

    Raises:
        EpisodeError: nothing can be read.
    """
    read: list[tuple[int, NDArray[np.float64], str]] = []
    wrong = ""
    for message in messages:
        try:
            header, values = cdr.read_doubles(message.data, count)
        except cdr.CdrError as error:
            wrong = str(error)
            continue
        read.append((header.time_ns, values, header.frame_id))
    if not read:
        raise EpisodeError(f"{topic}: none of {len(messages)} messages can be read ({wrong})")
    frames = np.empty(len(read), dtype=object)
    frames[:] = [frame for _, _, frame in read]
    times = np.array([time_ns for time_ns, _, _ in read], dtype=np.int64)
    return times, np.array([values for _, values, _ in read], dtype=np.float64), frames


def pose_track(
    topic: str, messages: Messages, world: World, start_ns: int
) -> tuple[PoseTrack, list[Finding]]:
    """geometry_msgs/PoseStamped in the world, each from the frame that it names itself.

    Raises:
        EpisodeError: no pose can be used, or tf does not know a frame.
    """
    times, rows, frames = _doubles(topic, messages, 7)
    good = _are_usable(rows)
    if not good.any():
        raise EpisodeError(
            f"{topic}: none of {len(rows)} poses can be used: they hold NaN or no orientation; what publishes it is "
            "not ready"
        )
    kept = np.flatnonzero(good)[increasing(times[good])]
    times, rows, frames = times[kept], rows[kept], frames[kept]
    found = rules.empty_frame(topic, list(frames), world.name)
    poses, known = poses_in_world(topic, times, SE3(rows[:, 3:], rows[:, :3]), list(frames), world)
    found += rules.unplaced(topic, "poses", times, known, start_ns)
    dropped = int(np.count_nonzero(~good)) + len(times) - len(known)
    return PoseTrack(times[known], poses, world.name, dropped), found


def _are_usable(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which poses [n, 7] or wrenches [n, 6] are what they claim to be, as audit/moving.py judges them one by one."""
    finite = np.asarray(np.isfinite(rows).all(axis=1))
    if rows.shape[1] != POSE:
        return finite
    length = np.linalg.norm(np.where(finite[:, None], rows[:, 3:], 0.0), axis=1)
    return np.asarray(finite & (length >= UNIT_LOW) & (length <= UNIT_HIGH))


def wrench_series(
    topic: str, messages: Messages, tool: str, transforms: RecordedTransforms, start_ns: int
) -> tuple[Series | None, bool, list[Finding]]:
    """geometry_msgs/WrenchStamped as [n, 6] (force, torque), NaN where a message holds any; None if all do.

    Returns:
        The series, whether all of it is of the tool and in its frame, and what is wrong. An empty frame_id means that.
    """
    try:
        times, rows, frames = _doubles(topic, messages, 6)
    except EpisodeError:
        return None, True, []
    good = _are_usable(rows)
    if not good.any():
        return None, True, []
    rows[~good] = np.nan  # they stay: between two others the force is not known either
    kept, dropped = increasing(times), int(np.count_nonzero(~good))
    times, rows, frames = times[kept], rows[kept], frames[kept]
    found: list[Finding] = []
    for frame in sorted({name.lstrip("/") for name in frames} - {"", tool}):
        at = np.flatnonzero([name.lstrip("/") == frame for name in frames])
        try:
            lies, known = transforms.lookup_all(tool, frame, times[at])
        except TransformUnavailable as error:
            found.append(rules.wrench_unplaced(topic, frame, tool, str(error)))
            continue
        rows[at[known]] = from_sensor(rows[at[known]], lies[known])
        rows[at[~known]] = np.nan
        found += rules.unplaced(topic, "forces", times[at], np.flatnonzero(known), start_ns)
    in_tool = not any(one.rule == "wrench_unplaced" for one in found)
    return Series(times, rows, ("fx", "fy", "fz", "tx", "ty", "tz"), dropped), in_tool, found


def joint_series(messages: Messages, decoder: Decoder) -> Series | None:
    """sensor_msgs/JointState: positions of every joint that is ever named, NaN in messages that do not name it.

    Where a message names a joint and does not know its position, that is infinite.
    Several publishers may each tell of their own joints, with the same stamps too.
    """
    judge = JointNames()
    read = []
    for _, m in decoder.read_all(messages):
        time_ns, positions = stamp_ns(m.header), np.asarray(m.position, dtype=np.float64)
        if judge.usable(time_ns, m.name, positions):
            read.append((time_ns, m.name, positions))
    if not read:
        return None
    names = tuple(dict.fromkeys(name for _, told, _ in read for name in told))
    column = {name: i for i, name in enumerate(names)}
    times, row = np.unique(np.array([time_ns for time_ns, _, _ in read], dtype=np.int64), return_inverse=True)
    values = np.full((len(times), len(names)), np.nan)
    for i, (_, told, positions) in zip(row, read, strict=True):
        values[i, [column[name] for name in told]] = np.where(np.isfinite(positions), positions, np.inf)
    return Series(times, values, names)


def keypoint_track(
    topic: str, messages: Messages, decoder: Decoder, world: World, start_ns: int
) -> tuple[KeypointTrack, list[Finding]]:
    """foley_msgs/HandKeypoints in the world.

    Raises:
        EpisodeError: tf does not know a frame.
    """
    read = [m for _, m in decoder.read_all(messages)]
    if not read:
        raise EpisodeError(f"{topic}: none of {len(messages)} messages can be read")
    stamps = np.array([stamp_ns(m.header) for m in read], dtype=np.int64)
    order = increasing(stamps)
    times, frames = stamps[order], [str(read[i].header.frame_id) for i in order]
    found = rules.empty_frame(topic, frames, world.name)
    points, known = points_in_world(topic, times, np.stack([hands(read[i]) for i in order]), frames, world)
    found += rules.unplaced(topic, "hands", times, known, start_ns)
    return KeypointTrack(times[known], points), found


def hands(message: Any) -> NDArray[np.float64]:
    """[2, 21, 3] of a HandKeypoints."""
    return np.array([[(p.x, p.y, p.z) for p in hand] for hand in (message.left, message.right)])


def add_transforms(buffer: TransformBuffer, messages: Messages, decoder: Decoder) -> list[str]:
    """Put /tf (tf2_msgs/TFMessage) into a buffer; what cannot be a transform is left out and told, once per frame."""
    problems: dict[str, str] = {}
    for message, m in decoder.read_all(messages):
        for stamped in m.transforms:
            t, q = stamped.transform.translation, stamped.transform.rotation
            try:
                pose = SE3(np.array([q.x, q.y, q.z, q.w]), np.array([t.x, t.y, t.z]))
                parent, child = stamped.header.frame_id, stamped.child_frame_id
                buffer.add(parent, child, stamp_ns(stamped.header), pose, static=False)
            except ValueError as error:
                problems[stamped.child_frame_id] = f"{message.topic}: {stamped.child_frame_id}: {error}"
    return list(problems.values())


# ---- planned -------------------------------------------------------------------------------------------
def joint_plans(
    topic: str, messages: Messages, decoder: Decoder, start_ns: int
) -> tuple[list[JointPlan], list[Finding]]:
    """trajectory_msgs/JointTrajectory; what cannot be followed is left out and told."""
    plans, found = [], []
    for message, m in decoder.read_all(messages):
        count = len(m.joint_names)
        wrong = ""
        if len(m.points) < 2:
            wrong = f"it has {len(m.points)} point(s), a motion needs at least 2"
        elif bad := [i for i, p in enumerate(m.points) if len(p.positions) != count]:
            given = len(m.points[bad[0]].positions)
            wrong = f"point {bad[0]} has {given} positions for {count} joints"
        elif bad := [i for i, p in enumerate(m.points) if not np.isfinite(p.positions).all()]:
            wrong = f"positions of point {bad[0]} are not finite"
        if wrong:
            found.append(rules.plan_refused(topic, message.log_time, wrong, start_ns))
            continue
        offsets = [p.time_from_start.sec + p.time_from_start.nanosec * 1e-9 for p in m.points]
        positions = np.array([p.positions for p in m.points], dtype=np.float64)
        moving = all(len(p.velocities) == count and np.isfinite(p.velocities).all() for p in m.points)
        velocities = np.array([p.velocities for p in m.points], dtype=np.float64) if moving else None
        # A zero stamp means `at once`.
        begin = stamp_ns(m.header) or message.log_time
        names = tuple(m.joint_names)
        plans.append(JointPlan(message.log_time, begin, np.array(offsets), names, positions, velocities))
    return plans, found


def tool_plans(
    topic: str, messages: Messages, decoder: Decoder, world: World, start_ns: int
) -> tuple[list[ToolPlan], list[Finding]]:
    """foley_msgs/ToolTrajectory in the world; what cannot be followed, or placed, is left out and told."""
    plans, found = sent_tool_plans(topic, messages, decoder, start_ns)
    try:
        placed, lost = plans_in_world(topic, plans, world)
    except EpisodeError as error:  # a plan is not needed
        return [], [*found, rules.plan_refused(topic, messages[0].log_time, str(error), start_ns)]
    if lost:
        why = f"tf does not say where the frames of {lost} plans were when they came; record /tf from the start on"
        found.append(rules.plan_refused(topic, messages[0].log_time, why, start_ns))
    return placed, found


def sent_tool_plans(
    topic: str, messages: Messages, decoder: Decoder, start_ns: int
) -> tuple[list[ToolPlan], list[Finding]]:
    """The same in the frames in which they were sent."""
    plans, found = [], []
    for message, m in decoder.read_all(messages):
        rows = np.array(
            [
                (*(p.position.x, p.position.y, p.position.z), *(q.x, q.y, q.z, q.w))
                for p in m.poses
                for q in (p.orientation,)
            ]
        ).reshape(-1, 7)
        try:
            offsets = check_times(np.asarray(m.time_from_start, dtype=np.float64), topic)
            if not len(offsets) == len(rows) == len(m.widths):
                raise TrajectoryError(f"{len(offsets)} times, {len(rows)} poses and {len(m.widths)} widths")
            times = stamp_ns(m.header) + np.round(offsets * NS_PER_S).astype(np.int64)
            poses, widths = SE3(rows[:, 3:], rows[:, :3]), np.asarray(m.widths, dtype=np.float64)
        except ValueError as error:
            found.append(rules.plan_refused(topic, message.log_time, str(error), start_ns))
            continue
        trajectory = ToolTrajectory(m.plan_id, times, poses, widths)
        plans.append(ToolPlan(message.log_time, m.header.frame_id, trajectory))
    return plans, found
