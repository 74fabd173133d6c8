"""/tf_static, and /tf where it is needed, into a TransformBuffer, without tf2_ros.

/tf comes at the robot's control rate. Where all that is looked up hangs on static transforms, listening to it would
cost a tenth of a core for nothing; it is subscribed to when a lookup has failed without it.
"""

from __future__ import annotations

from rclpy.node import Node
from tf2_msgs.msg import TFMessage

from foley_common.topics import TF, TF_STATIC
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer
from foley_ros import convert
from foley_ros.topics import profile


class TransformListener:
    """Feeds a buffer. Make it, call :meth:`tend` and :meth:`close` in the executor's thread."""

    def __init__(self, node: Node, buffer: TransformBuffer) -> None:
        self._node = node
        self._buffer = buffer
        self._moving = False
        self._subscriptions = [
            node.create_subscription(
                TFMessage, TF_STATIC.name, lambda m: self._add(m, static=True), profile(TF_STATIC)
            )
        ]

    def tend(self) -> None:
        """Subscribe to /tf once a lookup has failed without it."""
        if self._buffer.missed and not self._moving:
            self._moving = True
            self._subscriptions.append(
                self._node.create_subscription(
                    TFMessage, TF.name, lambda m: self._add(m, static=False), profile(TF)
                )
            )

    def close(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def _add(self, message: TFMessage, *, static: bool) -> None:
        for transform in message.transforms:
            translation, quaternion = convert.transform_to_arrays(transform)
            if not quaternion.any():
                self._buffer.refused += 1
                continue
            self._buffer.add(
                transform.header.frame_id,
                transform.child_frame_id,
                convert.to_ns(transform.header.stamp),
                SE3(quaternion, translation),
                static=static,
            )
