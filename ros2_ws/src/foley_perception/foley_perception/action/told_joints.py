"""Joint positions as newest told, and the tool's pose of them: the same live and for recordings."""

from __future__ import annotations

from collections.abc import Mapping

from foley_common.times import NS_PER_S
from foley_perception.action.kinematics import ForwardKinematics, KinematicsError
from foley_perception.action.pace import JOINT_AGE_S

_RESET_NS = NS_PER_S  # a stamp this far before the newest means that time was set back


class StaleJoint(KinematicsError):
    """A joint of the chain was told, but not of late."""


class ToldJoints:
    """Positions by joint; several publishers may each tell of some."""

    def __init__(self) -> None:
        self.positions: dict[str, float] = {}
        self._told_ns: dict[str, int] = {}  # by joint: when its position was so

    def add(self, time_ns: int, positions: Mapping[str, float]) -> None:
        """What is older than what is known of a joint is late and left out, unless time was set back."""
        for name, position in positions.items():
            if not 0 < self._told_ns.get(name, time_ns) - time_ns <= _RESET_NS:
                self.positions[name], self._told_ns[name] = position, time_ns

    def of(self, kinematics: ForwardKinematics) -> dict[str, float]:
        """Those of a robot."""
        return {n: self.positions[n] for n in kinematics.all_joints if n in self.positions}

    def check(self, kinematics: ForwardKinematics, time_ns: int) -> None:
        """Refuse joints that are not of this time: a pose of them would be an old one with a new stamp.

        Raises:
            StaleJoint: a joint of the chain was told, but not of late.
        """
        for joint in kinematics.chain:
            # Of joints that mimic one another, any may be the one that is told.
            name = kinematics.mimics.told_by(joint, self._told_ns)
            told_ns = self._told_ns.get(name) if name is not None else None
            if told_ns is not None and abs(time_ns - told_ns) > JOINT_AGE_S * NS_PER_S:
                raise StaleJoint(
                    f"joint `{name}` has not been told for more than {JOINT_AGE_S} s while other joints are: no pose "
                    "of the tool is made; does whoever publishes it in joint_states still run, by the same clock?"
                )
