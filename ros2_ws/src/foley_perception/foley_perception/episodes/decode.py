"""Messages of a bag to the tracks of an episode.

Audio, poses and wrenches are read straight from their bytes, as are images (pictures.py): they are many, and their
types are frozen. Everything else goes through the definitions that the bag itself carries.
"""

from __future__ import annotations

import bisect
import collections
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.action.trajectory import ToolTrajectory
from foley_perception.audio.clock_fit import ClockError, fit_clock
from foley_perception.audio.clock_steps import clock_steps
from foley_perception.audio.stream_order import Place, StreamOrder
from foley_perception.contact_event import Contact
from foley_perception.episodes.tracks import (
    AudioSegment,
    AudioTrack,
    EpisodeError,
    JointPlan,
    KeypointTrack,
    Label,
    PoseTrack,
    Series,
    Times,
    ToolPlan,
)
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer
from foley_perception.recording import cdr
from foley_perception.recording.bag import BagMessage, BagTopic

Messages = Sequence[BagMessage]
Chunks = list[tuple[cdr.AudioHead, BagMessage]]
MAX_STREAM_S = 4 * 3600.0


class Decoder:
    """Messages as objects, by the definitions inside the bag."""

    def __init__(self, topics: Mapping[str, BagTopic]) -> None:
        from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

        self._store = get_typestore(Stores.EMPTY)
        self._types = {name: topic.type for name, topic in topics.items()}
        self._known: set[str] = set()
        for topic in topics.values():
            if not topic.definition or topic.type in self._known:
                continue
            if topic.encoding == "ros2idl":
                types = get_types_from_idl(topic.definition)
            else:
                types = get_types_from_msg(topic.definition, topic.type)
            new = {name: fields for name, fields in types.items() if name not in self._store.fielddefs}
            self._store.register(new)
            self._known.add(topic.type)

    def read(self, message: BagMessage) -> Any:
        """The message with its fields as attributes.

        Raises:
            EpisodeError: its type is not defined in the bag, or its bytes do not fit the definition.
        """
        kind = self._types[message.topic]
        data = bytes(message.data)
        try:
            # Not `Typestore.deserialize_cdr`: it refuses more than three bytes behind the message, and rclpy's
            # serialiser leaves four for every empty sequence of doubles (JointState.effort), whose alignment it
            # counts but does not write.
            if len(data) < 4 or data[0] != 0 or data[1] > 1:
                raise EpisodeError(f"{message.topic}: its encapsulation is not plain CDR")
            definition = self._store.get_msgdef(kind)
            read = definition.deserialize_cdr_le if data[1] else definition.deserialize_cdr_be
            return read(memoryview(data)[4:], 0, definition.cls, self._store)[0]
        except EpisodeError:
            raise
        except KeyError as error:
            raise EpisodeError(f"{message.topic}: the bag holds no definition of {kind}") from error
        except Exception as error:
            raise EpisodeError(f"{message.topic}: a {kind} cannot be read ({error})") from error


def stamp_ns(header: Any) -> int:
    return int(header.stamp.sec) * NS_PER_S + int(header.stamp.nanosec)


def increasing(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices that put times in order and leave out repeated ones."""
    order = np.argsort(times, kind="stable")
    keep = np.ones(order.size, dtype=np.bool_)
    keep[1:] = np.diff(times[order]) > 0
    return np.asarray(order[keep], dtype=np.int64)


# ---- sound ---------------------------------------------------------------------------------------------
def audio_track(topic: str, messages: Messages, channel: int = 0) -> AudioTrack:
    """One channel of the microphone, stream after stream, each with its own fitted clock.

    Raises:
        EpisodeError: a rate that changes within a stream or is not what its stamps say; a missing channel.
    """
    groups: list[tuple[str, Chunks]] = []
    order = StreamOrder()
    recent: collections.deque[tuple[str, int, int]] = collections.deque(maxlen=8)
    for message in messages:
        head = _checked_head(topic, message, channel)
        key = (head.stream_id, head.first_sample, head.header.time_ns)
        if head.frames == 0 or key in recent:
            continue  # nothing, or what came twice
        recent.append(key)
        if not groups or groups[-1][0] != head.stream_id:
            groups.append((head.stream_id, []))
            order = StreamOrder()
        if order.place(head.first_sample, head.frames) == Place.BACK:
            groups.append((head.stream_id, []))  # a restarted source that kept its name
        groups[-1][1].append((head, message))
    if not groups:
        raise EpisodeError(f"{topic}: no samples; is the microphone muted or its driver without permission?")
    segments = [_segment(topic, part, channel) for _, chunks in groups for part in _of_one_clock(chunks)]
    return AudioTrack(tuple(sorted(segments, key=lambda s: s.start_ns)))


def _of_one_clock(chunks: Chunks) -> list[Chunks]:
    """A stream's chunks, cut where its stamps step: from there on another clock holds."""
    chunks = sorted(chunks, key=lambda chunk: chunk[0].first_sample)
    heads = [head for head, _ in chunks]
    if heads[0].sample_rate != heads[-1].sample_rate:
        return [chunks]
    firsts, stamps = _stamps(heads)
    cuts = [int(step.first_sample) for step in clock_steps(firsts, stamps, heads[0].sample_rate)]
    edges = [0, *(bisect.bisect_left([h.first_sample for h in heads], cut) for cut in cuts), len(chunks)]
    return [chunks[a:b] for a, b in itertools.pairwise(edges)]


def _stamps(heads: Sequence[cdr.AudioHead]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First samples and stamps; of chunks that share a stamp it is the first one's."""
    samples = np.array([head.first_sample for head in heads], np.int64)
    stamps = np.array([head.header.time_ns for head in heads], np.int64)
    new = np.diff(stamps, prepend=stamps[0] - 1) != 0
    return samples[new], stamps[new]


def _checked_head(topic: str, message: BagMessage, channel: int) -> cdr.AudioHead:
    try:
        head = cdr.read_audio_head(message.data)
    except cdr.CdrError as error:
        raise EpisodeError(f"{topic}: a chunk cannot be read ({error})") from error
    if head.sample_rate < 1 or head.channels < 1 or head.size % head.channels:
        raise EpisodeError(
            f"{topic}: a chunk has sample_rate={head.sample_rate}, channels={head.channels}, {head.size} "
            "samples; the driver must fill in rate and channels"
        )
    if channel >= head.channels:
        raise EpisodeError(f"{topic}: channel {channel} was asked for, there are {head.channels}")
    return head


def _segment(topic: str, chunks: Chunks, channel: int) -> AudioSegment:
    heads = [head for head, _ in chunks]
    rate, first = heads[0].sample_rate, heads[0].first_sample
    for head in heads:
        if head.sample_rate != rate:
            raise EpisodeError(
                f"{topic}: sample_rate changes from {rate} to {head.sample_rate} Hz within stream "
                f"`{head.stream_id}`; the driver must begin a new stream_id when its rate changes"
            )
    length = max(head.first_sample + head.frames for head in heads) - first
    if length > MAX_STREAM_S * rate:
        raise EpisodeError(
            f"{topic}: first_sample jumps by {length / rate:.0f} s within stream `{heads[0].stream_id}`, more "
            f"than a recording may last ({MAX_STREAM_S:.0f} s): the driver's sample counter is broken"
        )
    samples, known = np.zeros(length, dtype=np.float32), np.zeros(length, dtype=np.bool_)
    for head, message in chunks:
        begin = head.first_sample - first
        samples[begin : begin + head.frames] = cdr.read_audio_samples(message.data, head)[:, channel]
        known[begin : begin + head.frames] = True
    known &= np.isfinite(samples)
    samples[~known] = 0.0
    try:
        clock = fit_clock(*_stamps(heads), rate)
    except ClockError as error:
        raise EpisodeError(f"{topic}: {error}") from error
    edges = np.flatnonzero(np.diff(np.concatenate([[True], known, [True]]).astype(np.int8)))
    missing = tuple((int(a), int(b)) for a, b in edges.reshape(-1, 2))
    return AudioSegment(heads[0].stream_id, rate, first, samples, missing, clock)


# ---- motion --------------------------------------------------------------------------------------------
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


# ---- events --------------------------------------------------------------------------------------------
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


def contacts(messages: Messages, decoder: Decoder) -> list[Contact]:
    found = []
    for message in messages:
        m = decoder.read(message)
        found.append(
            Contact(
                time_ns=stamp_ns(m.header),
                contact_id=m.contact_id,
                object_id=m.object_id,
                position=(float(m.position.x), float(m.position.y), float(m.position.z)),
                action=int(m.action),
                duration=float(m.duration),
                impulse=float(m.impulse),
                confidence=float(m.confidence),
                plan_id=m.plan_id,
                frame_id=m.header.frame_id,
            )
        )
    return sorted(found, key=lambda c: c.time_ns)


def labels(messages: Messages, decoder: Decoder) -> list[Label]:
    found = []
    for message in messages:
        m = decoder.read(message)
        start = int(m.start.sec) * NS_PER_S + int(m.start.nanosec)
        end = int(m.end.sec) * NS_PER_S + int(m.end.nanosec)
        found.append(Label(start, end, m.object_id, m.key, m.value))
    return found
