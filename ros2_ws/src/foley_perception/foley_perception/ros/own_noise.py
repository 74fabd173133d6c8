"""Own noise of a robot that is running: the model, and joint states as they come."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState

from foley_common import topics
from foley_perception.own_noise.clean import Cleaned, Cleaner
from foley_perception.own_noise.file import read_own_noise
from foley_perception.own_noise.joints import JointHistory
from foley_perception.own_noise.mask import MaskCounts, NoiseSource, OnsetMask
from foley_perception.ros import motion
from foley_ros import raw
from foley_ros.node import FoleyNode
from foley_ros.polling import Poller

_FAULT = "own_noise"


class LiveOwnNoise:
    """What a node needs of it. Callbacks in the executor's thread only store; the rest may be called from any thread.

    Args:
        path: file of `foley calibrate noise`.

    Raises:
        OwnNoiseError: it cannot be read.
    """

    def __init__(self, node: FoleyNode[Any], poller: Poller, path: str) -> None:
        self._node, self._joints = node, JointHistory(_positions)
        self.model = read_own_noise(path)
        self.source = NoiseSource(self.model, self._joints.positions)
        self._last = MaskCounts()
        self._cleaner = Cleaner(self.model, self._joints.positions)
        poller.subscribe(topics.JOINT_STATES, self._on_joints, raw=True)

    def cleaned(self, samples: NDArray[np.float32], sample_rate: int, start_ns: int) -> NDArray[np.float32]:
        """Sound [n] without own noise; as it is where that is not known, which is reported."""
        if sample_rate != self.model.sample_rate:
            self._node.report(_FAULT, self.source.wrong_rate(sample_rate))
            return samples
        done: Cleaned = self._cleaner.clean(samples, sample_rate, start_ns)
        if done.known < 0.5:
            self._node.report(_FAULT, f"{self.untold()}: the contact is heard with the robot's own noise")
        else:
            self._node.faults.clear(_FAULT)
        return done.samples

    def figures(self, mask: OnsetMask | None) -> dict[str, Any]:
        """For diagnostics: looks at the sound in which joint speeds were not known, or faster than was learnt."""
        counts = mask.counts if mask is not None else MaskCounts()
        return {
            "own_noise_looks": counts.asked,
            "own_noise_unknown": counts.unknown,
            "own_noise_beyond": counts.beyond,
        }

    def problems(self, mask: OnsetMask | None) -> list[str]:
        """What was wrong since it was asked last."""
        if mask is None:
            return []
        last, self._last = self._last, dataclasses.replace(mask.counts)
        asked = mask.counts.asked - last.asked
        if asked > 0 and mask.counts.unknown - last.unknown > 0.5 * asked:
            return [f"{self.untold()}: contacts are detected as without own noise"]
        return []

    def untold(self) -> str:
        """Why speeds are not known."""
        missing = [name for name in self.model.joints if name not in self._joints.names]
        name = topics.JOINT_STATES.name
        return f"{name} do not tell {', '.join(missing)}" if missing else f"{name} are late, or tell NaN"

    def _on_joints(self, data: bytes) -> None:
        stamp_ns = raw.stamp_ns(data)
        if not stamp_ns:
            return  # by times of arrival there is no speed; SensedScene tells of it
        try:
            names = motion.joint_names(data)
        except ValueError as error:
            self._node.report(topics.JOINT_STATES.name, str(error))
            return
        if names:
            self._joints.add(stamp_ns, names, data)


def _positions(data: bytes) -> NDArray[np.float64] | None:
    message = deserialize_message(data, JointState)
    return np.array(message.position) if len(message.position) == len(message.name) else None
