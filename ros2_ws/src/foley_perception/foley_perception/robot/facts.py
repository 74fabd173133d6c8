"""What one message tells of its robot, whoever decoded it: rclpy, or a bag's reader by the bag's own definitions."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

Facts = dict[str, Any]
"""By name: frame_id, encoding, width, height, calibrated, joints, sample_rate, channels, levels, coding, urdf, links,
position, far_m, norm."""

OWN_AUDIO = "foley_msgs/msg/AudioChunk"
AUDIO_INFO = "audio_common_msgs/msg/AudioInfo"
FOREIGN_AUDIO = (
    "audio_common_msgs/msg/AudioData",
    "audio_common_msgs/msg/AudioDataStamped",
    "audio_common_msgs/msg/Audio",
    "audio_common_msgs/msg/AudioStamped",
    "foxglove_msgs/msg/RawAudio",
)
UNSTAMPED_AUDIO = ("audio_common_msgs/msg/AudioData", "audio_common_msgs/msg/Audio")
AUDIO = (OWN_AUDIO, *FOREIGN_AUDIO)
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
POSE, WRENCH = "geometry_msgs/msg/PoseStamped", "geometry_msgs/msg/WrenchStamped"
JOINTS, JOINT_PLAN = "sensor_msgs/msg/JointState", "trajectory_msgs/msg/JointTrajectory"
TEXT, TRANSFORMS = "std_msgs/msg/String", "tf2_msgs/msg/TFMessage"
LOOKED_INTO = (
    *AUDIO, AUDIO_INFO, IMAGE, COMPRESSED, CAMERA_INFO, POSE, WRENCH, JOINTS, JOINT_PLAN, TEXT, TRANSFORMS,
)  # fmt: skip
"""Types whose messages are of use."""


def facts_of(message_type: str, message: Any) -> Facts:
    """Of a message with its fields as attributes; empty where nothing is to be told, or its fields are others."""
    with contextlib.suppress(AttributeError, TypeError, ValueError, IndexError):
        return _READ.get(message_type, _none)(message)
    return {}


def merged(before: Mapping[str, Any], after: Mapping[str, Any]) -> Facts:
    """Facts of two messages of one topic: the newer one's, all links and joints, the most of what is measured."""
    found = {**before, **after}
    for key in {"links", "joints"} & set(after):
        found[key] = tuple(dict.fromkeys([*before.get(key, ()), *after[key]]))
    if "far_m" in before and "far_m" in after:
        found["far_m"] = max(before["far_m"], after["far_m"])
    if "norm" in before and "norm" in after:
        found["norm"] = max(before["norm"], after["norm"], key=lambda norm: abs(norm - 1.0))  # the worse
    if len(before.get("levels", ())) == len(after.get("levels", ())) > 0:
        found["levels"] = tuple(map(max, before["levels"], after["levels"]))
    return found


# ---- by type -----------------------------------------------------------------------------------------------
def _none(message: Any) -> Facts:
    return {}


def _header(message: Any) -> Facts:
    return {"frame_id": str(message.header.frame_id)}


def _pose(message: Any) -> Facts:
    p, q = message.pose.position, message.pose.orientation
    position = (float(p.x), float(p.y), float(p.z))
    turn = (float(q.x), float(q.y), float(q.z), float(q.w))
    return _header(message) | {
        "stamp_ns": int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec),
        "position": position,
        "orientation": turn,
        "far_m": math.hypot(*position),
        "norm": math.hypot(*turn),
    }


def _image(message: Any) -> Facts:
    return _header(message) | {
        "encoding": str(message.encoding),
        "width": int(message.width),
        "height": int(message.height),
    }


def _compressed(message: Any) -> Facts:
    return _header(message) | {"encoding": str(message.format)}


def _camera_info(message: Any) -> Facts:
    k = message.k if hasattr(message, "k") else message.K
    return _header(message) | {
        "width": int(message.width),
        "height": int(message.height),
        "calibrated": bool(float(k[0]) > 0),
    }


def _joints(message: Any) -> Facts:
    return {"joints": tuple(map(str, message.name))}


def _plan(message: Any) -> Facts:
    return {"joints": tuple(map(str, message.joint_names))}


def _text(message: Any) -> Facts:
    text = str(message.data)
    return {"urdf": text} if "<robot" in text else {}


def _transforms(message: Any) -> Facts:
    links = [(str(t.header.frame_id), str(t.child_frame_id)) for t in message.transforms]
    return {"links": tuple((parent.lstrip("/"), child.lstrip("/")) for parent, child in links)}


def _chunk(message: Any) -> Facts:
    channels = int(message.channels)
    samples = np.asarray(message.samples, np.float64).reshape(-1, max(channels, 1))
    with np.errstate(all="ignore"):
        levels = np.sqrt(np.mean(np.square(samples), axis=0))
    return _header(message) | {
        "sample_rate": int(message.sample_rate),
        "channels": channels,
        "levels": tuple(float(level) for level in levels),
    }


def _foreign(message: Any) -> Facts:
    found: Facts = {}
    if hasattr(message, "header"):
        found |= _header(message)
    inner = getattr(message, "audio", message)
    info = getattr(inner, "info", inner)
    return found | _info(info)


def _info(info: Any) -> Facts:
    """Rate and channels, as the packages call them."""
    found: Facts = {}
    for key, names in (
        ("sample_rate", ("sample_rate", "rate")),
        ("channels", ("channels", "number_of_channels")),
        ("coding", ("coding_format", "format")),
    ):
        for name in names:
            if hasattr(info, name):
                found[key] = getattr(info, name)
                break
    return found


_READ = {
    OWN_AUDIO: _chunk,
    AUDIO_INFO: _info,
    **dict.fromkeys(FOREIGN_AUDIO, _foreign),
    IMAGE: _image,
    COMPRESSED: _compressed,
    CAMERA_INFO: _camera_info,
    POSE: _pose,
    WRENCH: _header,
    JOINTS: _joints,
    JOINT_PLAN: _plan,
    TEXT: _text,
    TRANSFORMS: _transforms,
}
