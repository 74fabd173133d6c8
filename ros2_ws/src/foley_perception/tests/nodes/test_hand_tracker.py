"""The hand tracker over real middleware: pictures, depth and tf to keypoints.

What the networks say is made up, so that it is known; at the end the real ones look at a drawn hand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from foley_msgs.msg import HandKeypoints
from foley_perception.action.gripper import GripperHand
from foley_perception.geometry.se3 import SE3
from foley_perception.hands.analytic import DrawnHand
from foley_perception.hands.detect import HandDetector, Region, SeenHand
from foley_perception.hands.models import HandModelError
from foley_perception.nodes import hand_tracker as module
from foley_perception.nodes.hand_tracker import HandTrackerNode
from foley_perception.scene.analytic import BOXES, bench_camera, render_depth
from foley_ros import convert, qos

pytestmark = pytest.mark.nodes

CAMERA = bench_camera()
TRUTH = GripperHand.from_yaml("parallel_gripper").keypoints(
    SE3.from_rotation_vector([[2.0, 0.4, -0.3]], [[0.05, 0.1, 0.12]]), 0.05
)[0, 1]


class Detector:
    """Sees the same right hand in every picture that is not black; takes it for a fifth too large."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def forget(self) -> None: ...

    def detect(self, rgb: np.ndarray) -> list[SeenHand]:
        if not rgb.any():
            return []
        region = Region(np.zeros(2), 1.0, 0.0)
        return [SeenHand(CAMERA.project(TRUTH)[0] + 0.5, 1.2 * TRUTH, 0.95, 0.9, region)]


class Rig:
    def __init__(self, context: Any) -> None:
        self.context = context
        self.node = context.add(HandTrackerNode())
        driver = context.create_node("camera")
        self.keypoints: list[HandKeypoints] = []
        self.status: list[DiagnosticStatus] = []
        driver.create_subscription(HandKeypoints, "hand_keypoints", self.keypoints.append, qos.STATE)
        driver.create_subscription(DiagnosticArray, "/diagnostics", self._diagnosed, 10)
        self.node.set_parameters([Parameter("rate_hz", value=100.0)])
        context.transition("/hand_tracker", "configure", "activate")
        self.image = driver.create_publisher(Image, "camera/image_raw", qos.IMAGE)
        self.depth = driver.create_publisher(Image, "camera/depth/image_raw", qos.IMAGE)
        self.info = driver.create_publisher(CameraInfo, "camera/camera_info", qos.IMAGE)
        self.tf = driver.create_publisher(TFMessage, "/tf_static", qos.TF_STATIC)
        publishers = (self.image, self.depth, self.info, self.tf)
        self.until(lambda: all(p.get_subscription_count() for p in publishers), "subscriptions")

    def _diagnosed(self, message: DiagnosticArray) -> None:
        self.status += [s for s in message.status if s.name.endswith("hand_tracker")]

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        return self.context.spin_until(condition, 20.0, what)

    def until_told(self, text: str, drive: Callable[[], None]) -> None:
        def told() -> bool:
            drive()
            return any(text in s.message and s.level == DiagnosticStatus.WARN for s in self.status)

        self.until(told, f"diagnosis `{text}`")

    def send_tf(self) -> None:
        pose = CAMERA.tx_world_camera
        x, y, z, w = pose.quaternion.tolist()
        shift = Vector3(**dict(zip("xyz", pose.translation.tolist(), strict=True)))
        transform = TransformStamped(header=convert.header(1, "world"), child_frame_id="camera_optical")
        transform.transform = Transform(translation=shift, rotation=Quaternion(x=x, y=y, z=z, w=w))
        self.tf.publish(TFMessage(transforms=[transform]))

    def send(
        self,
        value: int | np.ndarray = 90,
        *,
        depth: np.ndarray | None = None,
        info: bool = True,
        width: int = 320,
    ) -> int:
        time_ns = time.time_ns()
        if info:
            header = convert.header(time_ns, "camera_optical")
            self.info.publish(CameraInfo(header=header, width=320, height=240, k=CAMERA.K.ravel().tolist()))
        if depth is not None:
            self.depth.publish(convert.array_to_image(depth, "32FC1", time_ns, "camera_optical"))
        pixels = np.broadcast_to(np.asarray(value, np.uint8), (240, width, 3))
        self.image.publish(convert.array_to_image(pixels, "rgb8", time_ns, "camera_optical"))
        time.sleep(0.02)
        return time_ns


@pytest.fixture
def rig(ros_context: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(module, "HandDetector", Detector)
    rig = Rig(ros_context)
    yield rig
    rig.node._release()


def depth_of_the_hand() -> np.ndarray:
    depth = np.full((240, 320), 1.2, np.float32)
    pixels, depths = CAMERA.project(TRUTH)
    for (u, v), z in zip(np.round(pixels).astype(int), depths, strict=True):
        depth[v - 1 : v + 2, u - 1 : u + 2] = z - 0.008
    return depth


def test_a_hand_is_published_where_it_is(rig: Rig) -> None:
    rig.send_tf()
    depth, sent = depth_of_the_hand(), set()

    def drive() -> HandKeypoints | None:
        sent.add(rig.send(depth=depth))
        sure = [k for k in rig.keypoints if k.right_confidence > 0.8]
        return sure[5] if len(sure) > 5 else None

    message = rig.until(drive, "keypoints with depth")
    assert convert.to_ns(message.header.stamp) in sent  # that of the picture
    assert message.header.frame_id == "world" and message.source == HandKeypoints.SOURCE_TRACKER
    hands = convert.keypoints_to_array(message)
    assert np.isnan(hands[0]).all() and message.left_confidence == 0.0
    np.testing.assert_allclose(hands[1], TRUTH, atol=0.012)

    rig.until(lambda: (rig.send(0), rig.keypoints[-1].right_confidence == 0)[1], "a picture without a hand")
    assert np.isnan(convert.keypoints_to_array(rig.keypoints[-1])).all()


def test_without_depth_it_is_less_sure(rig: Rig) -> None:
    rig.send_tf()
    rig.until(lambda: (rig.send(), [k for k in rig.keypoints if k.right_confidence > 0])[1], "keypoints")
    assert rig.keypoints[-1].right_confidence == pytest.approx(0.45)


def test_what_is_missing_or_wrong_is_told(rig: Rig) -> None:
    rig.until_told("no camera/image_raw yet", lambda: None)
    rig.until_told("no camera/camera_info", lambda: rig.send(info=False) and None)
    rig.until_told("no transform world <- camera_optical", lambda: rig.send() and None)
    rig.send_tf()
    rig.until_told(
        "images are 160x240, camera_info is of 320x240: of another shape",
        lambda: rig.send(width=160) and None,
    )
    rig.keypoints.clear()
    rig.until(lambda: (rig.send(), rig.keypoints)[1], "keypoints afterwards")


def test_without_its_networks_it_is_not_configured(ros_context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(**options: Any) -> Detector:
        raise HandModelError("fetch the networks with `foley hands fetch`")

    monkeypatch.setattr(module, "HandDetector", missing)
    node = ros_context.add(HandTrackerNode())
    with pytest.raises(AssertionError):
        ros_context.transition("/hand_tracker", "configure")
    node._release()


def test_the_real_networks_put_a_drawn_hand_where_it_is(ros_context: Any) -> None:
    try:
        HandDetector()
    except HandModelError as error:
        pytest.skip(str(error))
    hand = DrawnHand(right=True, curl=0.3)
    pose = SE3.from_rotation([[0.0, -1, 0], [-1, 0, 0], [0, 0, -1]], (0.16, -0.06, 0.1))
    table = np.full((240, 320, 3), 130, np.uint8)
    rgb, depth = hand.draw(CAMERA, pose, table, render_depth(CAMERA, BOXES))
    rig = Rig(ros_context)
    try:
        rig.send_tf()

        def drive() -> HandKeypoints | None:
            rig.send(rgb, depth=depth)
            sure = [k for k in rig.keypoints if k.right_confidence > 0.5]
            return sure[5] if len(sure) > 5 else None

        message = rig.until(drive, "a hand")
        assert message.left_confidence == 0.0
        found, truth = convert.keypoints_to_array(message)[1], hand.joints(pose)
        assert np.linalg.norm(found - truth, axis=1).mean() < 0.025
        off = np.linalg.norm(CAMERA.project(found)[0] - CAMERA.project(truth)[0], axis=1)
        assert off.mean() < 4.0
    finally:
        rig.node._release()
