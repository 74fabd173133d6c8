"""Topics that are made from a recording, as they are written into a copy of it."""

from __future__ import annotations

from pathlib import Path

from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from tf2_msgs.msg import TFMessage

from foley_common.topics import HAND_KEYPOINTS, TF_STATIC
from foley_msgs.msg import HandKeypoints
from foley_perception.geometry.static_transform import StaticTransform
from foley_perception.hands.recorded import HandsInRecording
from foley_perception.recording import definitions
from foley_perception.recording.bag import Bag
from foley_perception.recording.copy import Copied, copy_with
from foley_perception.recording.errors import BagError
from foley_perception.recording.metadata import TopicInfo
from foley_ros import convert, qos
from foley_ros.topics import profile

Added = tuple[TopicInfo, list[tuple[int, bytes]]]


def hand_keypoints(hands: HandsInRecording, topic: str, frame_id: str) -> Added:
    """Hands as HandKeypoints at the times of their pictures."""
    messages = []
    for time_ns, keypoints, confidence in zip(
        hands.times_ns.tolist(), hands.keypoints, hands.confidence, strict=True
    ):
        message = convert.array_to_keypoints(
            keypoints,
            time_ns=time_ns,
            frame_id=frame_id,
            source=HandKeypoints.SOURCE_TRACKER,
            confidence=confidence.tolist(),
        )
        messages.append((time_ns, serialize_message(message)))
    return _info(topic, HAND_KEYPOINTS.type, profile(HAND_KEYPOINTS)), messages


def copy_with_transform(bag: Path, out: Path, transform: StaticTransform) -> Copied:
    """A copy of a bag whose /tf_static also has this transform, from its first message on.

    Raises:
        BagError: there is no message, or a bag cannot be read or written.
    """
    first = next(iter(Bag(bag).messages()), None)
    if first is None:
        raise BagError(f"{bag}: there is not a single message")
    stamped = convert.arrays_to_transform(
        transform.pose.translation,
        transform.pose.quaternion,
        time_ns=first.log_time,
        parent=transform.parent,
        child=transform.child,
    )
    data = serialize_message(TFMessage(transforms=[stamped]))
    topic = _info(TF_STATIC.name, TF_STATIC.type, profile(TF_STATIC))
    return copy_with(bag, out, topic, [(first.log_time, data)])


def _info(topic: str, kind: str, profile: QoSProfile) -> TopicInfo:
    definition = definitions.find(kind)
    return TopicInfo(
        topic, kind, definition.text, type_hash=definition.type_hash, offered_qos=(qos.entry(profile),)
    )
