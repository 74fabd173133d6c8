"""Poses of the tool of a recording that has no ee_pose: made of joint_states and robot_description, or of tf.

They are made as `hand_mapper` makes them live, message by message and at its rate, and stand in as messages of ee_pose
do: what is read, judged and placed of those is so of these.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from foley_perception.action.kinematics import ForwardKinematics, KinematicsError, chain_in
from foley_perception.action.pace import POSE_RATE_HZ, Pace
from foley_perception.action.told_joints import StaleJoint, ToldJoints
from foley_perception.action.tool_from_tf import ToolFromTf
from foley_perception.audit.motion import joint_fault
from foley_perception.geometry.rigid import Rigid
from foley_perception.recording import cdr
from foley_perception.recording.bag import BagMessage

Stamped = tuple[int, Rigid]  # [ns], in the frame that the maker names


class MadePoses:
    """What was made: 64 bytes a pose, 58 MB an hour."""

    def __init__(self, topic: str, frame: str) -> None:
        self.topic, self.frame = topic, frame
        self._times, self._numbers = array("q"), array("d")

    def add(self, time_ns: int, pose: Rigid) -> None:
        """What is not newer than the newest is late, and left out."""
        if not self._times or time_ns > self._times[-1]:
            self._times.append(time_ns)
            self._numbers.extend(pose)

    def __len__(self) -> int:
        return len(self._times)

    def messages(self, first_ns: int, last_ns: int) -> Iterator[BagMessage]:
        """Those of a stretch of stamps, and the nearest beyond it on each side."""
        times = np.frombuffer(self._times, np.int64)
        low, high = np.searchsorted(times, (first_ns, last_ns), side="left")
        for row in range(max(int(low) - 1, 0), min(int(high) + 2, len(times))):
            time_ns = self._times[row]
            numbers = self._numbers[7 * row : 7 * row + 7]
            data = cdr.write_pose(time_ns, self.frame, numbers)
            yield BagMessage(self.topic, time_ns, time_ns, 0, _fetch(data))


def of_joints(
    messages: Iterable[BagMessage], description: str, tool: str, world: str
) -> tuple[MadePoses | None, str]:
    """Poses by forward kinematics, or why there are none."""
    try:
        chain = chain_in(description, tool, world)
    except KinematicsError as error:
        return None, str(error)
    made, why = MadePoses("", chain.base_link), ""
    told, pace = ToldJoints(), Pace(POSE_RATE_HZ)
    for message in messages:
        try:
            header, names, positions = cdr.read_joints(message.data)
        except cdr.CdrError:
            continue  # told where joints are judged
        if not positions.size or joint_fault(names, positions):
            continue
        told.add(header.time_ns, _finite(names, positions))
        if (chain.joints and chain.moved_by.isdisjoint(names)) or not pace.due(header.time_ns):
            continue
        try:
            told.check(chain, header.time_ns)
            pose = chain.pose_of(told.positions)
        except StaleJoint:
            continue  # a gap, which is judged as one of ee_pose
        except KinematicsError as error:
            why = str(error)
            continue
        if pose is not None:
            made.add(header.time_ns, pose)
    return (made, "") if len(made) else (None, why or _never(chain))


def of_tf(
    static: Iterable[BagMessage], moving: Iterable[BagMessage], tool: str, world: str
) -> tuple[MadePoses | None, str]:
    """Poses of the tool's frame, or why there are none."""
    maker, made = ToolFromTf(world, tool, POSE_RATE_HZ), MadePoses("", world)
    for message in static:
        maker.add_static(_transforms(message))
    for message in moving:
        for time_ns, pose in maker.add(_transforms(message)):
            made.add(time_ns, pose)
    return (made, maker.doubled) if len(made) else (None, maker.doubled or maker.problem)


# ---- inside --------------------------------------------------------------------------------------------
def _fetch(data: bytes) -> Callable[[], bytes]:
    return lambda: data


def _finite(names: tuple[str, ...], positions: NDArray[np.float64]) -> dict[str, float]:
    told = zip(names, positions.tolist(), strict=True)
    return {name: position for name, position in told if np.isfinite(position)}


def _never(chain: ForwardKinematics) -> str:
    return f"joint_states tell none of {', '.join(chain.joints) or 'its joints'} that is usable"


def _transforms(message: BagMessage) -> list[cdr.Transform]:
    try:
        return cdr.read_transforms(message.data)
    except cdr.CdrError:
        return []
