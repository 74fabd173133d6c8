"""A bench of the tests' own: a flat table under a camera, and a robot that comes down on it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped, WrenchStamped
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from foley_msgs.msg import AudioChunk, ContactEvent, HandTrajectory
from foley_msgs.msg import ToolTrajectory as ToolTrajectoryMessage
from foley_perception.action.gripper import GripperHand
from foley_perception.action.trajectory import ToolTrajectory
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_perception.ros import motion
from foley_ros import convert, qos

S = 1_000_000_000
RATE = 48_000
STRIKER_M = 0.16
TIP = np.array([0.0, 0.0, STRIKER_M])  # in the tool frame
DOWN = np.array([1.0, 0.0, 0.0, 0.0])  # (x, y, z, w): the tool's z points down
CAMERA = CameraModel.looking_at((0.0, -0.75, 0.65), (0.0, 0.0, 0.0), width=320, height=240, fovy_deg=50.0)


def make_checkpoint(folder: Path) -> Path:
    """A checkpoint trained for seconds on made-up clips, with an encoder that needs no weights."""
    from foley_perception.dataset.reader import ClipDataset
    from foley_perception.dataset.synthetic import write_synthetic_dataset
    from foley_synthesis.vis.training.build import build_checkpoint
    from foley_synthesis.vis.training.config import TrainConfig

    write_synthetic_dataset(folder / "data", clips_per_split=12)
    config = TrainConfig(minutes=None, epochs=8, threads=1, exemplars=8)
    build_checkpoint(ClipDataset(folder / "data"), folder / "checkpoint", config, encoder_name="colour")
    return folder / "checkpoint"


def make_flow(folder: Path, **facts: Any) -> Path:
    """A checkpoint of a flow that has learned nothing: its sounds are noise."""
    import torch

    from foley_synthesis.flow.inference.model import FlowModel, save_model
    from foley_synthesis.flow.networks import autoencoder, vector_field
    from foley_synthesis.vision.coarse_colour import ColourEncoder
    from foley_synthesis.vision.view_features import VIEWS

    torch.manual_seed(0)
    encoder = ColourEncoder()
    coder = autoencoder.MelAutoencoder(autoencoder.SIZES["tiny"])
    coder.set_scale(torch.randn(4, 80, 500))
    field = vector_field.VectorField(vector_field.SIZES["tiny"](len(VIEWS) * encoder.dims))
    content = {
        "encoder": {"name": "colour", "identity": encoder.identity},
        "views": list(VIEWS),
        "without": "",
        "dataset": {"domain": "sim", "train_scenes": []},
        **facts,
    }
    save_model(FlowModel(coder.eval(), field.eval(), content), folder, {})
    return folder


def make_contact_flow(folder: Path) -> Path:
    """A contact flow that has learned nothing."""
    import torch

    from foley_synthesis.flow.codec.config import CodecConfig
    from foley_synthesis.flow.codec.network import Codec
    from foley_synthesis.flow.contact.model import ContactFlowModel, save_model
    from foley_synthesis.flow.contact.synthetic import synthetic_field

    torch.manual_seed(0)
    size = {"latent": 4, "width": 16, "hidden": 16, "blocks": 1}
    fine = {"fine_width": 16, "fine_hidden": 16, "fine_blocks": 1, "rounds": 2}
    codec = Codec(CodecConfig(**size, **fine))  # type: ignore[arg-type]
    model = ContactFlowModel(synthetic_field(), codec.eval(), {"train_scenes": [], "without": []})
    save_model(model, folder, {})
    return folder


def make_sight(folder: Path) -> Path:
    """A sight that has learned nothing, with an encoder that needs no weights."""
    import torch

    from foley_synthesis.flow.sight.head import HeadConfig, SightHead
    from foley_synthesis.flow.sight.model import Scaling, SightCalibration, SightModel
    from foley_synthesis.flow.sight.model_file import save_sight
    from foley_synthesis.flow.sight.moments import PLACES
    from foley_synthesis.flow.sight.pictures import Layout
    from foley_synthesis.flow.sight.things import FORMS
    from foley_synthesis.vision.coarse_colour import ColourEncoder

    torch.manual_seed(0)
    encoder = ColourEncoder()
    inputs = Layout(encoder.dims).width + FORMS + PLACES
    pairs, zeros, ones = torch.full((13, 8), 1.0 / 104), torch.zeros(3), torch.ones(3)
    basis = torch.randn(4, inputs)
    scaling = Scaling(
        torch.zeros(inputs), torch.ones(inputs), zeros, ones, pairs, pairs, torch.tensor(0.5), basis
    )
    head = SightHead(HeadConfig(inputs, 13, 8, hidden=8, members=1)).eval()
    facts = {"encoder": {"name": "colour", "identity": encoder.identity}, "train_scenes": []}
    save_sight(SightModel((head,), scaling, SightCalibration(), facts), folder, {})
    return folder


def plane_depth(height_m: float = 0.0) -> NDArray[np.uint16]:
    """Depth [240, 320] in mm of the horizontal plane at this height."""
    v, u = np.mgrid[0 : CAMERA.height, 0 : CAMERA.width]
    rays = np.linalg.solve(CAMERA.K, np.stack([u.ravel(), v.ravel(), np.ones(u.size)])).T
    pose = CAMERA.tx_world_camera
    downward = pose.rotate(rays)[:, 2]
    depth = np.where(downward < -1e-3, (height_m - pose.translation[2]) / downward, 0.0)
    return np.round(np.clip(depth, 0, 60) * 1000).astype(np.uint16).reshape(CAMERA.height, CAMERA.width)


def now_ns() -> int:
    return time.time_ns()


def tap_path(
    contact_ns: int, *, speed: float = 0.3, x: float = 0.0
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Tip path of a tap at 100 Hz: down to the table at `contact_ns`, 4 mm into it, and up again."""
    seconds = np.arange(-0.5, 0.5, 0.01)
    height = np.where(seconds < 0, -speed * seconds, -speed * seconds)
    height = np.where(seconds > 0.013, -0.0039 + 0.5 * speed * (seconds - 0.013), height)
    tips = np.stack([np.full_like(seconds, x), np.zeros_like(seconds), height], axis=1)
    return contact_ns + np.round(seconds * 1e9).astype(np.int64), tips


def tool_plan(contact_ns: int, plan_id: str = "plan_1", **path: float) -> ToolTrajectory:
    times, tips = tap_path(contact_ns, **path)
    tools = SE3(np.broadcast_to(DOWN, (len(tips), 4)), tips + TIP)
    return ToolTrajectory(plan_id, times, tools, np.full(len(tips), 0.02))


def plan_message(contact_ns: int, plan_id: str = "plan_1", **path: float) -> ToolTrajectoryMessage:
    return motion.tool_trajectory_message(tool_plan(contact_ns, plan_id, **path), "world")


def hand_plan_message(contact_ns: int, plan_id: str = "plan_1", **path: float) -> HandTrajectory:
    """The same as the motion of a hand: what `predict_contact` is asked about."""
    plan = tool_plan(contact_ns, plan_id, **path)
    keypoints = GripperHand.from_yaml("parallel_gripper").keypoints(plan.poses, plan.widths)
    return convert.arrays_to_trajectory(plan.times_ns, keypoints, frame_id="world", plan_id=plan_id)


def contact_message(contact_id: str, time_ns: int, x: float = 0.0, **more: Any) -> ContactEvent:
    return ContactEvent(
        header=convert.header(time_ns, "world"),
        contact_id=contact_id,
        position=convert.array_to_point([x, 0.0, 0.0]),
        action=ContactEvent.ACTION_TAP,
        confidence=0.95,
        **more,
    )


def ping(seconds: float = 1.0, onset_s: float = 0.25, pitch_hz: float = 3200.0) -> NDArray[np.float32]:
    t = np.arange(round(seconds * RATE)) / RATE - onset_s
    tone = sum(np.sin(2 * np.pi * pitch_hz * r * t) * np.exp(-6 * np.maximum(t, 0)) / r for r in (1.0, 2.76))
    noise = 3e-4 * np.random.default_rng(0).standard_normal(t.size)
    return (0.2 * np.where(t >= 0, tone, 0.0) + noise).astype(np.float32)


class Bench:
    """Publishes what drivers would. `node` is any rclpy node; call `see` and `hear` as often as needed."""

    def __init__(self, node: Any) -> None:
        self.node = node
        self.tf = node.create_publisher(TFMessage, "/tf_static", qos.TF_STATIC)
        self.image = node.create_publisher(Image, "camera/image_raw", qos.IMAGE)
        self.depth = node.create_publisher(Image, "camera/depth/image_raw", qos.IMAGE)
        self.info = node.create_publisher(CameraInfo, "camera/camera_info", qos.IMAGE)
        self.pose = node.create_publisher(PoseStamped, "ee_pose", qos.STATE)
        self.wrench = node.create_publisher(WrenchStamped, "wrench", qos.STATE)
        self.plan = node.create_publisher(ToolTrajectoryMessage, "planned_tool_trajectory", qos.EVENT)
        self.contact = node.create_publisher(ContactEvent, "contacts", qos.EVENT)
        self.audio = node.create_publisher(AudioChunk, "mic/audio", qos.AUDIO)
        self._depth_mm = plane_depth()
        self._rgb = np.full((CAMERA.height, CAMERA.width, 3), (165, 170, 178), np.uint8)
        self._first_sample: dict[str, int] = {}

    def transforms(self, *, camera: bool = True, tip: bool = True) -> None:
        pose = CAMERA.tx_world_camera
        messages = []
        if camera:
            messages.append(
                convert.arrays_to_transform(
                    pose.translation, pose.quaternion, now_ns(), "world", "camera_optical"
                )
            )
        if tip:
            messages.append(
                convert.arrays_to_transform(TIP, np.array([0.0, 0.0, 0.0, 1.0]), now_ns(), "tool", "tip")
            )
        self.tf.publish(TFMessage(transforms=messages))

    def see(
        self, time_ns: int | None = None, *, encoding: str = "rgb8", depth: bool = True, info: bool = True
    ) -> None:
        """One frame of everything visual."""
        stamp = now_ns() if time_ns is None else time_ns
        image = convert.array_to_image(self._rgb, "rgb8", stamp, "camera_optical")
        image.encoding = encoding
        self.image.publish(image)
        if depth:
            self.depth.publish(convert.array_to_image(self._depth_mm, "16UC1", stamp, "camera_optical"))
        if info:
            self.info.publish(
                CameraInfo(
                    header=convert.header(stamp, "camera_optical"),
                    width=CAMERA.width,
                    height=CAMERA.height,
                    k=CAMERA.K.ravel().tolist(),
                )
            )

    def move(self, time_ns: int, tip: NDArray[np.floating], force_n: float = 0.0) -> None:
        """One measured pose and force."""
        tool = np.asarray(tip) + TIP
        self.pose.publish(convert.pose_stamped(tool, DOWN, time_ns, "world"))
        wrench = WrenchStamped(header=convert.header(time_ns, "tool"))
        wrench.wrench.force.z = force_n
        self.wrench.publish(wrench)

    def hear(
        self, samples: NDArray[np.float32], start_ns: int, *, rate: int = RATE, stream_id: str = "test"
    ) -> None:
        """Sound in chunks of 10 ms, on from what was sent of this stream before."""
        first = self._first_sample.get(stream_id, 0)
        step = rate // 100
        for offset in range(0, len(samples), step):
            self.audio.publish(
                convert.array_to_audio(
                    samples[offset : offset + step],
                    time_ns=start_ns + round(offset * 1e9 / rate),
                    frame_id="microphone",
                    stream_id=stream_id,
                    first_sample=first + offset,
                    sample_rate=rate,
                    stamp_source=AudioChunk.STAMP_HARDWARE,
                )
            )
        self._first_sample[stream_id] = first + len(samples)
