"""The simulator's robot as somebody else's: other names, frames and messages, and no more than its drivers would tell.

What it publishes, best effort but for what is latched: joints and a URDF below /arm, and no pose and no moving tf; a
wrench in the frame of its sensor; JPEG pictures of bgr8 alone; a microphone of 16 kHz in the messages of ros-drivers'
audio_common, which publishes the same sound with and without stamps.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import numpy as np
from geometry_msgs.msg import Vector3
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from benchmarks import _odd_choices as odd
from benchmarks._odd_choices import Event, Events
from foley_perception.geometry.se3 import SE3
from foley_ros import convert

JOINTS, DESCRIPTION, WRENCH = "/arm/joint_states", "/arm/robot_description", "/ft/wrench"
CAMERA, CAMERA_INFO = "/table_cam/image_raw/compressed", "/table_cam/camera_info"
AUDIO, AUDIO_STAMPED, AUDIO_INFO = "/audio/audio", "/audio/audio_stamped", "/audio/audio_info"
LATCHED = (DESCRIPTION, AUDIO_INFO, odd.TF_STATIC)
FRAMES = {
    "world": "base_link",
    "tool": "tool0",
    "tip": "probe_tip",
    "camera_optical": "table_cam_optical_frame",
    "microphone": "mic_link",
}
JOINT_PREFIX = "arm_"
SENSOR = "ft_sensor"
TX_TOOL_SENSOR = SE3.from_rotation_vector((0.0, 0.0, 0.9), (0.0, 0.0, -0.03))
SAMPLE_RATE, CHUNK_S = 16_000, 0.02

RIGHT = {
    "topics": {
        "microphone": AUDIO_STAMPED,
        "joint_states": JOINTS,
        "robot_description": DESCRIPTION,
        "wrench": WRENCH,
        "camera": CAMERA.removesuffix("/compressed"),
        "tf_static": "/tf_static",
    },
    "frames": {"fixed": "base_link", "tool": "tool0", "tip": "probe_tip"},
    "hand": "parallel_gripper",
    "gripper_joint": JOINT_PREFIX + "gripper_width",
    "sound": {"microphone": {"sample_rate": SAMPLE_RATE}},
}
"""What the robot's file has to say."""


def strange(events: Events) -> Events:
    """A recording of the simulator in this robot's messages, in order of time."""
    made: Events = [*_sound(events)]
    for event in odd.compressed_bgr(events):
        if event.topic == odd.JOINTS:
            message = copy.deepcopy(event.message)
            message.name = [JOINT_PREFIX + name for name in message.name]
            made.append(Event(event.time_ns, JOINTS, message))
        elif event.topic == odd.URDF:
            made.append(Event(event.time_ns, DESCRIPTION, String(data=_renamed(event.message.data))))
        elif event.topic == odd.TF_STATIC:
            made.append(Event(event.time_ns, odd.TF_STATIC, _static(event.message)))
        elif event.topic == odd.WRENCH:
            made.append(Event(event.time_ns, WRENCH, _sensed(event.message)))
        elif event.topic == odd.CAMERA + "/compressed":
            header = copy.deepcopy(event.message.header)
            header.frame_id = FRAMES[header.frame_id]
            picture = CompressedImage(header=header, format=event.message.format, data=event.message.data)
            made.append(Event(event.time_ns, CAMERA, picture))
        elif event.topic == odd.INFO:
            message = copy.deepcopy(event.message)
            message.header.frame_id = FRAMES[message.header.frame_id]
            made.append(Event(event.time_ns, CAMERA_INFO, message))
    return sorted(made, key=lambda e: e.time_ns)


def _sound(events: Events) -> Iterator[Event]:
    """As audio_capture of ros-drivers sends it: S16LE, the stamp of the first sample, and the same without one."""
    from audio_common_msgs.msg import AudioData, AudioDataStamped, AudioInfo

    yield Event(
        events[0].time_ns,
        AUDIO_INFO,
        AudioInfo(channels=1, sample_rate=SAMPLE_RATE, sample_format="S16LE", coding_format="wave"),
    )
    for event in odd.sound(rate=SAMPLE_RATE, chunk_s=CHUNK_S)(events):
        if event.topic == odd.MIC:
            samples = convert.audio_to_array(event.message)[:, 0]
            data = AudioData(data=np.round(samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
            stamped = AudioDataStamped(audio=data)
            stamped.header.stamp = event.message.header.stamp
            yield Event(event.time_ns, AUDIO, data)
            yield Event(event.time_ns, AUDIO_STAMPED, stamped)


def _renamed(urdf: str) -> str:
    root = ElementTree.fromstring(urdf)
    root.set("name", "stranger")
    for link in root.iter("link"):
        link.set("name", FRAMES.get(link.get("name", ""), link.get("name", "")))
    for joint in root.findall("joint"):
        joint.set("name", JOINT_PREFIX + joint.get("name", ""))
        for end in (*joint.findall("parent"), *joint.findall("child")):
            end.set("link", FRAMES.get(end.get("link", ""), end.get("link", "")))
        for mimic in joint.findall("mimic"):
            mimic.set("joint", JOINT_PREFIX + mimic.get("joint", ""))
    return ElementTree.tostring(root, encoding="unicode")


def _static(message: Any) -> TFMessage:
    """Where camera, microphone and force sensor are; the tip stands in the URDF alone."""
    told = []
    for transform in copy.deepcopy(message.transforms):
        if transform.child_frame_id != "tip":
            transform.header.frame_id = FRAMES[transform.header.frame_id]
            transform.child_frame_id = FRAMES[transform.child_frame_id]
            told.append(transform)
    stamp_ns = convert.to_ns(told[0].header.stamp)
    place, turn = TX_TOOL_SENSOR.translation, TX_TOOL_SENSOR.quaternion
    told.append(convert.arrays_to_transform(place, turn, stamp_ns, FRAMES["tool"], SENSOR))
    return TFMessage(transforms=told)


def _sensed(message: Any) -> Any:
    """The wrench on the tool as its sensor feels it: turned, and its torque about the sensor's own origin."""
    made = copy.deepcopy(message)
    made.header.frame_id = SENSOR
    force, torque = (
        np.array([v.x, v.y, v.z], np.float64) for v in (message.wrench.force, message.wrench.torque)
    )
    about_sensor = torque - np.cross(TX_TOOL_SENSOR.translation, force)
    to_sensor = TX_TOOL_SENSOR.rotation.T
    made.wrench.force = _vector(to_sensor @ force)
    made.wrench.torque = _vector(to_sensor @ about_sensor)
    return made


def _vector(values: np.ndarray) -> Vector3:
    return Vector3(x=float(values[0]), y=float(values[1]), z=float(values[2]))
