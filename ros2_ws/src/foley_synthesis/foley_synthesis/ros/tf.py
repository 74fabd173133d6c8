"""A transform buffer fed from /tf_static, and from /tf only where a lookup needs it.

/tf comes at the robot's control rate. Where camera, tip and microphone hang on static transforms, as with a
fixed camera, listening to it would cost a tenth of a core for nothing.
"""

from __future__ import annotations

from tf2_msgs.msg import TFMessage

from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer, TransformUnavailable
from foley_ros import convert, qos
from foley_ros.entities import Owned


class LazyTf:
    """``lookup`` as of :class:`TransformBuffer`. Lookups may come from any thread, :meth:`tend` from the executor."""

    def __init__(self, owned: Owned, cache_s: float = 10.0) -> None:
        self._owned = owned
        self._buffer = TransformBuffer(cache_s)
        self._moving = False
        self._wanted = False
        self._ignored = 0
        owned.subscription(TFMessage, "/tf_static", lambda m: self._take_in(m, static=True), qos.TF_STATIC)

    def lookup(self, target: str, source: str, time_ns: int | None = None) -> SE3:
        """``tx_target_source``.

        Raises:
            TransformUnavailable: not known (yet).
        """
        if not target or not source:
            raise TransformUnavailable(
                f"no transform {target or '?'} <- {source or '?'}: a frame id is empty"
            )
        try:
            return self._buffer.lookup(target, source, time_ns)
        except TransformUnavailable:
            self._wanted = True
            raise

    def tend(self) -> None:
        """Subscribe to /tf if a lookup failed without it."""
        if self._wanted and not self._moving:
            self._moving = True
            self._owned.subscription(TFMessage, "/tf", lambda m: self._take_in(m, static=False), qos.STATE)

    def _take_in(self, message: TFMessage, *, static: bool) -> None:
        for transform in message.transforms:
            translation, quaternion = convert.transform_to_arrays(transform)
            try:
                pose = SE3(quaternion, translation)
            except ValueError:  # a quaternion of length zero
                self._ignored += 1
                continue
            time_ns = convert.to_ns(transform.header.stamp)
            self._buffer.add(
                transform.header.frame_id, transform.child_frame_id, time_ns, pose, static=static
            )
