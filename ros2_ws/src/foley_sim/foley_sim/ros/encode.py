"""What the world delivers, as serialised messages: the one place of this package where messages are made.

The node publishes these bytes and the generator writes them into bags, so a live and an offline recording cannot
differ. Times are ROS time: `origin_ns` plus simulation time.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import yaml
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import PoseStamped, TransformStamped, WrenchStamped
from numpy.typing import NDArray
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from foley_common.enumerations import Action
from foley_common.times import NS_PER_S
from foley_msgs.msg import AudioChunk, ContactEvent
from foley_ros import convert
from foley_sim.physics import mjcf
from foley_sim.rendering.camera import intrinsics
from foley_sim.robots import robots_of, urdf
from foley_sim.robots.actions import Plan
from foley_sim.robots.base import Robot
from foley_sim.robots.tool import GRIPPER_WIDTH
from foley_sim.ros import topics
from foley_sim.ros.message_template import MARK, Template, marker
from foley_sim.ros.topics import Topic
from foley_sim.scene import describe
from foley_sim.spec import CameraSpec, SceneSpec
from foley_sim.world.contacts import Contact, episode_gap_s
from foley_sim.world.readings import CHUNK_SAMPLES, Audio, Batch, State
from foley_sim.world.world import SOUND_DELAY_NS

WORLD, TOOL, TIP, CAMERA, MICROPHONE = "world", "tool", "tip", "camera_optical", "microphone"
CONTACT_MICROPHONE = "contact_microphone"
_CONTACT_MICROPHONE_AT = (0.0, 0.0, 0.01)  # on the stick, just below the fingers, in the tool's frame [m]


@dataclasses.dataclass(frozen=True)
class Outgoing:
    """One serialised message."""

    topic: Topic
    stamp_ns: int
    sent_ns: int  # when a robot would send it
    data: bytes


@dataclasses.dataclass(frozen=True, eq=False)
class _Streams:
    """Topics and templates of one hand."""

    pose: Topic
    wrench: Topic
    frames: Template
    wrenches: Template


class Encoder:
    """Serialises for one scene.

    Args:
        scene: what it is about; its camera gives the size of the images.
        origin_ns: ROS time of simulation time 0.
        stream_id: of the microphone.
        first_sample: of the world's samples, the one that begins the stream.
    """

    def __init__(self, scene: SceneSpec, *, origin_ns: int, stream_id: str, first_sample: int = 0) -> None:
        self._scene = scene
        self._robots = robots_of(scene)
        self.origin_ns = origin_ns
        self._first_sample = first_sample
        self._pose, self._joints = _pose_template(), _joints_template(self._robots)
        self._hands = [
            _Streams(pose, wrench, _tf_template(robot.prefix + TOOL), _wrench_template(robot.prefix + TOOL))
            for robot, pose, wrench in zip(
                self._robots,
                (topics.POSE, topics.OTHER_POSE),
                (topics.WRENCH, topics.OTHER_WRENCH),
                strict=False,
            )
        ]
        rate = scene.microphone.sample_rate
        self._audio = _audio_template(rate, stream_id, MICROPHONE)
        self._contact_audio = _audio_template(rate, stream_id, CONTACT_MICROPHONE)
        self._info = Template(camera_info(scene.camera, MARK))
        self._colour = _image_template(scene.camera, "rgb8", 3)
        self._depth = _image_template(scene.camera, "16UC1", 2)

    # ---- once ----------------------------------------------------------------------------------------------
    def opening(self, time_ns: int) -> Iterator[Outgoing]:
        """Latched messages, stamped with this simulation time."""
        stamp = self.origin_ns + time_ns
        latched = (
            (topics.ROBOT, String(data=urdf.write(f"foley_{self._robots[0].name}", self._robots))),
            (topics.SCENE, String(data=yaml.safe_dump(describe(self._scene), sort_keys=False))),
            (topics.TF_STATIC, static_frames(self._scene, stamp)),
        )
        for topic, message in latched:
            yield Outgoing(topic, stamp, stamp, serialize_message(message))

    # ---- streams -------------------------------------------------------------------------------------------
    def batch(self, batch: Batch) -> Iterator[Outgoing]:
        """Everything but the pictures."""
        for topic, robot, plans in zip(
            (topics.PLAN, topics.OTHER_PLAN), self._robots, (batch.plans, batch.other_plans), strict=False
        ):
            for plan in plans:
                yield self._plan(plan, topic, robot)
        of_hands = (batch.states, batch.other_states)[: len(self._robots)]
        for states in zip(*of_hands, strict=True):
            yield from self._states(states)
        for audio in batch.audio:
            yield from self._chunks(audio)
        for topic, contacts in (
            (topics.CONTACTS, batch.contacts),
            (topics.OTHER_CONTACTS, batch.other_contacts),
        ):
            for contact in contacts:
                yield self._contact(contact, topic)

    def colour(self, time_ns: int, pixels: NDArray[np.uint8]) -> tuple[Outgoing, Outgoing]:
        """The image and its calibration."""
        stamp = self.origin_ns + time_ns
        image = Outgoing(topics.IMAGE, stamp, stamp, self._colour.fill(stamp, pixels.tobytes()))
        return self.calibration(time_ns), image

    def calibration(self, time_ns: int) -> Outgoing:
        """What goes with every image."""
        stamp = self.origin_ns + time_ns
        return Outgoing(topics.CAMERA_INFO, stamp, stamp, self._info.fill(stamp))

    def depth(self, time_ns: int, millimetres: NDArray[np.uint16]) -> Outgoing:
        stamp = self.origin_ns + time_ns
        return Outgoing(topics.DEPTH, stamp, stamp, self._depth.fill(stamp, millimetres.tobytes()))

    def _states(self, states: tuple[State, ...]) -> Iterator[Outgoing]:
        """What every hand measures at one instant."""
        stamp = self.origin_ns + states[0].time_ns
        joints: dict[str, Any] = {
            name: np.concatenate(
                [np.append(getattr(s, field), getattr(s, width) if width else 0.0) for s in states]
            )
            for name, field, width in (
                ("position", "positions", "width"),
                ("velocity", "velocities", "width_rate"),
                ("effort", "efforts", ""),
            )
        }
        for number, (hand, state) in enumerate(zip(self._hands, states, strict=True)):
            pose = np.concatenate([state.tool_position, state.tool_quaternion])
            yield Outgoing(hand.pose, stamp, stamp, self._pose.fill(stamp, pose=pose))
            if number == 0:
                yield Outgoing(topics.JOINTS, stamp, stamp, self._joints.fill(stamp, **joints))
            yield Outgoing(hand.wrench, stamp, stamp, hand.wrenches.fill(stamp, wrench=state.wrench))
            yield Outgoing(topics.TF, stamp, stamp, hand.frames.fill(stamp, transform=pose))

    def _chunks(self, audio: Audio) -> Iterator[Outgoing]:
        stamp = self.origin_ns + audio.time_ns
        first = np.array([audio.first_sample - self._first_sample], dtype="<u8")
        sent = stamp + CHUNK_SAMPLES * NS_PER_S // self._scene.microphone.sample_rate + SOUND_DELAY_NS
        for topic, template, samples in (
            (topics.AUDIO, self._audio, audio.samples),
            (topics.CONTACT_AUDIO, self._contact_audio, audio.contact),
        ):
            if samples is not None:
                tail = samples.astype("<f4", copy=False).tobytes()
                yield Outgoing(topic, stamp, sent, template.fill(stamp, tail, first_sample=first))

    def _plan(self, plan: Plan, topic: Topic, robot: Robot) -> Outgoing:
        stamp = self.origin_ns + plan.start_ns
        message = plan_message(plan, robot, stamp)
        return Outgoing(topic, stamp, self.origin_ns + plan.published_ns, serialize_message(message))

    def _contact(self, contact: Contact, topic: Topic) -> Outgoing:
        stamp = self.origin_ns + contact.onset_ns
        message = contact_message(contact, stamp, f"{self._scene.scene_id}-{contact.onset_ns}")
        sent = self.origin_ns + contact.end_ns + round(episode_gap_s(contact.action) * NS_PER_S)
        return Outgoing(topic, stamp, sent, serialize_message(message))


# ---- messages ----------------------------------------------------------------------------------------------
def plan_message(plan: Plan, robot: Robot, stamp_ns: int) -> JointTrajectory:
    """The planned motion; its stamp is the planned start."""
    times, *motion = robot.plan_points(plan)
    points = []
    for t, position, velocity, acceleration in zip(
        times.tolist(), *(m.tolist() for m in motion), strict=True
    ):
        seconds, nanoseconds = divmod(round(t * NS_PER_S), NS_PER_S)
        points.append(
            JointTrajectoryPoint(
                positions=position,
                velocities=velocity,
                accelerations=acceleration,
                effort=[0.0] * len(position),  # no feed-forward; left empty, some readers of bags stumble
                time_from_start=Duration(sec=seconds, nanosec=nanoseconds),
            )
        )
    return JointTrajectory(
        header=convert.header(stamp_ns, WORLD), joint_names=list(robot.planned), points=points
    )


def contact_message(contact: Contact, stamp_ns: int, contact_id: str) -> ContactEvent:
    """The true contact. Its level is unknown: nobody listened."""
    return ContactEvent(
        header=convert.header(stamp_ns, WORLD),
        contact_id=contact_id,
        object_id=contact.object_id,
        position=convert.array_to_point(contact.point),
        action=Action[contact.action.upper()] if contact.action else Action.UNKNOWN,
        duration=contact.duration_s,
        impulse=contact.impulse,
        level=math.nan,
        confidence=1.0,
        plan_id=contact.plan_id,
    )


def camera_info(camera: CameraSpec, stamp: object) -> CameraInfo:
    """A perfect pinhole."""
    k = intrinsics(camera)
    message = CameraInfo(
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=k.ravel().tolist(),
        r=np.eye(3).ravel().tolist(),
        p=np.hstack([k, np.zeros((3, 1))]).ravel().tolist(),
    )
    message.header.stamp = stamp
    message.header.frame_id = CAMERA
    return message


def static_frames(scene: SceneSpec, stamp_ns: int) -> TFMessage:
    """world -> camera_optical, world -> microphone, tool -> tip, and tool -> contact_microphone where there is one."""
    upright = np.array([0.0, 0.0, 0.0, 1.0])
    optical = quaternion(mjcf.camera_axes(scene.camera))
    tip = np.array([0.0, 0.0, scene.striker.length])
    transforms = [
        convert.arrays_to_transform(np.array(scene.camera.eye), optical, stamp_ns, WORLD, CAMERA),
        convert.arrays_to_transform(
            np.array(scene.microphone.position), upright, stamp_ns, WORLD, MICROPHONE
        ),
        *(
            convert.arrays_to_transform(tip, upright, stamp_ns, robot.prefix + TOOL, robot.prefix + TIP)
            for robot in robots_of(scene)
        ),
    ]
    if scene.contact_microphone is not None:
        disc = np.array(_CONTACT_MICROPHONE_AT)
        transforms.append(convert.arrays_to_transform(disc, upright, stamp_ns, TOOL, CONTACT_MICROPHONE))
    return TFMessage(transforms=transforms)


def quaternion(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """(x, y, z, w) of a rotation matrix [3, 3], as the eigenvector of Bar-Itzhack's symmetric form."""
    m = rotation
    k = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], 0, 0, 0],
            [m[0, 1] + m[1, 0], m[1, 1] - m[0, 0] - m[2, 2], 0, 0],
            [m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], m[2, 2] - m[0, 0] - m[1, 1], 0],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m[0, 0] + m[1, 1] + m[2, 2]],
        ]
    )
    _, vectors = np.linalg.eigh(k / 3.0, UPLO="L")
    q = vectors[:, -1]
    return np.asarray(q if q[3] >= 0 else -q)


# ---- templates ---------------------------------------------------------------------------------------------
def _pose_template() -> Template:
    values = marker(7)
    message = convert.pose_stamped(values[:3], values[3:], 0, WORLD)
    return _stamped(message, {"pose": values})


def _tf_template(frame: str) -> Template:
    values = marker(7)
    transform: TransformStamped = convert.arrays_to_transform(values[:3], values[3:], 0, WORLD, frame)
    transform.header.stamp = MARK
    return Template(TFMessage(transforms=[transform]), {"transform": values})


def _joints_template(robots: Sequence[Robot]) -> Template:
    states = [name for robot in robots for name in (*robot.joints, robot.prefix + GRIPPER_WIDTH)]
    fields = {name: marker(len(states), salt=i) for i, name in enumerate(("position", "velocity", "effort"))}
    message = JointState(name=states, **{name: values.tolist() for name, values in fields.items()})
    return _stamped(message, fields)


def _wrench_template(frame: str) -> Template:
    values = marker(6)
    message = WrenchStamped()
    message.header.frame_id = frame
    f, t = message.wrench.force, message.wrench.torque
    f.x, f.y, f.z, t.x, t.y, t.z = values.tolist()
    return _stamped(message, {"wrench": values})


def _audio_template(sample_rate: int, stream_id: str, frame_id: str) -> Template:
    first, samples = marker(1, "<u8"), marker(CHUNK_SAMPLES, "<f4")
    message = convert.array_to_audio(
        samples,
        time_ns=0,
        frame_id=frame_id,
        stream_id=stream_id,
        first_sample=int(first[0]),
        sample_rate=sample_rate,
        stamp_source=AudioChunk.STAMP_HARDWARE,
        stamp_uncertainty=0.0,
    )
    message.header.stamp = MARK
    return Template(message, {"first_sample": first, "samples": samples}, tail="samples")


def _image_template(camera: CameraSpec, encoding: str, pixel_bytes: int) -> Template:
    pixels = marker(camera.width * camera.height * pixel_bytes // 2, "<u8").astype("<u2")
    message = Image(
        height=camera.height, width=camera.width, encoding=encoding, step=camera.width * pixel_bytes
    )
    message.data = pixels.tobytes()
    message.header.stamp = MARK
    message.header.frame_id = CAMERA
    return Template(message, {"data": pixels}, tail="data")


def _stamped(
    message: PoseStamped | JointState | WrenchStamped, fields: dict[str, NDArray[np.float64]]
) -> Template:
    message.header.stamp = MARK
    return Template(message, fields)
