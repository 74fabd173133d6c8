"""/tf_static, and /tf where it is needed, into a TransformBuffer, without tf2_ros.

/tf comes at the robot's control rate. Where all that is looked up hangs on static transforms, as with a fixed camera,
listening to it would cost a tenth of a core for nothing; it is subscribed to when a lookup has failed without it.
"""

from __future__ import annotations

import re

import numpy as np
from tf2_msgs.msg import TFMessage

from foley_common import topics
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer, TransformUnavailable
from foley_ros import convert
from foley_ros.entities import Entities

_SHORTEST, _LONGEST = 0.5, 2.0  # length of a quaternion that is one: another was not set, or is damaged

_TIMES = re.compile(r"is known in \[-?\d+, -?\d+\] ns, asked for -?\d+ ns")


def without_times(error: TransformUnavailable) -> str:
    """What tf lacks in words that stay the same: a fault is logged when its words are new, which times always are."""
    return _TIMES.sub("is not known at the time asked for", str(error))


class TransformListener:
    """Feeds ``buffer``, from which any thread may look up. Make it and :meth:`poll` in the executor's thread."""

    def __init__(self, entities: Entities) -> None:
        self.buffer = TransformBuffer()
        self.received = 0  # transforms
        self._entities = entities
        self._moving = False
        entities.subscribe(topics.TF_STATIC, lambda m: self._add(m, static=True))

    def poll(self) -> None:
        """Subscribe to /tf once a lookup has failed without it."""
        if self.buffer.missed and not self._moving:
            self._moving = True
            self._entities.subscribe(topics.TF, lambda m: self._add(m, static=False))

    def _add(self, message: TFMessage, *, static: bool) -> None:
        for transform in message.transforms:
            translation, quaternion = convert.transform_to_arrays(transform)
            with np.errstate(over="ignore"):
                length = float(np.linalg.norm(quaternion))
            if not _SHORTEST <= length <= _LONGEST:
                self.buffer.refused += 1
                continue
            self.buffer.add(
                transform.header.frame_id,
                transform.child_frame_id,
                convert.to_ns(transform.header.stamp),
                SE3(quaternion, translation),
                static=static,
            )
        self.received += len(message.transforms)
