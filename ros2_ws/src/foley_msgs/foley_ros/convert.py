"""Messages to numpy arrays and back: the one place where this is done, but for images, which are read in many more
encodings by ``foley_perception.images``.

Arrays travel as ``bytes`` or ``array.array``; assigning an ndarray to a message field would be checked
element by element (0.1 s for one VGA frame).
"""

from __future__ import annotations

import array
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion, TransformStamped
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from foley_common.audio_formats import HIGHEST_HZ
from foley_common.times import NS_PER_S
from foley_msgs.msg import AudioChunk, HandKeypoints, HandTrajectory

_MAX_SECONDS = 2**31 - 1

# encoding -> (dtype, channels)
_ENCODINGS: dict[str, tuple[type[np.generic], int]] = {
    "rgb8": (np.uint8, 3),
    "bgr8": (np.uint8, 3),
    "rgba8": (np.uint8, 4),
    "bgra8": (np.uint8, 4),
    "mono8": (np.uint8, 1),
    "8UC1": (np.uint8, 1),
    "8UC3": (np.uint8, 3),
    "mono16": (np.uint16, 1),
    "16UC1": (np.uint16, 1),
    "32FC1": (np.float32, 1),
}


class ConversionError(ValueError):
    """A message does not hold what its fields claim; the message names field, value and cure."""


MOST_CHARACTERS = 256  # of a name; it is kept, sent on and written to files


def checked_name(text: str, field: str) -> str:
    """The text, where it can be a name. Raises ConversionError where it is too long for one."""
    if len(text) > MOST_CHARACTERS:
        raise ConversionError(
            f"{field} has {len(text)} characters ({text[:20]!r}...), a name has {MOST_CHARACTERS} at most"
        )
    return text


def to_ns(stamp: Time) -> int:
    """Nanoseconds of a ROS time."""
    return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)


def to_stamp(time_ns: int) -> Time:
    """ROS time of nanoseconds; negative times and times past 2038 are clamped."""
    seconds, nanoseconds = divmod(max(int(time_ns), 0), NS_PER_S)
    return Time(sec=min(seconds, _MAX_SECONDS), nanosec=nanoseconds)


def header(time_ns: int, frame_id: str) -> Header:
    return Header(stamp=to_stamp(time_ns), frame_id=frame_id)


# ---- images ------------------------------------------------------------------------------------------------
def array_to_image(pixels: NDArray[np.generic], encoding: str, time_ns: int, frame_id: str) -> Image:
    """Image from [height, width] or [height, width, channels]."""
    dtype, channels = _ENCODINGS[encoding]
    if pixels.dtype != np.dtype(dtype) or (pixels.shape[2] if pixels.ndim == 3 else 1) != channels:
        raise ConversionError(f"array {pixels.shape} {pixels.dtype} does not fit encoding `{encoding}`")
    height, width = pixels.shape[:2]
    message = Image(
        header=header(time_ns, frame_id),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=width * channels * np.dtype(dtype).itemsize,
    )
    message.data = pixels.tobytes()
    return message


# ---- audio -------------------------------------------------------------------------------------------------
# A count of nanoseconds since 1970, or a negative one in an unsigned field, is more.
_MOST_SECONDS_COUNTED = 2**31


def audio_to_array(message: AudioChunk) -> NDArray[np.float32]:
    """Samples as [frames, channels] float32.

    Raises:
        ConversionError: no channels, no sample rate, samples that do not divide into channels, a count that no stream
            reaches, or a name that is none.
    """
    if message.sample_rate > HIGHEST_HZ:
        raise ConversionError(
            f"audio chunk has sample_rate={message.sample_rate} Hz, which no microphone has: at most {HIGHEST_HZ} Hz "
            "are heard; the driver must say the rate in Hz"
        )
    samples = np.frombuffer(message.samples, dtype=np.float32)
    if message.channels < 1 or message.sample_rate < 1 or samples.size % message.channels:
        raise ConversionError(
            f"audio chunk has channels={message.channels}, sample_rate={message.sample_rate}, "
            f"{samples.size} samples: channels and sample_rate must be positive and divide the samples"
        )
    if message.first_sample > _MOST_SECONDS_COUNTED * message.sample_rate:
        raise ConversionError(
            f"audio chunk has first_sample={message.first_sample}, which no stream reaches: the driver must count "
            "from 0"
        )
    checked_name(message.stream_id, "stream_id")
    return samples.reshape(-1, message.channels)


def array_to_audio(
    samples: NDArray[np.floating],
    *,
    time_ns: int,
    frame_id: str,
    stream_id: str,
    first_sample: int,
    sample_rate: int,
    stamp_source: int = AudioChunk.STAMP_ARRIVAL,
    stamp_uncertainty: float = AudioChunk.UNCERTAINTY_UNKNOWN,
) -> AudioChunk:
    """Chunk from [frames] or [frames, channels]; ``time_ns`` is the capture time of the first sample."""
    frames = np.ascontiguousarray(samples if samples.ndim == 2 else samples[:, None], dtype=np.float32)
    return AudioChunk(
        header=header(time_ns, frame_id),
        stream_id=stream_id,
        first_sample=first_sample,
        sample_rate=sample_rate,
        channels=frames.shape[1],
        stamp_source=stamp_source,
        stamp_uncertainty=stamp_uncertainty,
        samples=float_array(frames),
    )


def float_array(values: NDArray[np.floating] | Sequence[float]) -> array.array[float]:
    """``array.array('f')`` of any float array, flattened: what a float32[] field takes without checks."""
    return array.array("f", np.ascontiguousarray(values, dtype=np.float32).tobytes())


# ---- geometry ----------------------------------------------------------------------------------------------
def point_to_array(point: Point) -> NDArray[np.float64]:
    return np.array([point.x, point.y, point.z], dtype=np.float64)


def array_to_point(xyz: NDArray[np.floating] | Sequence[float]) -> Point:
    return Point(x=float(xyz[0]), y=float(xyz[1]), z=float(xyz[2]))


def pose_to_arrays(pose: Pose) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Position [3] in metres and quaternion [4] as (x, y, z, w)."""
    q = pose.orientation
    return point_to_array(pose.position), np.array([q.x, q.y, q.z, q.w], dtype=np.float64)


def arrays_to_pose(position: NDArray[np.floating], quaternion_xyzw: NDArray[np.floating]) -> Pose:
    x, y, z, w = (float(v) for v in quaternion_xyzw)
    return Pose(position=array_to_point(position), orientation=Quaternion(x=x, y=y, z=z, w=w))


def pose_stamped(
    position: NDArray[np.floating], quaternion_xyzw: NDArray[np.floating], time_ns: int, frame_id: str
) -> PoseStamped:
    return PoseStamped(header=header(time_ns, frame_id), pose=arrays_to_pose(position, quaternion_xyzw))


def transform_to_arrays(message: TransformStamped) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Translation [3] and quaternion [4] (x, y, z, w) of the child frame seen from the parent frame."""
    t, q = message.transform.translation, message.transform.rotation
    return np.array([t.x, t.y, t.z], dtype=np.float64), np.array([q.x, q.y, q.z, q.w], dtype=np.float64)


def arrays_to_transform(
    translation: NDArray[np.floating],
    quaternion_xyzw: NDArray[np.floating],
    time_ns: int,
    parent: str,
    child: str,
) -> TransformStamped:
    message = TransformStamped(header=header(time_ns, parent), child_frame_id=child)
    t, r = message.transform.translation, message.transform.rotation
    t.x, t.y, t.z = (float(v) for v in translation)
    r.x, r.y, r.z, r.w = (float(v) for v in quaternion_xyzw)
    return message


# ---- hands -------------------------------------------------------------------------------------------------
def keypoints_to_array(message: HandKeypoints) -> NDArray[np.float64]:
    """[2, 21, 3] in metres, left hand first; NaN where a hand is absent."""
    return np.array(
        [[(p.x, p.y, p.z) for p in hand] for hand in (message.left, message.right)], dtype=np.float64
    )


def array_to_keypoints(
    keypoints: NDArray[np.floating],  # [2, 21, 3]
    *,
    time_ns: int,
    frame_id: str,
    source: int = HandKeypoints.SOURCE_GRIPPER,
    confidence: Sequence[float] | None = None,
) -> HandKeypoints:
    if keypoints.shape != (2, 21, 3):
        raise ConversionError(f"keypoints have shape {keypoints.shape}, expected (2, 21, 3)")
    present = np.isfinite(keypoints).all(axis=(1, 2))
    left, right = confidence if confidence is not None else present.astype(float)
    return HandKeypoints(
        header=header(time_ns, frame_id),
        left=[array_to_point(p) for p in keypoints[0].tolist()],
        right=[array_to_point(p) for p in keypoints[1].tolist()],
        left_confidence=float(left),
        right_confidence=float(right),
        source=source,
    )


def trajectory_to_arrays(message: HandTrajectory) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Absolute times [n] in ns and keypoints [n, 2, 21, 3] of a planned trajectory.

    Raises:
        ConversionError: lengths differ, it is empty, or times do not increase.
    """
    offsets = np.asarray(message.time_from_start, dtype=np.float64)
    if offsets.size == 0 or offsets.size != len(message.poses):
        raise ConversionError(
            f"trajectory `{message.plan_id}` has {offsets.size} times and {len(message.poses)} poses"
        )
    if not np.all(np.isfinite(offsets)) or np.any(np.diff(offsets) <= 0):
        raise ConversionError(f"trajectory `{message.plan_id}`: time_from_start does not increase")
    times = to_ns(message.header.stamp) + np.round(offsets * NS_PER_S).astype(np.int64)
    return times, np.stack([keypoints_to_array(pose) for pose in message.poses])


def arrays_to_trajectory(
    times_ns: NDArray[np.int64],  # [n]
    keypoints: NDArray[np.floating],  # [n, 2, 21, 3]
    *,
    frame_id: str,
    plan_id: str,
) -> HandTrajectory:
    start = int(times_ns[0])
    return HandTrajectory(
        header=header(start, frame_id),
        plan_id=plan_id,
        time_from_start=[(int(t) - start) / NS_PER_S for t in times_ns],
        poses=[
            array_to_keypoints(k, time_ns=int(t), frame_id=frame_id)
            for t, k in zip(times_ns, keypoints, strict=True)
        ],
    )
