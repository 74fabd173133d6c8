"""What the synthesizer sees and measures: camera, depth, tf, poses, force and gripper width, kept for seconds.

Poses, forces and joints come at the robot's control rate and are needed only when something is predicted. They
are received as bytes, kept by the stamp that every stamped message begins with, and read when asked for.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
from geometry_msgs.msg import PoseStamped, WrenchStamped
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, Image, JointState

from foley_common.times import NS_PER_S
from foley_perception.action.gripper import GripperHand
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformUnavailable
from foley_perception.ros.motion import pose_to_se3
from foley_perception.scene.background import BackgroundDepth
from foley_ros import convert, qos
from foley_ros.entities import Owned
from foley_ros.faults import Faults
from foley_ros.polling import Drain
from foley_ros.raw import stamp_ns
from foley_synthesis.live.config import SynthesizerConfig
from foley_synthesis.live.history import Frame, History
from foley_synthesis.live.synthesis_core import View
from foley_synthesis.ros.tf import LazyTf

KEPT_S = 8.0
DRAIN_PERIOD_S = 0.02
BACKGROUND_FRAMES = 8  # their far envelope takes 20 ms
Value = TypeVar("Value")


class RawHistory(Generic[Value]):
    """Serialised messages by stamp; ``decode`` gives a value, or None for one that cannot be used."""

    def __init__(self, message_type: type, decode: Callable[[Any], Value | None]) -> None:
        self._type, self._decode = message_type, decode
        self._raw: History[bytes] = History(KEPT_S)

    def on_message(self, raw: bytes) -> None:
        self._raw.add(stamp_ns(raw), raw)

    @property
    def newest_ns(self) -> int | None:
        return self._raw.newest_ns

    def newest_until(self, time_ns: int) -> Value | None:
        raw = self._raw.newest_until(time_ns)
        return self._decode(deserialize_message(raw, self._type)) if raw is not None else None

    def between(self, start_ns: int, end_ns: int) -> History[Value]:
        values: History[Value] = History(KEPT_S)
        for time_ns, raw in zip(*self._raw.snapshot(), strict=True):
            if start_ns <= time_ns <= end_ns:
                value = self._decode(deserialize_message(raw, self._type))
                if value is not None:
                    values.add(time_ns, value)
        return values


class SceneInputs:
    """Subscriptions of the synthesizer. Callbacks store; :meth:`view` may be called from the worker's thread."""

    def __init__(
        self,
        owned: Owned,
        config: SynthesizerConfig,
        hand: GripperHand,
        faults: Faults,
        now_ns: Callable[[], int],
    ) -> None:
        self._config, self._hand, self._faults, self._now_ns = config, hand, faults, now_ns
        self.fixed_frame = config.fixed_frame
        self.tf = LazyTf(owned)
        self.frames: History[Frame] = History(KEPT_S)
        self._background = BackgroundDepth(frames=BACKGROUND_FRAMES)
        self._background_lock = threading.Lock()
        self._info: CameraInfo | None = None
        self._seen_ns: dict[str, int] = {}
        self._started_ns = now_ns()
        self.poses = RawHistory(PoseStamped, self._pose)
        self._forces = RawHistory(WrenchStamped, _force)
        self._widths = RawHistory(JointState, self._width)
        owned.subscription(Image, "camera/image_raw", self._on_image, qos.IMAGE)
        owned.subscription(Image, "camera/depth/image_raw", self._on_depth, qos.IMAGE)
        owned.subscription(CameraInfo, "camera/camera_info", self._on_info, qos.IMAGE)
        drain = Drain(owned, DRAIN_PERIOD_S)
        for message_type, topic, history in (
            (PoseStamped, "ee_pose", self.poses),
            (WrenchStamped, "wrench", self._forces),
            (JointState, "joint_states", self._widths),
        ):
            drain.subscription(message_type, topic, history.on_message, qos.STATE, raw=True)

    # ---- for predictions -------------------------------------------------------------------------------
    def view(self, measured: tuple[int, int] | None = None) -> View:
        """The scene now; with what was ``measured`` between two times [ns], for an executed contact."""
        camera, tx_tool_tip, missing = None, None, []
        try:
            camera = self.camera()
        except (TransformUnavailable, ValueError) as error:
            missing.append(str(error))
        try:
            tx_tool_tip = self.tx_tool_tip()
        except TransformUnavailable as error:
            missing.append(str(error))

        def tip_at(time_ns: int) -> NDArray[np.float64] | None:
            pose = self.poses.newest_until(time_ns)
            return None if pose is None or tx_tool_tip is None else pose.apply(tx_tool_tip.translation)

        tips: History[NDArray[np.float64]] = History(KEPT_S)
        widths: History[float] = History(KEPT_S)
        forces: History[float] = History(KEPT_S)
        if measured is not None:
            widths, forces = self._widths.between(*measured), self._forces.between(*measured)
            if tx_tool_tip is not None:
                for time_ns, pose in zip(*self.poses.between(*measured).snapshot(), strict=True):
                    tips.add(time_ns, pose.apply(tx_tool_tip.translation))
        return View(camera, self._depth(), self.frames, tip_at, tips, widths, forces, "; ".join(missing))

    def _depth(self) -> NDArray[np.float32] | None:
        with self._background_lock:
            return self._background.depth()

    def tx_tool_tip(self) -> SE3:
        """Raises TransformUnavailable where tf does not know the tip."""
        return self.tf.lookup(self._config.tool_frame, self._config.tip_frame)

    def camera(self) -> CameraModel:
        """The camera as newest known.

        Raises:
            TransformUnavailable: tf does not know where the camera is.
            ValueError: there is no camera_info, or the camera is not calibrated.
        """
        info = self._info
        if info is None:
            raise ValueError("no camera_info was received on camera/camera_info: does the driver publish it?")
        pose = self.tf.lookup(self._config.fixed_frame, info.header.frame_id)
        return CameraModel(convert.intrinsics(info), int(info.width), int(info.height), pose)

    # ---- for diagnostics -------------------------------------------------------------------------------
    def problems(self, now_ns: int) -> list[str]:
        """What is missing at the moment, one sentence each."""
        found = []
        needed = ["camera/image_raw", "camera/camera_info"]
        if self._config.use_depth:
            needed.append("camera/depth/image_raw")
        for topic in needed:
            silent_s = (now_ns - self._seen_ns.get(topic, self._started_ns)) / NS_PER_S
            if silent_s > self._config.stale_s:
                found.append(f"nothing usable on {topic} for {silent_s:.1f} s")
        pose_ns = self.poses.newest_ns
        if pose_ns is None or now_ns - pose_ns > self._config.stale_s * NS_PER_S:
            found.append("no poses on ee_pose: planned predictions go on, executed ones do not")
        try:
            self.tx_tool_tip()
            if self._info is not None:
                self.camera()
        except (TransformUnavailable, ValueError) as error:
            found.append(str(error))
        return found

    # ---- callbacks -------------------------------------------------------------------------------------
    def _on_image(self, message: Image) -> None:
        try:
            rgb = convert.image_to_rgb(message)
        except convert.ConversionError as error:
            self._faults.report("camera/image_raw", str(error), self._now_ns())
            return
        self._faults.clear("camera/image_raw")
        self._seen_ns["camera/image_raw"] = self._now_ns()
        self.frames.add(convert.to_ns(message.header.stamp), rgb)

    def _on_depth(self, message: Image) -> None:
        try:
            depth = convert.depth_to_metres(message)
        except convert.ConversionError as error:
            self._faults.report("camera/depth/image_raw", str(error), self._now_ns())
            return
        self._faults.clear("camera/depth/image_raw")
        self._seen_ns["camera/depth/image_raw"] = self._now_ns()
        with self._background_lock:
            self._background.add(convert.to_ns(message.header.stamp), depth)

    def _on_info(self, message: CameraInfo) -> None:
        self._seen_ns["camera/camera_info"] = self._now_ns()
        self._info = message

    # ---- decoding, in the worker's thread ----------------------------------------------------------------
    def _pose(self, message: PoseStamped) -> SE3 | None:
        pose = pose_to_se3(message.pose)
        if pose is None:
            self._faults.report("ee_pose", "a pose is not finite; it is left out", self._now_ns())
            return None
        frame = message.header.frame_id
        if frame and frame != self._config.fixed_frame:
            try:
                pose = self.tf.lookup(self._config.fixed_frame, frame) @ pose
            except TransformUnavailable as error:
                self._faults.report("ee_pose", str(error), self._now_ns())
                return None
        return pose

    def _width(self, message: JointState) -> float | None:
        joint = self._hand.width_joint
        if joint not in message.name:
            return None
        index = list(message.name).index(joint)
        if index >= len(message.position):
            return None
        width = float(self._hand.width_of(message.position[index]))
        return width if math.isfinite(width) else None


def _force(message: WrenchStamped) -> float | None:
    f = message.wrench.force
    force = math.sqrt(f.x * f.x + f.y * f.y + f.z * f.z)
    return force if math.isfinite(force) else None
