"""What the simulated robot publishes, out of the registry of topics (``foley_common.topics``)."""

from __future__ import annotations

import dataclasses
from typing import Any

from rclpy.qos import QoSProfile

from foley_common import topics as registry
from foley_ros.topics import message_type, profile
from foley_sim.spec import SceneSpec


@dataclasses.dataclass(frozen=True, eq=False)
class Topic:
    """One publisher. Relative names follow the node's namespace."""

    entry: registry.Topic
    counted: bool = False  # in the account on `sim/sent`: a stamped stream whose losses are worth knowing

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def type_name(self) -> str:
        """As in `geometry_msgs/msg/PoseStamped`."""
        return self.entry.type

    @property
    def type(self) -> type[Any]:
        return message_type(self.entry)

    @property
    def qos(self) -> QoSProfile:
        return profile(self.entry)


IMAGE = Topic(registry.CAMERA, counted=True)
CAMERA_INFO = Topic(registry.CAMERA_INFO, counted=True)
DEPTH = Topic(registry.CAMERA_DEPTH, counted=True)
AUDIO = Topic(registry.MICROPHONE, counted=True)
CONTACT_AUDIO = Topic(registry.CONTACT_MICROPHONE, counted=True)
POSE = Topic(registry.EE_POSE, counted=True)
JOINTS = Topic(registry.JOINT_STATES, counted=True)
WRENCH = Topic(registry.WRENCH, counted=True)
PLAN = Topic(registry.JOINT_PLAN, counted=True)
TF = Topic(registry.TF)
TF_STATIC = Topic(registry.TF_STATIC)
ROBOT = Topic(registry.ROBOT_DESCRIPTION)
CONTACTS = Topic(registry.TRUE_CONTACTS)
SCENE = Topic(registry.SIM_SCENE)
SENT = Topic(registry.SIM_SENT)
IMAGE_JPEG = Topic(registry.CAMERA_COMPRESSED)
DEPTH_PNG = Topic(registry.CAMERA_DEPTH_COMPRESSED)

OTHER_POSE = Topic(registry.LEFT_EE_POSE, counted=True)
OTHER_WRENCH = Topic(registry.LEFT_WRENCH, counted=True)
OTHER_PLAN = Topic(registry.LEFT_JOINT_PLAN, counted=True)
OTHER_CONTACTS = Topic(registry.LEFT_TRUE_CONTACTS)
OTHER_HAND: tuple[Topic, ...] = (OTHER_POSE, OTHER_WRENCH, OTHER_PLAN, OTHER_CONTACTS)
"""Of the other hand, where a scene has two; its joints and frames are with the first one's."""

RECORDED: tuple[Topic, ...] = (
    IMAGE, CAMERA_INFO, DEPTH, AUDIO, POSE, JOINTS, WRENCH, PLAN, TF, TF_STATIC, ROBOT, CONTACTS, SCENE,
)  # fmt: skip
"""Topics of an offline bag, the same as those of a live one, where the robot has no contact microphone."""
COMPRESSED: tuple[Topic, ...] = tuple({IMAGE: IMAGE_JPEG, DEPTH: DEPTH_PNG}.get(t, t) for t in RECORDED)
"""Topics of an offline bag with compressed images."""
SCANNED: tuple[Topic, ...] = (IMAGE_JPEG, CAMERA_INFO, DEPTH_PNG, TF, TF_STATIC, ROBOT, SCENE)
"""Topics of a scan: a moving camera and nothing that sounds."""
ALL: tuple[Topic, ...] = (*RECORDED, SENT)


def recorded(scene: SceneSpec, *, compressed: bool = False) -> tuple[Topic, ...]:
    """Topics of a bag of this scene."""
    plain = COMPRESSED if compressed else RECORDED
    other = OTHER_HAND if scene.hands == 2 else ()
    return (*plain, *other) if scene.contact_microphone is None else (*plain, *other, CONTACT_AUDIO)


def published(scene: SceneSpec) -> tuple[Topic, ...]:
    """Everything that the robot of this scene publishes."""
    return (*recorded(scene), SENT)
