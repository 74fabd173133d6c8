"""Every topic of Foley, once: its role, name, type and QoS, whether it is recorded and how a bag's reader reads it.

A sensor more is one line in :data:`TOPICS`::

    *microphone("table_microphone", "table_mic/audio", "a contact microphone on the table"),
    *camera("wrist_camera", "wrist_camera", "a camera at the wrist"),
    *arm("left", "left", "the left hand"),

The recorder then records it, an episode and a dataset hold it under its device's name, and docs and parameter files
name it after ``python scripts/write_topics.py``. Message classes and QoS profiles are found by ``foley_ros.topics``, so
that nothing here needs ROS.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

QOS: tuple[str, ...] = (
    *("audio", "state", "image", "event", "latched", "tf_static"),
    *("diagnostics", "heartbeat"),
)
"""Profiles of ``foley_ros.qos`` by name."""
RECORDED_QOS: tuple[str, ...] = QOS[:6]
"""Those that the recorder subscribes with."""
READERS: tuple[str, ...] = (
    *("audio", "image", "depth", "camera_info", "pose", "joints", "wrench", "joint_plans", "keypoints"),
    "tool_plans",
    *("contacts", "labels", "text", "transforms"),
)
"""What a bag's reader makes of a topic (foley_perception/episodes/reader.py)."""

MAIN_MICROPHONE = "microphone"
MAIN_CAMERA = "camera"
MAIN_ARM = "arm"
MAIN_DEVICES: frozenset[str] = frozenset({MAIN_MICROPHONE, MAIN_CAMERA, MAIN_ARM})
"""What models see, hear and feel with. Every other device is a further one: recorded and kept where it is there."""

_TYPE = re.compile(r"[a-z][a-z0-9_]*/msg/[A-Z][A-Za-z0-9]*")
_NAME = re.compile(r"(~/|/)?[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*")
_DEVICE = re.compile(r"[a-z][a-z0-9_]*")  # also a folder's name in a dataset


class TopicError(ValueError):
    """The registry was asked for, or holds, something that it cannot have; the message names role, value and cure."""


@dataclasses.dataclass(frozen=True)
class Topic:
    """One topic. Relative names follow the namespace of the robot, ``~/`` is the node's own."""

    role: str  # what it is for, unique in the registry
    name: str
    type: str  # `package/msg/Name`
    qos: str  # of its publisher and of nodes that listen: one of QOS
    text: str  # what it carries
    publisher: str = ""
    rate: str = ""
    reader: str = ""  # one of READERS; empty where no episode holds it
    device: str = ""  # the microphone, camera or arm that it belongs to
    recorded: bool = False  # by default
    required: bool = False  # a recording without it is of no use
    recorded_qos: str = ""  # one of RECORDED_QOS, where it is not `qos`

    def __post_init__(self) -> None:
        wrong = ""
        if not _DEVICE.fullmatch(self.role):
            wrong = "a role is lower case letters, digits and _"
        elif not _NAME.fullmatch(self.name):
            wrong = f"`{self.name}` is not the name of a topic"
        elif not _TYPE.fullmatch(self.type):
            wrong = f"type `{self.type}` is not package/msg/Name"
        elif self.qos not in QOS:
            wrong = f"qos is `{self.qos}`, known are {', '.join(QOS)}"
        elif self.reader and self.reader not in READERS:
            wrong = f"reader is `{self.reader}`, known are {', '.join(READERS)}"
        elif self.device and not _DEVICE.fullmatch(self.device):
            wrong = f"device is `{self.device}`: lower case letters, digits and _"
        elif self.required and not self.recorded:
            wrong = "required, but not recorded"
        elif self.recorded and self.profile_recorded not in RECORDED_QOS:
            wrong = f"recorded with `{self.profile_recorded}`, known are {', '.join(RECORDED_QOS)}"
        if wrong:
            raise TopicError(f"topic `{self.role}`: {wrong}")

    @property
    def profile_recorded(self) -> str:
        """The profile that the recorder subscribes with."""
        return self.recorded_qos or self.qos

    @property
    def recorder_entry(self) -> str:
        """As the recorder's parameter `topics` has it."""
        return f"{self.name} {self.type} {self.profile_recorded}{' required' if self.required else ''}"

    @property
    def absolute(self) -> bool:
        """Whether it is the same under every namespace."""
        return self.name.startswith("/")

    @property
    def further(self) -> bool:
        """Whether it belongs to a device beside the main ones."""
        return bool(self.device) and self.device not in MAIN_DEVICES


# ---- devices ---------------------------------------------------------------------------------------------
def microphone(device: str, name: str, text: str, *, required: bool = False) -> tuple[Topic, ...]:
    """The topic of a microphone."""
    return (
        Topic(
            device, name, "foley_msgs/msg/AudioChunk", "audio", text, "microphone", "100 Hz",
            reader="audio", device=device, recorded=True, required=required,
        ),
    )  # fmt: skip


def camera(device: str, prefix: str, text: str, *, required: bool = False) -> tuple[Topic, ...]:
    """Topics of a camera below ``prefix``: colour and its calibration, depth where it has it, and both compressed."""
    image, compressed = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"

    def one(role: str, name: str, kind: str, text: str, reader: str, rate: str = "", **how: object) -> Topic:
        name = f"{prefix}/{name}"
        return Topic(role, name, kind, "image", text, "camera", rate, reader, device, **how)  # type: ignore[arg-type]

    return (
        one(
            device, "image_raw", image, f"{text}: rgb8, bgr8, mono8, Bayer, yuv422 and others", "image", "30 Hz",
            recorded=True, required=required,
        ),
        one(
            f"{device}_info", "camera_info", "sensor_msgs/msg/CameraInfo", "its calibration", "camera_info",
            "30 Hz", recorded=True, required=required, recorded_qos="state",
        ),
        one(
            f"{device}_depth", "depth/image_raw", image, "depth, aligned to colour: 16UC1 [mm] or 32FC1 [m]", "depth",
            "10 Hz is enough", recorded=True,
        ),
        one(
            f"{device}_compressed", "image_raw/compressed", compressed,
            "taken where nobody publishes raw images: read, recorded, listened to",
            "image",
        ),
        one(
            f"{device}_depth_compressed", "depth/image_raw/compressedDepth", compressed,
            "taken where nobody publishes raw depth: read, recorded, listened to", "depth",
        ),
    )  # fmt: skip


def arm(device: str, prefix: str, text: str) -> tuple[Topic, ...]:
    """Topics of a further arm below ``prefix``. Its joints are in `joint_states`, its frames in `/tf`."""
    return (
        Topic(
            f"{device}_ee_pose", f"{prefix}/ee_pose", "geometry_msgs/msg/PoseStamped", "state",
            f"pose of the tool, of {text}", "arm", "100-500 Hz", "pose", device, recorded=True,
        ),
        Topic(
            f"{device}_wrench", f"{prefix}/wrench", "geometry_msgs/msg/WrenchStamped", "state",
            f"force at the wrist, of {text}", "arm", "100-500 Hz", "wrench", device, recorded=True,
        ),
        Topic(
            f"{device}_joint_plan", f"{prefix}/planned_joint_trajectory",
            "trajectory_msgs/msg/JointTrajectory", "event",
            f"planned motion of {text}", "planner or arm", "per motion", "joint_plans", device, recorded=True,
        ),
        Topic(
            f"{device}_true_contacts", f"{prefix}/sim/contacts", "foley_msgs/msg/ContactEvent", "event",
            f"ground truth of the simulator, of {text}", "`sim_world`", "per contact", "contacts", device,
            recorded=True,
        ),
    )  # fmt: skip


# ---- the registry ----------------------------------------------------------------------------------------
TOPICS: tuple[Topic, ...] = (
    # Sensors, in the order in which the recorder lists them.
    *microphone(MAIN_MICROPHONE, "mic/audio", "the microphone", required=True),
    *microphone("contact_microphone", "contact_mic/audio", "a contact microphone on the gripper"),
    Topic(
        "ee_pose", "ee_pose", "geometry_msgs/msg/PoseStamped", "state",
        "pose of the end effector: `tool` in `world`", "arm, or `hand_mapper`", "100-500 Hz",
        "pose", MAIN_ARM, recorded=True, required=True,
    ),
    *camera(MAIN_CAMERA, "camera", "colour", required=True),
    Topic(
        "joint_states", "joint_states", "sensor_msgs/msg/JointState", "state", "joints and gripper, of all arms",
        "arm", "100-500 Hz", "joints", MAIN_ARM, recorded=True,
    ),
    Topic(
        "wrench", "wrench", "geometry_msgs/msg/WrenchStamped", "state", "force at the wrist",
        "arm", "100-500 Hz", "wrench", MAIN_ARM, recorded=True,
    ),
    # Motion.
    Topic(
        "joint_plan", "planned_joint_trajectory", "trajectory_msgs/msg/JointTrajectory", "event",
        "what will be moved; stamp: planned start", "planner or arm", "per motion",
        "joint_plans", MAIN_ARM, recorded=True,
    ),
    *arm("left", "left", "a second hand"),
    Topic(
        "planned_path", "planned_path", "nav_msgs/msg/Path", "event",
        "plan of `tool`; each pose's stamp: when", "planner, where there is no joint plan", "per motion",
    ),
    Topic(
        "tool_plan", "planned_tool_trajectory", "foley_msgs/msg/ToolTrajectory", "event",
        "the plan as poses of the tool, as it was computed", "`hand_mapper`", "per motion",
        "tool_plans", MAIN_ARM, recorded=True,
    ),
    Topic(
        "hand_plan", "planned_trajectory", "foley_msgs/msg/HandTrajectory", "event",
        "the plan as hand poses", "`hand_mapper`", "per motion", recorded=True,
    ),
    Topic(
        "hand_keypoints", "hand_keypoints", "foley_msgs/msg/HandKeypoints", "state", "gripper, or a person's hands",
        "`hand_mapper` (gripper), or `hand_tracker` (a person's hands, by camera)", "50 Hz, 15 Hz",
        "keypoints", recorded=True,
    ),
    # What Foley heard, expected and believes.
    Topic(
        "contacts", "contacts", "foley_msgs/msg/ContactEvent", "event", "detected contacts",
        "`contact_detector`", "per contact", "contacts", recorded=True,
    ),
    Topic(
        "predicted_audio", "predicted_audio", "foley_msgs/msg/PredictedAudio", "event",
        "predictions, to compare with later", "`synthesizer`", "per plan and per contact", recorded=True,
    ),
    Topic(
        "predicted_audio_chunk", "predicted_audio/chunk", "foley_msgs/msg/AudioChunk", "event",
        "their sound alone, for tools that pair messages by a header at their top",
        "`synthesizer`", "as `predicted_audio`, while somebody listens",
    ),
    Topic(
        "predicted_sound", "predicted_sound", "foley_msgs/msg/AudioChunk", "audio",
        "sound of plans as it goes on; stamp: when it is to be heard", "`synthesizer`",
        "10 Hz while a plan lasts, with a contact flow",
    ),
    Topic(
        "predicted_material", "predicted_material", "foley_msgs/msg/MaterialEstimate", "event",
        "materials expected before the touch", "`synthesizer`", "per plan", recorded=True,
    ),
    Topic(
        "vision_material", "vision_material", "foley_msgs/msg/MaterialEstimate", "event",
        "what a user's image model says of an object, or of a place, before or beside any touch",
        "a user's image model, where there is one", "per picture", recorded=True,
    ),
    Topic(
        "material_estimates", "material_estimates", "foley_msgs/msg/MaterialEstimate", "event",
        "what is believed", "`material`", "two per contact, one per prediction", recorded=True,
    ),
    Topic(
        "vocabulary", "vocabulary", "foley_msgs/msg/VocabularyInfo", "latched", "labels of the beliefs",
        "`material`", "once", recorded=True,
    ),
    Topic(
        "predicates", "predicates", "foley_msgs/msg/PredicateArray", "latched", "and what a planner sees",
        "`material`", "on change, and once a second", recorded=True,
    ),
    Topic(
        "surprise", "surprise", "foley_msgs/msg/Surprise", "event", "expected against heard",
        "`material`", "per contact of which something was expected", recorded=True,
    ),
    Topic(
        "markers", "markers", "visualization_msgs/msg/MarkerArray", "event", "beliefs as markers, for RViz",
        "`foley watch`", "2 Hz, while somebody listens",
    ),
    Topic(
        "labels", "labels", "foley_msgs/msg/SegmentLabel", "event", "what people said",
        "`recorder`", "per label", "labels", recorded=True,
    ),
    # The robot and its frames.
    Topic(
        "robot_description", "robot_description", "std_msgs/msg/String", "latched", "URDF, for kinematics",
        "robot", "once", "text", recorded=True,
    ),
    Topic(
        "tf", "/tf", "tf2_msgs/msg/TFMessage", "state", "moving frames", "robot", "100-500 Hz", "transforms",
        recorded=True,
    ),
    Topic(
        "tf_static", "/tf_static", "tf2_msgs/msg/TFMessage", "tf_static", "fixed frames", "robot", "once",
        "transforms", recorded=True,
    ),
    Topic(
        "diagnostics", "/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", "diagnostics", "health of all nodes",
        "every node", "1 Hz", recorded=True, recorded_qos="event",
    ),
    Topic(
        "heartbeat", "~/heartbeat", "lifecycle_msgs/msg/State", "heartbeat", "liveliness lease 3 s",
        "every node", "2 Hz",
    ),
    Topic(
        "recorder_status", "~/status", "foley_msgs/msg/RecorderStatus", "event",
        "what the recorder does: levels, rates, losses, disk, what is wrong", "`recorder`",
        "4 Hz, while somebody listens",
    ),
    # The simulator's own: no model reads them.
    Topic(
        "true_contacts", "sim/contacts", "foley_msgs/msg/ContactEvent", "event",
        "ground truth of the simulation", "`sim_world`", "per contact", "contacts", MAIN_ARM, recorded=True,
    ),
    Topic(
        "sim_sent", "sim/sent", "std_msgs/msg/String", "latched", "how much the simulation sent, to count losses",
        "`sim_world`", "1 Hz", recorded=True,
    ),
    Topic(
        "sim_scene", "sim/scene", "std_msgs/msg/String", "latched", "the scene of the simulation",
        "`sim_world`", "per scene", "text", recorded=True,
    ),
    Topic(
        "teleop_target", "teleop/target_pose", "geometry_msgs/msg/PoseStamped", "state",
        "of `tool` in `world`; steers the simulated arm", "a person or a policy", "2 Hz and more",
    ),
)  # fmt: skip


# ---- look-ups ----------------------------------------------------------------------------------------------
def topic(role: str) -> Topic:
    """The topic of a role.

    Raises:
        TopicError: there is none, or two.
    """
    found = [entry for entry in TOPICS if entry.role == role]
    if not found:
        roles = ", ".join(entry.role for entry in TOPICS)
        raise TopicError(
            f"no topic has the role `{role}`; known are {roles}. A new one is an entry in foley_common/topics.py"
        )
    if len(found) > 1:
        names = ", ".join(entry.name for entry in found)
        raise TopicError(f"the role `{role}` is given to {names}; a role belongs to one topic")
    return found[0]


def recorded() -> tuple[Topic, ...]:
    """What the recorder records by default, in its order."""
    return tuple(entry for entry in TOPICS if entry.recorded)


def read_by(*readers: str, device: str | None = None) -> tuple[Topic, ...]:
    """Topics that are read in one of these ways, of one device or of all."""
    if unknown := set(readers) - set(READERS):
        raise TopicError(f"no reader is called {', '.join(sorted(unknown))}; known are {', '.join(READERS)}")
    return tuple(t for t in TOPICS if t.reader in readers and device in (None, t.device))


def devices(reader: str) -> tuple[str, ...]:
    """Devices that have a topic read in this way, the main one first: `audio` gives all microphones."""
    found = dict.fromkeys(entry.device for entry in read_by(reader) if entry.device)
    return tuple(sorted(found, key=lambda device: device not in MAIN_DEVICES))


def check(topics: Iterable[Topic]) -> None:
    """Refuse a registry in which two topics share a role or a name.

    Raises:
        TopicError: names both.
    """
    roles: dict[str, Topic] = {}
    names: dict[str, Topic] = {}
    for entry in topics:
        if entry.role in roles:
            raise TopicError(
                f"the role `{entry.role}` is given to {roles[entry.role].name} and {entry.name}; "
                "a role belongs to one topic"
            )
        if entry.name in names:
            raise TopicError(
                f"{entry.name} is the topic of `{names[entry.name].role}` and of `{entry.role}`; "
                "a topic has one role"
            )
        roles[entry.role] = names[entry.name] = entry


check(TOPICS)

MICROPHONE = topic("microphone")
CONTACT_MICROPHONE = topic("contact_microphone")
CAMERA = topic("camera")
CAMERA_COMPRESSED = topic("camera_compressed")
CAMERA_INFO = topic("camera_info")
CAMERA_DEPTH = topic("camera_depth")
CAMERA_DEPTH_COMPRESSED = topic("camera_depth_compressed")
EE_POSE = topic("ee_pose")
JOINT_STATES = topic("joint_states")
WRENCH = topic("wrench")
JOINT_PLAN = topic("joint_plan")
PLANNED_PATH = topic("planned_path")
TOOL_PLAN = topic("tool_plan")
HAND_PLAN = topic("hand_plan")
HAND_KEYPOINTS = topic("hand_keypoints")
CONTACTS = topic("contacts")
PREDICTED_AUDIO = topic("predicted_audio")
PREDICTED_AUDIO_CHUNK = topic("predicted_audio_chunk")
PREDICTED_SOUND = topic("predicted_sound")
PREDICTED_MATERIAL = topic("predicted_material")
VISION_MATERIAL = topic("vision_material")
MATERIAL_ESTIMATES = topic("material_estimates")
VOCABULARY = topic("vocabulary")
PREDICATES = topic("predicates")
SURPRISE = topic("surprise")
MARKERS = topic("markers")
LABELS = topic("labels")
RECORDER_STATUS = topic("recorder_status")
ROBOT_DESCRIPTION = topic("robot_description")
TF = topic("tf")
TF_STATIC = topic("tf_static")
DIAGNOSTICS = topic("diagnostics")
HEARTBEAT = topic("heartbeat")
TRUE_CONTACTS = topic("true_contacts")
SIM_SENT = topic("sim_sent")
SIM_SCENE = topic("sim_scene")
TELEOP_TARGET = topic("teleop_target")
LEFT_EE_POSE = topic("left_ee_pose")
LEFT_WRENCH = topic("left_wrench")
LEFT_JOINT_PLAN = topic("left_joint_plan")
LEFT_TRUE_CONTACTS = topic("left_true_contacts")
