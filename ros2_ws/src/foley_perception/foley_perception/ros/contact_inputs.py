"""What the contact detector knows besides sound: tip, force, surroundings and plans.

Poses and forces are kept as bytes and read around an onset. Subscriptions call back in the executor's thread and only
store; everything else may be called from the worker's thread.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from geometry_msgs.msg import PoseStamped, WrenchStamped
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, Image

from foley_common.times import NS_PER_S
from foley_msgs.msg import HandTrajectory
from foley_perception.action.gripper import GripperHand
from foley_perception.contact.config import ContactDetectorConfig
from foley_perception.contact.detector import Plan
from foley_perception.contact.surroundings import Surroundings
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer, TransformUnavailable
from foley_perception.ros import motion
from foley_perception.stamped_history import History
from foley_ros import convert, qos, raw
from foley_ros.polling import Drain

_POSE_LATE_NS = NS_PER_S  # no pose for this long is reported
_CAMERA_PERIOD_NS = NS_PER_S  # the calibration rarely changes
_TIP_PERIOD_NS = NS_PER_S // 10  # nor does what the gripper holds


class ContactInputs:
    """Subscribe through ``drain``; ``now_ns`` is the node's clock.

    Raises:
        HandError: the hand file is missing or not valid.
    """

    def __init__(
        self,
        config: ContactDetectorConfig,
        frames: TransformBuffer,
        drain: Drain,
        now_ns: Callable[[], int],
    ) -> None:
        self._config, self._frames, self._now_ns = config, frames, now_ns
        self._hand = GripperHand.from_yaml(config.hand)
        self.surroundings = Surroundings()
        self.tips = History(self._tip_position)
        self.forces = History(_force)
        self._problems: dict[str, str] = {}
        self._pose_arrival_ns = 0
        self._tx_tool_tip = SE3.identity()
        self._tip_read_ns = 0
        self._camera_due_ns = 0
        drain.subscription(PoseStamped, "ee_pose", self._on_pose, qos.STATE, raw=True)
        drain.subscription(WrenchStamped, "wrench", self._on_wrench, qos.STATE, raw=True)
        if config.use_depth:
            drain.subscription(CameraInfo, "camera/camera_info", self._on_camera_info, qos.IMAGE, raw=True)
            drain.subscription(Image, "camera/depth/image_raw", self._on_depth, qos.IMAGE)

    # ---- callbacks -----------------------------------------------------------------------------------------
    def _on_pose(self, data: bytes) -> None:
        self._pose_arrival_ns = self._now_ns()
        self.tips.add(raw.stamp_ns(data), data)

    def _on_wrench(self, data: bytes) -> None:
        self.forces.add(raw.stamp_ns(data), data)

    def _on_depth(self, message: Image) -> None:
        try:
            depth = convert.depth_to_metres(message)
        except convert.ConversionError as error:
            self._problems["depth"] = f"camera/depth/image_raw: {error}"
            return
        self._problems.pop("depth", None)
        self.surroundings.add_depth(convert.to_ns(message.header.stamp), depth)

    def _on_camera_info(self, data: bytes) -> None:
        now_ns = self._now_ns()
        if 0 <= self._camera_due_ns - now_ns <= _CAMERA_PERIOD_NS:
            return
        self._camera_due_ns = now_ns + _CAMERA_PERIOD_NS
        message = deserialize_message(data, CameraInfo)
        try:
            pose = self._frames.lookup(self._config.fixed_frame, message.header.frame_id)
            k = convert.intrinsics(message)
            self.surroundings.set_camera(CameraModel(k, message.width, message.height, pose))
            self._problems.pop("camera", None)
        except (TransformUnavailable, ValueError) as error:
            self._problems["camera"] = f"camera/camera_info: {error}"

    # ---- for decisions -------------------------------------------------------------------------------------
    def plan(self, data: bytes) -> Plan | None:
        """A serialised planned trajectory and the contact expected from it; None for one that cannot be used."""
        message = deserialize_message(data, HandTrajectory)
        try:
            times, keypoints = convert.trajectory_to_arrays(message)
            tools, _ = self._hand.recover(keypoints, self._hand.main_side)
            tip = (tools @ self.tx_tool_tip()).translation
            contact = self.surroundings.planned_contact(times, tip)
        except ValueError as error:
            self._problems["plan"] = f"planned_trajectory: {error}"
            return None
        self._problems.pop("plan", None)
        return Plan(message.plan_id, int(times[0]), int(times[-1]), contact)

    def tx_tool_tip(self) -> SE3:
        """Where the tip is seen from the tool; identity, and reported, as long as tf does not say."""
        now_ns = self._now_ns()
        if 0 <= now_ns - self._tip_read_ns < _TIP_PERIOD_NS:
            return self._tx_tool_tip
        self._tip_read_ns = now_ns
        try:
            self._tx_tool_tip = self._frames.lookup(self._config.tool_frame, self._config.tip_frame)
            self._problems.pop("tip", None)
        except TransformUnavailable as error:
            self._problems["tip"] = f"{error} Until then the tool point is taken for the tip"
            self._tx_tool_tip = SE3.identity()
        return self._tx_tool_tip

    def problems(self) -> list[str]:
        """What is wrong, in words."""
        found = []
        if self._now_ns() - self._pose_arrival_ns > _POSE_LATE_NS:
            found.append(
                "no ee_pose: without motion no sound counts as a contact; is the arm's driver running?"
            )
        elif self.tips.newest() is None:
            found.append(
                "ee_pose is not finite, has no orientation or no known frame: such poses are left out"
            )
        return found + list(self._problems.values())

    def _tip_position(self, data: bytes) -> NDArray[np.float64] | None:
        """Tip [3] in the fixed frame of a serialised pose of the tool."""
        message = deserialize_message(data, PoseStamped)
        pose = motion.pose_to_se3(message.pose)
        if pose is None:
            return None
        frame = message.header.frame_id.lstrip("/")
        if frame and frame != self._config.fixed_frame:
            try:
                pose = self._frames.lookup(self._config.fixed_frame, frame, raw.stamp_ns(data)) @ pose
                self._problems.pop("ee_pose", None)
            except TransformUnavailable as error:
                self._problems["ee_pose"] = f"ee_pose: {error}"
                return None
        return np.asarray(pose.apply(self.tx_tool_tip().translation))


def _force(data: bytes) -> NDArray[np.float64]:
    force = deserialize_message(data, WrenchStamped).wrench.force
    return np.array([force.x, force.y, force.z])
