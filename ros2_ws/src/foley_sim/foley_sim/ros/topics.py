"""What the simulated robot publishes: names, types and QoS."""

from __future__ import annotations

import dataclasses
from typing import Any

from geometry_msgs.msg import PoseStamped, WrenchStamped
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage
from trajectory_msgs.msg import JointTrajectory

from foley_msgs.msg import AudioChunk, ContactEvent
from foley_ros import qos
from foley_sim.spec import SceneSpec


@dataclasses.dataclass(frozen=True, eq=False)
class Topic:
    """One publisher. Relative names follow the node's namespace."""

    name: str
    type: type[Any]
    qos: QoSProfile
    counted: bool = False  # in the account on `sim/sent`: a stamped stream whose losses are worth knowing

    @property
    def type_name(self) -> str:
        """As in `geometry_msgs/msg/PoseStamped`."""
        package = self.type.__module__.split(".")[0]
        return f"{package}/msg/{self.type.__name__}"


IMAGE = Topic("camera/image_raw", Image, qos.IMAGE, counted=True)
CAMERA_INFO = Topic("camera/camera_info", CameraInfo, qos.IMAGE, counted=True)
DEPTH = Topic("camera/depth/image_raw", Image, qos.IMAGE, counted=True)
AUDIO = Topic("mic/audio", AudioChunk, qos.AUDIO, counted=True)
CONTACT_AUDIO = Topic("contact_mic/audio", AudioChunk, qos.AUDIO, counted=True)
POSE = Topic("ee_pose", PoseStamped, qos.STATE, counted=True)
JOINTS = Topic("joint_states", JointState, qos.STATE, counted=True)
WRENCH = Topic("wrench", WrenchStamped, qos.STATE, counted=True)
PLAN = Topic("planned_joint_trajectory", JointTrajectory, qos.EVENT, counted=True)
TF = Topic("/tf", TFMessage, qos.STATE)
TF_STATIC = Topic("/tf_static", TFMessage, qos.TF_STATIC)
ROBOT = Topic("robot_description", String, qos.LATCHED)
CONTACTS = Topic("sim/contacts", ContactEvent, qos.EVENT)
SCENE = Topic("sim/scene", String, qos.LATCHED)
SENT = Topic("sim/sent", String, qos.LATCHED)
IMAGE_JPEG = Topic("camera/image_raw/compressed", CompressedImage, qos.IMAGE)
DEPTH_PNG = Topic("camera/depth/image_raw/compressedDepth", CompressedImage, qos.IMAGE)

OTHER_POSE = Topic("left/ee_pose", PoseStamped, qos.STATE, counted=True)
OTHER_WRENCH = Topic("left/wrench", WrenchStamped, qos.STATE, counted=True)
OTHER_PLAN = Topic("left/planned_joint_trajectory", JointTrajectory, qos.EVENT, counted=True)
OTHER_CONTACTS = Topic("left/sim/contacts", ContactEvent, qos.EVENT)
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
