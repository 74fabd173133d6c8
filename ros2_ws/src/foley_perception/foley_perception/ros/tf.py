"""/tf_static, and /tf where it is needed, into a TransformBuffer, without tf2_ros.

/tf comes at the robot's control rate. Where all that is looked up hangs on static transforms, as with a fixed camera,
listening to it would cost a tenth of a core for nothing; it is subscribed to when a lookup has failed without it. Its
messages are kept as bytes and read many at once, by the thread that looks something up.
"""

from __future__ import annotations

import collections
import re
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tf2_msgs.msg import TFMessage

from foley_common import topics
from foley_common.times import NS_PER_S
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.static_frames import StaticFrames
from foley_perception.geometry.tf_buffer import TransformBuffer, TransformUnavailable
from foley_perception.recording.cdr_batch import read_transforms
from foley_ros import convert
from foley_ros.polling import Poller
from foley_ros.topics import node_of

_ROTATION = (0.5, 2.0)  # length of a quaternion that is one: another was not set, or is damaged
_MOST_WAITING = 20_000  # messages of /tf that nobody looked at
_MANY_WAITING = 1000
_LOOK_NS = NS_PER_S  # between two looks at who publishes /tf_static

_TIMES = re.compile(r"is known in \[-?\d+, -?\d+\] ns, asked for -?\d+ ns")


def without_times(error: TransformUnavailable) -> str:
    """What tf lacks in words that stay the same: a fault is logged when its words are new, which times always are."""
    return _TIMES.sub("is not known at the time asked for", str(error))


class _Fed(TransformBuffer):
    """Takes in what waits before it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: collections.deque[bytes] = collections.deque(maxlen=_MOST_WAITING)
        self._feeding = threading.RLock()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def put(self, data: bytes) -> None:
        """Queue one message of /tf."""
        self._waiting.append(data)

    def feed(self) -> None:
        if not self._waiting:
            return
        with self._feeding:
            messages = [self._waiting.popleft() for _ in range(len(self._waiting))]
            for part in read_transforms(messages):
                good = _has_rotation(part.numbers)
                self.refused += int(np.count_nonzero(~good))
                if good.any():
                    numbers = part.numbers[good]
                    poses = SE3(numbers[:, 3:], numbers[:, :3])
                    self.add_all(part.parent, part.child, part.times_ns[good], poses)

    def lookup(self, target: str, source: str, time_ns: int | None = None) -> SE3:
        self.feed()
        return super().lookup(target, source, time_ns)

    def fixed(self, target: str, source: str) -> bool:
        self.feed()
        return super().fixed(target, source)

    def known_until_ns(self, target: str, source: str) -> int | None:
        self.feed()
        return super().known_until_ns(target, source)


class TransformListener:
    """Feeds ``buffer``, from which any thread may look up. Make it and :meth:`poll` in the executor's thread.

    Args:
        node: owns the subscriptions, and is told what is wrong.
        poller: takes /tf.
    """

    def __init__(self, node: Any, poller: Poller) -> None:
        self.buffer = _Fed()
        self.received = 0  # messages
        self._node, self._poller = node, poller
        self._static_name = node.resolve_topic_name(topics.TF_STATIC.name)
        self._static = StaticFrames()
        self._moving = False
        self._looked_ns = 0
        self._told_refused = 0
        node.entities.subscribe(topics.TF_STATIC, self._on_static)

    def poll(self) -> None:
        """Subscribe to /tf once a lookup has failed without it; look again at frames that lie at two places."""
        if self.buffer.missed and not self._moving:
            self._moving = True
            self._poller.subscribe(topics.TF, self._on_moving, raw=True)
        if self.buffer.waiting >= _MANY_WAITING:
            self.buffer.feed()
        if self.buffer.refused > self._told_refused:
            self._told_refused = self.buffer.refused
            self._node.report(
                f"{topics.TF.name}: rotation",
                f"{self._told_refused} transforms so far are left out: their quaternion is no rotation (its length is "
                "not near 1), or a number is not finite; mend what publishes them",
            )
        now_ns = self._node.now_ns()
        if not 0 <= now_ns - self._looked_ns < _LOOK_NS:
            self._looked_ns = now_ns
            self._judge()

    # ---- callbacks -------------------------------------------------------------------------------------------
    def _on_moving(self, data: bytes) -> None:
        self.buffer.put(data)
        self.received += 1

    def _on_static(self, message: TFMessage) -> None:
        publishers = self._publishers()
        for transform in message.transforms:
            translation, quaternion = convert.transform_to_arrays(transform)
            numbers = np.concatenate([translation, quaternion])
            parent, child = transform.header.frame_id.lstrip("/"), transform.child_frame_id.lstrip("/")
            if not _has_rotation(numbers[None])[0]:
                self.buffer.refused += 1
            elif self._static.take(parent, child, SE3(quaternion, translation), publishers):
                self._add(parent, child, SE3(quaternion, translation))
        self.received += 1
        self._judge()

    # ---- inside ----------------------------------------------------------------------------------------------
    def _add(self, parent: str, child: str, pose: SE3) -> None:
        self.buffer.add(parent, child, 0, pose, static=True)

    def _publishers(self) -> dict[str, str]:
        """Who publishes /tf_static: their endpoints, and the names of their nodes."""
        return {
            bytes(info.endpoint_gid).hex(): node_of(info)
            for info in self._node.get_publishers_info_by_topic(self._static_name)
        }

    def _judge(self) -> None:
        if not self._static.conflicts():
            return
        publishers = self._publishers()
        for parent, child, pose in self._static.settle(publishers):
            self._add(parent, child, pose)
        conflicts = self._static.conflicts()
        if not conflicts:
            self._node.faults.clear(topics.TF_STATIC.name)
            return
        more = f" (and {len(conflicts) - 1} frames more)" if len(conflicts) > 1 else ""
        who = ", ".join(sorted(publishers.values()))
        self._node.report(
            topics.TF_STATIC.name,
            f"{conflicts[0]}{more}. It is published by {who}. Do two robots use the same names of frames? Give each "
            "names of its own (`frame_prefix` of robot_state_publisher), or topics of its own (remap /tf and "
            "/tf_static to tf and tf_static in its namespace, for its nodes and these); if the other one is the true "
            "one, restart this node",
            serious=True,
        )


def _has_rotation(numbers: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows [n, 7] of position and quaternion are transforms."""
    with np.errstate(over="ignore", invalid="ignore"):
        length = np.linalg.norm(numbers[:, 3:], axis=1)
    return np.asarray(np.isfinite(numbers).all(axis=1) & (length >= _ROTATION[0]) & (length <= _ROTATION[1]))
