"""Small made-up bags, written by `rosbags` as a foreign tool would."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from foley_perception.geometry.camera import CameraModel

START_NS = 1_800_000_000_000_000_000
RATE = 48_000
TYPES = (
    "foley_msgs/msg/AudioChunk",
    "foley_msgs/msg/ContactEvent",
    "foley_msgs/msg/HandKeypoints",
    "foley_msgs/msg/HandTrajectory",
    "foley_msgs/msg/SegmentLabel",
    "foley_msgs/msg/ToolTrajectory",
    "geometry_msgs/msg/PoseStamped",
    "geometry_msgs/msg/WrenchStamped",
    "sensor_msgs/msg/CameraInfo",
    "sensor_msgs/msg/CompressedImage",
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/JointState",
    "std_msgs/msg/String",
    "tf2_msgs/msg/TFMessage",
    "trajectory_msgs/msg/JointTrajectory",
)
URDF = """<robot name="post"><link name="world"/><link name="tool"/><link name="tip"/>
<joint name="z" type="prismatic"><parent link="world"/><child link="tool"/><axis xyz="0 0 -1"/>
<origin xyz="0.05 0 0" rpy="3.141592653589793 0 0"/>
<limit lower="-2" upper="2" effort="1" velocity="1"/></joint>
<joint name="stick" type="fixed"><parent link="tool"/><child link="tip"/><origin xyz="0 0 0.16"/></joint></robot>"""


@cache
def typestore() -> Any:
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    from foley_perception.recording import definitions

    store = get_typestore(Stores.EMPTY)
    for name in TYPES:
        types = get_types_from_msg(definitions.find(name).text, name)
        store.register({k: v for k, v in types.items() if k not in store.fielddefs})
    return store


Queued = tuple[int, str, str, Any]  # arrival [ns], topic without namespace, type, message
Edit = Callable[[int, str, str, Any], list[Queued]]


@dataclasses.dataclass
class BagOptions:
    """A tip that taps a block every second: 10 ms chunks, 250 Hz poses, 30 Hz frames."""

    seconds: float = 4.0
    sample_rate: int = RATE
    audio_jitter_s: float = 0.0
    audio_drift_ppm: float = 0.0
    audio_gap: tuple[float, float] | None = None  # [s] from the start: these chunks are not there
    restart_at: float | None = None  # [s]: a new stream_id from then on
    nan_poses: int = 0
    base: str = (
        ""  # ee_pose is given in base_link, which stands `static`, is `moving` at 0.1 m/s, or `unknown`
    )
    gripper: bool = True  # joint_states name its joint
    encoding: str = "rgb8"
    scene_id: str = "bench-1"
    split: str = "train"
    objects: tuple[tuple[str, str], ...] = (("block-1", "wood"),)
    truth: bool = True
    scene: bool = True
    session_id: str = "s1"
    robot: str = ""  # text of the robot's file, in the metadata
    edition_version: str = ""
    origin: str = ""
    start_ns: int = START_NS
    compression: bool = False
    namespace: str = ""
    audio_type: str = "foley_msgs/msg/AudioChunk"
    plans: bool = True
    tool_plans: bool = False  # the same, as hand_mapper sends them on, instead of joint plans
    person: bool = False  # a hand with hand_keypoints touches, and there is no robot
    close_pair: bool = False  # a second contact 0.1 s after the first
    contact_times: tuple[float, ...] = (1.0, 2.0, 3.0)
    more: Callable[[Any], None] | None = None  # puts further messages into the BagMaker
    edit: Edit | None = None  # of what would be written, one after the other: to change, drop or double it


def _time(time_ns: int) -> Any:
    return typestore().types["builtin_interfaces/msg/Time"](int(time_ns // 10**9), int(time_ns % 10**9))


class BagMaker:
    def __init__(self, path: Path, options: BagOptions) -> None:
        from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

        self.store, self.options = typestore(), options
        self.rng = np.random.default_rng(0)
        self.writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
        if options.compression:
            self.writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        session = {"session_id": options.session_id}
        if options.robot:
            session["robot_file"] = options.robot
        if options.origin:
            session["origin"] = options.origin
        if options.edition_version:
            session["edition_version"] = options.edition_version
        self.writer.set_custom_data("foley.session", yaml.safe_dump(session))
        self.connections: dict[str, Any] = {}
        self.queue: list[Queued] = []

    def new(self, kind: str, *args: Any, **fields: Any) -> Any:
        return self.store.types[kind](*args, **fields)

    def header(self, time_ns: int, frame: str) -> Any:
        return self.new("std_msgs/msg/Header", _time(time_ns), frame)

    def put(self, offset_s: float, topic: str, kind: str, message: Any) -> None:
        self.queue.append((self.options.start_ns + round(offset_s * 1e9), topic, kind, message))

    def vector(self, kind: str, *xyz: float) -> Any:
        return self.new(f"geometry_msgs/msg/{kind}", *map(float, xyz))

    def write(self) -> None:
        edit = self.options.edit
        if edit is not None:
            self.queue = [item for queued in sorted(self.queue, key=lambda q: q[0]) for item in edit(*queued)]
        with self.writer:
            for time_ns, topic, kind, message in sorted(self.queue, key=lambda q: q[0]):
                name = topic if topic.startswith("/") else f"{self.options.namespace}/{topic}"
                if name not in self.connections:
                    self.connections[name] = self.writer.add_connection(name, kind, typestore=self.store)
                self.writer.write(self.connections[name], time_ns, self.store.serialize_cdr(message, kind))


def tip_height(t: float, contacts: tuple[float, ...]) -> float:
    """Height of the tip above the block: 0 at contacts, up to 0.1 m between."""
    return min(0.1, min(abs(t - c) for c in contacts) * 0.4) if contacts else 0.1


def put_sound(bag: BagMaker, contacts: Sequence[float]) -> None:
    """Chunks of 10 ms; each contact sounds as a click of known shape at its true time."""
    o, new, start = bag.options, bag.new, bag.options.start_ns
    sound = 1e-4 * bag.rng.standard_normal(round(o.seconds * o.sample_rate))
    for c in contacts:
        at = round(c * o.sample_rate)
        t = np.arange(round(0.2 * o.sample_rate)) / o.sample_rate
        click = 0.5 * np.exp(-60 * t) * np.sin(2 * np.pi * 1500 * t)
        sound[at : at + len(t)] += click[: len(sound) - at]
    chunk = o.sample_rate // 100
    stream, base = "stream-a", 0
    for i in range(0, len(sound) - chunk + 1, chunk):
        t = i / o.sample_rate
        if o.restart_at is not None and t >= o.restart_at and stream == "stream-a":
            stream, base = "stream-b", i
        if o.audio_gap is not None and o.audio_gap[0] <= t < o.audio_gap[1]:
            continue
        true = t * (1 + o.audio_drift_ppm * 1e-6)
        stamp = start + round((true + o.audio_jitter_s * bag.rng.standard_normal()) * 1e9)
        if o.audio_type != "foley_msgs/msg/AudioChunk":
            bag.put(t, "mic/audio", o.audio_type, new("std_msgs/msg/String", "sound"))
            continue
        message = new(
            "foley_msgs/msg/AudioChunk",
            bag.header(stamp, "microphone"),
            stream,
            i - base,
            o.sample_rate,
            1,
            2,
            0.0,
            sound[i : i + chunk].astype(np.float32),
        )
        bag.put(t + chunk / o.sample_rate, "mic/audio", o.audio_type, message)


def write_bag(path: Path, **changes: Any) -> Path:
    """Write a bag as ``BagOptions`` says. Contact k sounds as a click of known shape at its true time."""
    o = BagOptions(**changes)
    bag = BagMaker(path, o)
    new, header, start = bag.new, bag.header, o.start_ns
    times = o.contact_times + ((o.contact_times[0] + 0.1,) if o.close_pair else ())
    put_sound(bag, times)
    for k in range(round(o.seconds * 30) if o.person else 0):
        z = 0.05 + tip_height(k / 30, o.contact_times)
        hand = [
            bag.vector("Point", 0.05 + 0.001 * joint, 0, z) for joint in range(-8, 13)
        ]  # 8 is the index's tip
        nowhere = [bag.vector("Point", np.nan, np.nan, np.nan)] * 21
        message = new(
            "foley_msgs/msg/HandKeypoints",
            header(start + round(k / 30 * 1e9), "world"),
            nowhere,
            hand,
            0.0,
            1.0,
            1,
        )
        bag.put(k / 30, "hand_keypoints", "foley_msgs/msg/HandKeypoints", message)
    for k in range(0 if o.person else round(o.seconds * 250)):
        t = k / 250
        stamp = start + round(t * 1e9)
        z = 0.05 + 0.16 + tip_height(t, o.contact_times)
        z = float("nan") if k % 100 < o.nan_poses else z
        base_x = (0.5 + (0.1 * t if o.base == "moving" else 0.0)) if o.base else 0.0
        pose = new(
            "geometry_msgs/msg/Pose",
            bag.vector("Point", 0.05 - base_x, 0, z),
            new("geometry_msgs/msg/Quaternion", 1.0, 0.0, 0.0, 0.0),
        )
        bag.put(
            t,
            "ee_pose",
            "geometry_msgs/msg/PoseStamped",
            new("geometry_msgs/msg/PoseStamped", header(stamp, "base_link" if o.base else "world"), pose),
        )
        force = 20.0 if min(abs(t - c) for c in o.contact_times) < 0.012 else 0.0
        wrench = new(
            "geometry_msgs/msg/Wrench", bag.vector("Vector3", 0, 0, force), bag.vector("Vector3", 0, 0, 0)
        )
        bag.put(
            t,
            "wrench",
            "geometry_msgs/msg/WrenchStamped",
            new("geometry_msgs/msg/WrenchStamped", header(stamp, "tool"), wrench),
        )
        joints = new(
            "sensor_msgs/msg/JointState",
            header(stamp, ""),
            ["z", "gripper_width" if o.gripper else "other_joint"],
            np.array([z, 0.02]),
            np.zeros(0),
            np.zeros(0),
        )
        bag.put(t, "joint_states", "sensor_msgs/msg/JointState", joints)
    for k in range(round(o.seconds * 30)):
        t = k / 30
        channels = 3 if o.encoding in ("rgb8", "bgr8") else 1
        pixels = np.full((60, 80, channels), k % 256, dtype=np.uint8)
        image = new(
            "sensor_msgs/msg/Image",
            header(start + round(t * 1e9), "camera_optical"),
            60,
            80,
            o.encoding,
            0,
            80 * channels,
            pixels.ravel(),
        )
        bag.put(t + 0.005, "camera/image_raw", "sensor_msgs/msg/Image", image)
    roi = new("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
    k_matrix = np.array([80.0, 0, 39.5, 0, 80.0, 29.5, 0, 0, 1])
    info = new(
        "sensor_msgs/msg/CameraInfo",
        header(start, "camera_optical"),
        60,
        80,
        "plumb_bob",
        np.zeros(5),
        k_matrix,
        np.eye(3).ravel(),
        np.zeros(12),
        0,
        0,
        roi,
    )
    bag.put(0.0, "camera/camera_info", "sensor_msgs/msg/CameraInfo", info)

    # A camera 1 m above the table that looks straight down; a tip at the end of a stick of 0.16 m.
    def transform(stamp: int, parent: str, child: str, xyz: Any, q: Any = (0.0, 0.0, 0.0, 1.0)) -> Any:
        moved = new(
            "geometry_msgs/msg/Transform",
            bag.vector("Vector3", *xyz),
            new("geometry_msgs/msg/Quaternion", *q),
        )
        return new("geometry_msgs/msg/TransformStamped", header(stamp, parent), child, moved)

    fixed = [
        transform(start, "world", "camera_optical", (0.0, 0.0, 1.0), (1.0, 0.0, 0.0, 0.0)),
        transform(start, "tool", "tip", (0.0, 0.0, 0.16)),
    ]
    if o.base == "static":
        fixed.append(transform(start, "world", "base_link", (0.5, 0.0, 0.0)))
    bag.put(0.0, "/tf_static", "tf2_msgs/msg/TFMessage", new("tf2_msgs/msg/TFMessage", fixed))
    for k in range(round(o.seconds * 20) + 1 if o.base == "moving" else 0):
        base = transform(start + k * 50_000_000, "world", "base_link", (0.5 + 0.1 * k / 20, 0.0, 0.0))
        bag.put(k / 20, "/tf", "tf2_msgs/msg/TFMessage", new("tf2_msgs/msg/TFMessage", [base]))
    bag.put(0.0, "robot_description", "std_msgs/msg/String", new("std_msgs/msg/String", URDF))
    if o.scene:
        scene = {
            "scene_id": o.scene_id,
            "split": o.split,
            "objects": [
                {
                    "id": name,
                    "material": material,
                    "log10_youngs_modulus": 10.1,
                    "roughness": 0.2,
                    "hollowness": 0.0,
                }
                for name, material in o.objects
            ],
        }
        bag.put(0.0, "sim/scene", "std_msgs/msg/String", new("std_msgs/msg/String", yaml.safe_dump(scene)))
    for k, c in enumerate(times):
        if o.truth:
            contact = new(
                "foley_msgs/msg/ContactEvent",
                header(start + round(c * 1e9), "world"),
                f"c{k}",
                o.objects[k % len(o.objects)][0],
                bag.vector("Point", 0.05, 0, 0.05),
                1,
                0.002,
                0.03,
                -6.0,
                1.0,
                0,
                0,
                "",
            )
            bag.put(c + 0.001, "sim/contacts", "foley_msgs/msg/ContactEvent", contact)
        if o.tool_plans and k < len(o.contact_times):
            lead = np.arange(101) * 0.01
            poses = [
                new(
                    "geometry_msgs/msg/Pose",
                    bag.vector("Point", 0.05, 0, 0.05 + 0.16 + tip_height(c - 0.5 + s, o.contact_times)),
                    new("geometry_msgs/msg/Quaternion", 1.0, 0.0, 0.0, 0.0),
                )
                for s in lead
            ]
            head = header(start + round((c - 0.5) * 1e9), "world")
            widths = np.full(101, 0.02)
            kind = "foley_msgs/msg/ToolTrajectory"
            plan = new(kind, head, f"plan_{k}", lead, poses, widths)
            bag.put(c - 0.9, "planned_tool_trajectory", kind, plan)
        if o.plans and not o.tool_plans and k < len(o.contact_times):
            points = []
            for j in range(21):
                lead = new("builtin_interfaces/msg/Duration", j // 20, round(j % 20 * 0.05e9))
                z = 0.05 + 0.16 + tip_height(c - 0.5 + j * 0.05, o.contact_times)
                point = new(
                    "trajectory_msgs/msg/JointTrajectoryPoint",
                    np.array([z, 0.02]),
                    np.zeros(0),
                    np.zeros(0),
                    np.zeros(0),
                    lead,
                )
                points.append(point)
            plan = new(
                "trajectory_msgs/msg/JointTrajectory",
                header(start + round((c - 0.5) * 1e9), "world"),
                ["z", "gripper_width"],
                points,
            )
            bag.put(c - 0.9, "planned_joint_trajectory", "trajectory_msgs/msg/JointTrajectory", plan)
    if o.more is not None:
        o.more(bag)
    bag.write()
    return path


@pytest.fixture(scope="session")
def written_bag(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``written_bag(name, options)``: a bag to be copied. Many tests ask for the same ones."""

    @cache
    def write(name: str, options: frozenset[tuple[str, Any]]) -> Path:
        folder = tmp_path_factory.mktemp("written") / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        return write_bag(folder, **dict(options))

    return write


@pytest.fixture
def make_bag(tmp_path: Path, written_bag: Callable[..., Path]) -> Callable[..., Path]:
    """``make_bag("name", seconds=4.0, ...)``: a bag folder; the options are those of ``BagOptions``."""

    def make(name: str = "bag", **changes: Any) -> Path:
        if changes.keys() & {"more", "edit"}:  # functions, which may count what they are given
            return write_bag(tmp_path / name, **changes)
        written = written_bag(name, frozenset(changes.items()))
        return Path(shutil.copytree(written, tmp_path / name, copy_function=shutil.copyfile))

    return make


@pytest.fixture
def serialise() -> Callable[[str, Any], bytes]:
    """``serialise(type, message)`` and, as an attribute, ``types`` to make messages of."""

    def to_bytes(kind: str, message: Any) -> bytes:
        return bytes(typestore().serialize_cdr(message, kind))

    to_bytes.types = typestore().types  # type: ignore[attr-defined]
    return to_bytes


def write_moving_bag(
    path: Path,
    pictures: list[Any],  # rgb [H, W, 3]
    poses: list[Any],  # SE3 of `child` in the world, one a picture; none if nothing moves
    K: Any,
    *,
    child: str = "",
    fixed: tuple[str, str, Any] | None = None,  # parent, child, SE3
    rate_hz: float = 10.0,
    depths: Sequence[Any] = (),  # [H, W] metres, or None where a picture has none
    session: Mapping[str, str] | None = None,
    clicks: Sequence[float] = (),  # [s] when something is heard; none: there is no microphone
) -> Path:
    """Pictures of a camera, and a frame that moves: the camera's own, or that of a tool."""
    bag = BagMaker(path, BagOptions(seconds=len(pictures) / rate_hz))
    if clicks:
        put_sound(bag, clicks)
    if session is not None:
        bag.writer.set_custom_data("foley.session", yaml.safe_dump(dict(session)))
    new, header, start = bag.new, bag.header, bag.options.start_ns

    def transform(stamp: int, parent: str, name: str, pose: Any) -> Any:
        shift, turn = bag.vector("Vector3", *pose.translation), pose.quaternion.tolist()
        inner = new("geometry_msgs/msg/Transform", shift, new("geometry_msgs/msg/Quaternion", *turn))
        return new("geometry_msgs/msg/TransformStamped", header(stamp, parent), name, inner)

    height, width = pictures[0].shape[:2]
    roi = new("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
    numbers = (np.zeros(5), np.asarray(K).ravel(), np.eye(3).ravel(), np.zeros(12), 0, 0, roi)
    info = new(
        "sensor_msgs/msg/CameraInfo", header(start, "camera_optical"), height, width, "plumb_bob", *numbers
    )
    bag.put(0.0, "camera/camera_info", "sensor_msgs/msg/CameraInfo", info)
    if fixed is not None:
        message = new("tf2_msgs/msg/TFMessage", [transform(start, *fixed)])
        bag.put(0.0, "/tf_static", "tf2_msgs/msg/TFMessage", message)
    for k, picture in enumerate(pictures):
        for offset in (-0.045, 0.0, 0.045) if poses else ():  # it stands still around a picture
            pose = poses[k]
            stamp = start + round((k / rate_hz + 0.1 + offset) * 1e9)
            message = new("tf2_msgs/msg/TFMessage", [transform(stamp, "world", child, pose)])
            bag.put(k / rate_hz + 0.1 + offset, "/tf", "tf2_msgs/msg/TFMessage", message)
        stamp = start + round((k / rate_hz + 0.1) * 1e9)
        image = new(
            "sensor_msgs/msg/Image",
            header(stamp, "camera_optical"),
            *(height, width, "rgb8", 0, width * 3, picture.ravel()),
        )
        bag.put(k / rate_hz + 0.1, "camera/image_raw", "sensor_msgs/msg/Image", image)
        if k < len(depths) and depths[k] is not None:
            flat = np.frombuffer(depths[k].astype("<f4").tobytes(), dtype=np.uint8)
            image = new(
                "sensor_msgs/msg/Image",
                header(stamp, "camera_optical"),
                *(height, width, "32FC1", 0, width * 4, flat),
            )
            bag.put(k / rate_hz + 0.1, "camera/depth/image_raw", "sensor_msgs/msg/Image", image)
    bag.write()
    return path


@pytest.fixture
def make_moving_bag(tmp_path: Path) -> Callable[..., Path]:
    return lambda *args, **options: write_moving_bag(tmp_path / "moving", *args, **options)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``film(pictures, camera, ...)``: a bag of what a camera that stands still saw."""

    def make(pictures: list[Any], camera: CameraModel, *, tf: bool = True, **options: Any) -> Path:
        fixed = ("world", "camera_optical", camera.tx_world_camera) if tf else None
        folder = tmp_path_factory.mktemp("film") / "bag"
        return write_moving_bag(folder, pictures, [], camera.K, fixed=fixed, **options)

    return make


@pytest.fixture(scope="session")
def carpet() -> Any:
    """Gaussians: spots of all sizes and colours on stairs, full of features."""
    import torch

    from foley_perception.gaussians.gaussians import Gaussians

    rng = np.random.default_rng(0)
    n = 8000
    points = np.stack([rng.uniform(-0.5, 0.5, n), rng.uniform(-0.5, 0.5, n), np.zeros(n)], -1)
    points[:, 2] = 0.05 * np.floor(4 * (points[:, 0] + 0.5))
    scales = np.exp(rng.uniform(np.log(0.004), np.log(0.02), (n, 1))) * [1.0, 1.0, 0.1]
    tensors = (
        points,
        np.tile([1.0, 0, 0, 0], (n, 1)),
        scales,
        np.full(n, 0.95),
        rng.normal(0, 1.0, (n, 1, 3)),
    )
    return Gaussians(*(torch.tensor(value, dtype=torch.float32) for value in tensors))


@pytest.fixture(scope="session")
def hamer_of() -> Callable[..., dict[str, Any]]:
    """``hamer_of(camera, points)``: what HaMeR would give of a right hand."""
    return _hamer_of


def _hamer_of(camera: CameraModel, points: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """What HaMeR would give: a weak perspective camera round a box."""
    seen = camera.to_camera(points)
    pixels = camera.project(points)[0] + 0.5
    middle = (pixels.min(axis=0) + pixels.max(axis=0)) / 2
    box = 2.0 * float(np.ptp(pixels, axis=0).max())
    joints = seen - seen.mean(axis=0)
    scale = 2 * camera.K[0, 0] / seen[:, 2].mean() / box
    shift = ((pixels - middle) / (box * scale / 2) - joints[:, :2]).mean(axis=0)
    return {
        "pred_keypoints_3d": joints[None].astype(np.float32),
        "pred_cam": np.array([[scale, *shift]], np.float32),
        "box_center": middle[None].astype(np.float32),
        "box_size": np.array([box], np.float32),
        "right": np.ones(1, np.float32),
    }
