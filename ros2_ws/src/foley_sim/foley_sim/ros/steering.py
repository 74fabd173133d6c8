"""The topic `teleop/target_pose`: wishes of a person or a policy, kept until the world takes them."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray
from rclpy.node import Node

from foley_common.topics import TELEOP_TARGET
from foley_ros.topics import profile
from foley_sim.motion.teleop import WishRefused, yaw_of
from foley_sim.ros.encode import WORLD


class Steering:
    """Subscribes, checks frames, and counts what was followed, clamped and refused. `take` from any thread."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._newest: NDArray[np.float64] | None = None
        self.followed = self.clamped = self.refused = 0
        self.reason = ""  # of the newest refusal
        self._subscription: Any = node.create_subscription(
            PoseStamped, TELEOP_TARGET.name, self._store, profile(TELEOP_TARGET)
        )

    def take(self) -> NDArray[np.float64] | None:
        """The newest wish [4] (x, y, z, yaw) that was not taken yet."""
        with self._lock:
            wish, self._newest = self._newest, None
        return wish

    def refuse(self, reason: str) -> None:
        self.refused += 1
        self.reason = reason

    def destroy(self) -> None:
        self._node.destroy_subscription(self._subscription)

    def _store(self, message: PoseStamped) -> None:
        frame = message.header.frame_id
        if frame != WORLD:
            self.refuse(f"frame_id is `{frame}`, must be `{WORLD}`")
            return
        p, q = message.pose.position, message.pose.orientation
        try:
            wish = np.array([p.x, p.y, p.z, yaw_of(np.array([q.x, q.y, q.z, q.w]))])
        except WishRefused as error:
            self.refuse(str(error))
            return
        with self._lock:
            self._newest = wish
