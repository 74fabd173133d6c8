"""What is sensed beside sound, without middleware: messages in, histories and problems out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from tf2_msgs.msg import TFMessage

from foley_common import topics
from foley_common.latencies import Latencies
from foley_perception.clips.pictures import NoPicture
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.crop import crop_around
from foley_perception.geometry.se3 import SE3
from foley_perception.ros.sensed_scene import SensedScene
from foley_perception.scene.sensing import SensingConfig
from foley_ros import convert
from foley_ros.faults import Faults

S = 1_000_000_000
MS = S // 1000
T0 = 10 * S
UPRIGHT = np.array([0.0, 0.0, 0.0, 1.0])


class Node:
    """Stands for node, entities and poller: whoever subscribes is handed what :meth:`send` is given."""

    def __init__(self, **config: Any) -> None:
        self.entities = self
        self.latencies = Latencies()
        self.time_ns = T0
        self.logged: list[str] = []
        self.faults = Faults(self.logged.append)
        self.published: set[str] = set()
        self._callbacks: dict[str, Callable[[Any], None]] = {}
        self.scene = SensedScene(self, self, SensingConfig(**config))  # type: ignore[arg-type]

    def subscribe(self, topic: topics.Topic, callback: Callable[[Any], None], *, raw: bool = False) -> str:
        self._callbacks[topic.name] = (lambda m: callback(serialize_message(m))) if raw else callback
        return topic.name

    def unsubscribe(self, subscription: str) -> None:
        del self._callbacks[subscription]

    def resolve_topic_name(self, topic: str, *, only_expand: bool = False) -> str:
        return f"/robot/{topic}"

    def count_publishers(self, topic_name: str) -> int:
        return int(topic_name in self.published)

    def now_ns(self) -> int:
        return self.time_ns

    def get_publishers_info_by_topic(self, topic_name: str) -> list[Any]:
        return []

    def report(self, source: str, what: str, *, serious: bool = False) -> None:
        self.faults.report(source, what, self.time_ns, serious=serious)

    def send(self, topic: topics.Topic, message: Any) -> None:
        self.send_to(topic.name, message)

    def send_to(self, name: str, message: Any) -> None:
        self._callbacks[name](message)

    @property
    def subscribed(self) -> set[str]:
        return set(self._callbacks)

    def pose(self, time_ns: int, frame: str = "world") -> None:
        message: PoseStamped = convert.pose_stamped(np.array([0.0, 0.0, 0.5]), UPRIGHT, time_ns, frame)
        self.send(topics.EE_POSE, message)

    def joints(self, time_ns: int, **positions: float) -> None:
        message = JointState(header=convert.header(time_ns, ""), name=list(positions))
        message.position = list(positions.values())
        self.send(topics.JOINT_STATES, message)

    def transform(self, topic: topics.Topic, parent: str, child: str, time_ns: int, height: float) -> None:
        place = np.array([0.0, 0.0, height])
        made = convert.arrays_to_transform(place, UPRIGHT, time_ns, parent, child)
        self.send(topic, TFMessage(transforms=[made]))


def test_the_width_is_known_where_arm_and_gripper_publish_apart() -> None:
    node = Node(gripper=True)
    # The arm at 500 Hz comes after 1 ms, the gripper at 50 Hz after 4 ms.
    sent = [(t + MS, t, "arm") for t in range(T0, T0 + S, 2 * MS)]
    sent += [(t + 4 * MS, t, "gripper_width") for t in range(T0, T0 + S, 20 * MS)]
    for _, time_ns, name in sorted(sent):
        node.joints(time_ns, **{name: 0.02})
    times, widths = node.scene.widths.all()
    assert times.tolist() == list(range(T0, T0 + S, 20 * MS))
    np.testing.assert_allclose(np.stack(widths), 0.02)


def test_a_width_that_nobody_tells_is_a_problem() -> None:
    node = Node(gripper=True)

    def told() -> bool:
        said = "joint `gripper_width` of the hand `parallel_gripper` was "
        return any(said in problem for problem in node.scene.problems())

    for i in range(300):
        node.time_ns = T0 + i * 10 * MS
        node.joints(node.time_ns, arm=0.1)
    assert told()
    node.joints(node.time_ns, arm=0.1, gripper_width=0.02)
    assert not told()
    node.time_ns += 3 * S
    assert told(), "it ceased"
    blind = Node(gripper=False)
    blind.time_ns += 10 * S
    assert not any("width" in problem for problem in blind.scene.problems()), "who needs none"


def test_a_tip_that_comes_late_leaves_no_step_in_the_motion() -> None:
    node = Node()
    for i in range(100):
        node.time_ns = T0 + i * 4 * MS
        node.pose(node.time_ns)
        if i == 50:
            heights = node.scene.tips.series(T0, node.time_ns)[1][:, 2]
            assert (heights == 0.5).all() and any("tool point" in p for p in node.scene.problems())
        if i == 60:
            node.transform(topics.TF_STATIC, "tool", "tip", T0, 0.15)
    heights = node.scene.tips.series(T0, node.time_ns)[1][:, 2]
    assert len(heights) == 100 and (heights == 0.5 + 0.15).all()


def test_poses_looked_at_before_their_frame_was_known_are_not_lost_and_do_not_flood_the_log() -> None:
    node = Node()
    node.transform(topics.TF_STATIC, "tool", "tip", T0, 0.0)
    for i in range(100):
        node.pose(T0 + i * 4 * MS, "base")
    for _ in range(3):
        assert not len(node.scene.tips.series(T0, T0 + S)[0])
    node.scene.poll()  # tf was asked in vain: it is listened to from now on
    node.transform(topics.TF, "world", "base", T0 - S, 0.2)  # known, but of another time
    assert not len(node.scene.tips.series(T0, T0 + S)[0])
    assert len(node.logged) == 2, "one for each reason: not connected, and not at that time"
    assert all("world <- base" in line for line in node.logged)
    for i in range(100):
        node.transform(topics.TF, "world", "base", T0 + i * 4 * MS, 0.2)
    tips = node.scene.tips.series(T0, T0 + S)[1]
    assert len(tips) == 100
    np.testing.assert_allclose(tips[:, 2], 0.7)


def test_poses_without_stamps_are_left_out_and_told() -> None:
    node = Node()
    for _ in range(3):
        node.time_ns += 4 * MS
        node.pose(0)
    assert node.scene.tips.newest_ns is None
    (said,) = (line for line in node.logged if "header.stamp" in line)
    assert said.startswith("ee_pose: header.stamp: it is 0") and node.faults.serious(node.time_ns)


def test_images_without_stamps_go_by_arrival_and_are_told_and_lost_ones_are_counted(monkeypatch: Any) -> None:
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", "")
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", "")
    node = Node(pictures=True)

    def image(stamp_ns: int) -> None:
        made = Image(header=convert.header(stamp_ns, "eye"), height=4, width=4, encoding="rgb8", step=12)
        made.data = bytes(48)
        node.send(topics.CAMERA, made)

    node.time_ns += 7 * MS
    image(0)
    assert node.scene.camera.pictures.newest_ns == node.time_ns
    assert any("camera/image_raw: header.stamp is 0" in problem for problem in node.scene.problems())
    for i in range(90):
        if i % 3:
            image(T0 + S + i * S // 30)
    problem = next(p for p in node.scene.problems() if "frames are lost" in p)
    assert "33 % of frames are lost" in problem and "(30 Hz by their stamps, 20 Hz arrive)" in problem
    assert "no Fast DDS profile is set" in problem and "header.stamp" not in problem


def test_another_thread_is_never_told_a_tip_that_is_still_being_looked_up(monkeypatch: Any) -> None:
    node = Node()
    node.transform(topics.TF_STATIC, "tool", "tip", T0, 0.15)
    lookup, looking, go_on = node.scene.lookup, threading.Event(), threading.Event()

    def slow(*args: Any) -> SE3:
        if threading.current_thread() is not threading.main_thread():
            looking.set()
            assert go_on.wait(20.0)
        return lookup(*args)

    monkeypatch.setattr(node.scene, "lookup", slow)
    other = threading.Thread(target=node.scene.tx_tool_tip)
    other.start()
    try:
        assert looking.wait(20.0)
        assert node.scene.tx_tool_tip().translation[2] == 0.15
    finally:
        go_on.set()
        other.join()


# ---- camera ----------------------------------------------------------------------------------------------
K = [100.0, 0.0, 39.5, 0.0, 100.0, 29.5, 0.0, 0.0, 1.0]
POINT = np.array([0.05, 0.02, 0.6])  # [m] before a camera in the world's origin


def info(time_ns: int, **changes: Any) -> CameraInfo:
    fields = {"width": 80, "height": 60, "distortion_model": "plumb_bob", "d": [0.0] * 5, "k": K, **changes}
    return CameraInfo(header=convert.header(time_ns, "eye"), **fields)


def disc(camera: CameraModel, d: Any = (0.0,) * 5) -> np.ndarray:
    """A picture of a red disc at POINT."""
    seen = camera.to_camera(POINT)[None]
    pixel = cv2.projectPoints(seen, np.zeros(3), np.zeros(3), camera.K, np.array(d))[0].reshape(2)
    rows, columns = np.mgrid[0:60, 0:80]
    rgb = np.full((60, 80, 3), 90, np.uint8)
    rgb[np.hypot(columns - pixel[0], rows - pixel[1]) < 4] = (220, 20, 20)
    return rgb


def camera_at(height: float) -> CameraModel:
    return CameraModel(np.array(K).reshape(3, 3), 80, 60, SE3.from_translation([0.0, 0.0, height]))


def off_centre(rgb: np.ndarray) -> float:
    v, u = np.nonzero(rgb[..., 0].astype(int) - rgb[..., 1] > 80)
    return float(np.hypot(u.mean() - 63.5, v.mean() - 63.5))


def test_each_picture_is_cut_by_the_camera_of_its_time() -> None:
    """A camera that approaches; the place would wander out of the middle."""
    node, d = Node(pictures=True), [-0.3, 0.1, 0.0, 0.0, 0.0]
    node.scene.poll()
    node.send(topics.CAMERA_INFO, info(T0, d=d))
    node.scene.poll()  # tf was asked in vain: it is listened to from now on
    for i in range(10):
        time_ns = T0 + i * 100 * MS
        node.send(topics.CAMERA, convert.array_to_image(disc(camera_at(0.03 * i), d), "rgb8", time_ns, "eye"))
        for shift in (-20, 20):
            node.transform(topics.TF, "world", "eye", time_ns + shift * MS, 0.03 * (i + shift / 100))
    streams = node.scene.streams(T0, T0 + S)
    assert len(streams.frame_times) == 10
    for i, time_ns in enumerate(streams.frame_times.tolist()):
        camera = streams.camera(time_ns)
        assert camera.tx_world_camera.translation[2] == pytest.approx(0.03 * i)
        assert off_centre(crop_around(streams.frame(i), camera, POINT)) < 3
    assert node.scene.camera.placed_until_ns() == T0 + 920 * MS
    with pytest.raises(NoPicture, match="nobody knows where the camera was"):
        streams.camera(T0 + 5 * S)


def test_compressed_images_are_taken_where_only_these_are_published() -> None:
    node = Node(pictures=True)
    node.transform(topics.TF_STATIC, "world", "eye", T0, 0.0)
    node.send(topics.CAMERA_INFO, info(T0))
    node.published = {"/robot/camera/image_raw/compressed", "/robot/camera/depth/image_raw/compressedDepth"}
    node.scene.poll()
    assert topics.CAMERA.name not in node.subscribed
    jpeg = cv2.imencode(".jpg", disc(camera_at(0.0))[..., ::-1])[1].tobytes()
    name = "/robot/camera/image_raw/compressed"
    message = CompressedImage(
        header=convert.header(T0, "eye"), format="rgb8; jpeg compressed bgr8", data=jpeg
    )
    node.send_to(name, message)
    message = CompressedImage(header=convert.header(T0 + MS, "eye"), format="jpeg", data=jpeg[:-200])
    node.send_to(name, message)
    assert "a JPEG ends after" in node.logged[-1]
    streams = node.scene.streams(T0, T0 + S)
    assert off_centre(crop_around(streams.frame(0), streams.camera(T0), POINT)) < 3
    assert len(streams.frame_times) == 1
    png = cv2.imencode(".png", np.full((60, 80), 1200, np.uint16))[1].tobytes()
    form = "16UC1; compressedDepth png"
    far = CompressedImage(header=convert.header(T0, "eye"), format=form, data=bytes(12) + png)
    node.send_to("/robot/camera/depth/image_raw/compressedDepth", far)
    depth, _ = node.scene.background.view()
    assert depth[0, 0] == pytest.approx(1.2)
    # Raw images come before compressed ones, once there are some.
    node.published.add("/robot/camera/image_raw")
    node.time_ns += 2 * S
    node.scene.poll()
    assert topics.CAMERA.name in node.subscribed and name not in node.subscribed


def test_only_a_robot_that_has_a_depth_camera_is_told_that_it_is_silent() -> None:
    node = Node(pictures=True)
    node.time_ns += 60 * S
    said = [one for one in node.scene.problems() if "nothing usable on" in one]
    assert len(said) == 2 and not any("depth" in one for one in said)
    node.published = {"/robot/camera/depth/image_raw"}
    assert any("nothing usable on camera/depth/image_raw" in one for one in node.scene.problems())


def test_a_transport_may_be_chosen() -> None:
    node = Node(pictures=True, camera_transport="compressed")
    assert "/robot/camera/image_raw/compressed" in node.subscribed
    node = Node(pictures=True, camera_transport="raw")
    node.published = {"/robot/camera/image_raw/compressed"}
    node.scene.poll()
    assert topics.CAMERA.name in node.subscribed
    with pytest.raises(ValueError, match="camera_transport is `theora`"):
        SensingConfig(camera_transport="theora")


def test_an_image_of_another_size_is_left_out() -> None:
    node = Node(pictures=True)
    for i, width in enumerate((80, 40, 80)):
        node.send(
            topics.CAMERA, convert.array_to_image(np.zeros((60, width, 3), np.uint8), "rgb8", T0 + i * MS, "")
        )
        assert ("image is 40x60, the others are 80x60: it is left out" in "".join(node.logged)) == (i > 0)
    assert len(node.scene.camera.pictures) == 2


def test_depth_in_millimetres_as_floats_is_told() -> None:
    node = Node()
    node.transform(topics.TF_STATIC, "world", "eye", T0, 0.0)
    node.send(topics.CAMERA_INFO, info(T0))
    node.send(
        topics.CAMERA_DEPTH, convert.array_to_image(np.full((60, 80), 900, np.float32), "32FC1", T0, "eye")
    )
    assert node.scene.background.view()[0][0, 0] == pytest.approx(0.9)
    assert any("they are taken for millimetres" in problem for problem in node.scene.problems())


def test_depth_behind_the_arm_is_undistorted() -> None:
    node, d = Node(), [-0.3, 0.1, 0.0, 0.0, 0.0]
    node.transform(topics.TF_STATIC, "world", "eye", T0, 0.0)
    node.send(topics.CAMERA_INFO, info(T0, d=d))
    near = np.where(disc(camera_at(0.0), d)[..., 0] > 200, 550, 600).astype(np.uint16)
    node.send(topics.CAMERA_DEPTH, convert.array_to_image(near, "16UC1", T0, "eye"))
    depth, camera = node.scene.background.view()
    v, u = np.nonzero(depth < 0.575)
    assert np.abs(camera.project(POINT)[0] - (u.mean(), v.mean())).max() < 0.7
    assert node.scene.background.view()[0] is depth, "it is done once"


def test_depth_of_a_camera_on_the_tool_is_not_used_and_that_is_told() -> None:
    node = Node()
    node.transform(topics.TF_STATIC, "tool", "eye", T0, -0.2)
    node.send(topics.CAMERA_INFO, info(T0))
    node.scene.poll()
    node.transform(topics.TF, "world", "tool", T0, 0.5)
    node.send(
        topics.CAMERA_DEPTH, convert.array_to_image(np.full((60, 80), 900, np.uint16), "16UC1", T0, "eye")
    )
    assert node.scene.background.view() is None
    assert any("(eye) is carried by the tool" in problem for problem in node.scene.problems())


def test_depth_seen_from_another_place_is_forgotten() -> None:
    """A camera that something else than the arm moves: only what it saw from where it is now counts."""
    node = Node()
    node.send(topics.CAMERA_INFO, info(T0))
    node.scene.poll()
    for i, (height, far) in enumerate(((0.0, 1500), (0.0, 1400), (0.3, 900))):
        time_ns = T0 + i * S
        node.transform(topics.TF, "world", "eye", time_ns, height)
        node.send(
            topics.CAMERA_DEPTH,
            convert.array_to_image(np.full((60, 80), far, np.uint16), "16UC1", time_ns, "eye"),
        )
        depth, camera = node.scene.background.view()
        assert camera.tx_world_camera.translation[2] == pytest.approx(height)
    assert depth[0, 0] == pytest.approx(0.9)


def test_a_calibration_that_cannot_be_used_is_told() -> None:
    node = Node(pictures=True)
    node.transform(topics.TF_STATIC, "world", "eye", T0, 0.0)
    node.send(topics.CAMERA, convert.array_to_image(np.zeros((60, 80, 3), np.uint8), "rgb8", T0, "eye"))
    node.send(topics.CAMERA_INFO, info(T0, width=80, height=45))
    assert any("images are 80x60, camera_info is of 80x45" in problem for problem in node.scene.problems())
    with pytest.raises(ValueError, match="of another shape"):
        node.scene.streams(T0, T0 + S)
