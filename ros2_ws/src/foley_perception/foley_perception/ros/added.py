"""Topics that are made from a recording, as they are written into a copy of it."""

from __future__ import annotations

from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from tf2_msgs.msg import TFMessage

from foley_msgs.msg import HandKeypoints
from foley_perception.geometry.se3 import SE3
from foley_perception.hands.recorded import HandsInRecording
from foley_perception.recording import definitions
from foley_perception.recording.metadata import TopicInfo
from foley_ros import convert, qos

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
    return _info(topic, "foley_msgs/msg/HandKeypoints", qos.STATE), messages


def static_transform(parent: str, child: str, pose: SE3, time_ns: int) -> Added:
    """One transform on /tf_static."""
    transform = convert.arrays_to_transform(
        pose.translation, pose.quaternion, time_ns=time_ns, parent=parent, child=child
    )
    message = TFMessage(transforms=[transform])
    return _info("/tf_static", "tf2_msgs/msg/TFMessage", qos.TF_STATIC), [
        (time_ns, serialize_message(message))
    ]


def _info(topic: str, kind: str, profile: QoSProfile) -> TopicInfo:
    definition = definitions.find(kind)
    return TopicInfo(
        topic, kind, definition.text, type_hash=definition.type_hash, offered_qos=(qos.entry(profile),)
    )
