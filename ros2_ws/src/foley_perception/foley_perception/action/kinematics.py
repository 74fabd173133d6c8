"""Forward kinematics from a URDF, by Pinocchio.

Pinocchio is imported on first use: a machine that only records does not need it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.action.description import DescriptionError, joints_of
from foley_perception.action.mimic import MimicJoints
from foley_perception.geometry.rigid import Rigid
from foley_perception.geometry.se3 import SE3
from foley_perception.near_names import among

Array = NDArray[np.float64]


class KinematicsError(ValueError):
    """A robot description or joint vector was refused; the message names frame, joint and cure."""


def _pinocchio() -> Any:
    try:
        import pinocchio
    except ImportError as error:
        raise KinematicsError(
            "forward kinematics needs Pinocchio, which is not installed: "
            "pip install 'foley_perception[kinematics]' (or apt install ros-jazzy-pinocchio), "
            "or have the robot publish `ee_pose`"
        ) from error
    return pinocchio


class FreeJoint(KinematicsError):
    """A joint with several degrees of freedom, of which joint_states cannot tell, lies between two links."""


class ForwardKinematics:
    """Pose of one frame of a robot from its joint positions. Joints beside the chain to that frame do not matter, and
    joints that mimic another one follow it.

    Args:
        urdf: the robot description itself, not a path.
        frame: link whose pose is wanted, such as ``tool``.
        base: link it is given in; empty for the root link, or for the link behind a joint with which the whole robot
            moves in the world (floating, planar).

    Raises:
        KinematicsError: not a URDF, an unknown frame, or Pinocchio is not installed.
    """

    def __init__(self, urdf: str, frame: str, base: str = "") -> None:
        pin = _pinocchio()
        try:
            joints_of(urdf)
        except DescriptionError as error:
            raise KinematicsError(str(error)) from error
        try:
            model = pin.buildModelFromXML(urdf)
        except (ValueError, RuntimeError) as error:
            raise KinematicsError(f"robot_description is not a URDF that can be read: {error}") from error
        self._pin, self._model, self._data = pin, model, model.createData()
        # Joints may be called as links are; links alone are meant.
        links = {str(f.name): i for i, f in enumerate(model.frames) if f.type == pin.FrameType.BODY}
        self.links = tuple(links)
        self.root_link = self.links[0] if links else ""
        for name in filter(None, (frame, base)):
            if name not in links:
                raise KinematicsError(f"robot_description has no link `{name}`; {among(name, links)}")
        self.mimics = MimicJoints(urdf)
        self._index = {str(name): i for i, name in enumerate(model.names) if i > 0}
        self._frame = links[frame]
        chain = list(model.supports[model.frames[self._frame].parentJoint])
        if base:
            chain = sorted(set(chain) ^ set(model.supports[model.frames[links[base]].parentJoint]))
        else:
            moved = [i for i in chain if i > 0 and model.joints[i].nv != 1]
            if moved:
                base = next(n for n, i in links.items() if model.frames[i].parentJoint == moved[-1])
                chain = [i for i in chain if i > moved[-1]]
        self._base = links[base] if base else None
        self.base_link = base or self.root_link
        self._neutral = np.array(pin.neutral(model))
        # Of each joint: where it stands in a configuration, and whether it is two numbers there.
        self._at = {name: (model.joints[i].idx_q, model.joints[i].nq == 2) for name, i in self._index.items()}
        self.chain: tuple[str, ...] = tuple(name for name, i in self._index.items() if i in chain)
        unusual = [n for n in self.chain if model.joints[self._index[n]].nv != 1]
        if unusual:
            kind = model.joints[self._index[unusual[0]]].shortname()
            raise FreeJoint(
                f"joint `{unusual[0]}` between `{self.base_link}` and `{frame}` has more than one degree of freedom "
                f"({kind}), which is not supported; name a fixed frame behind it"
            )
        # By which the frame is moved: those that mimic another are moved by that one.
        self.joints: tuple[str, ...] = tuple(dict.fromkeys(map(self.mimics.leader, self.chain)))
        self.moved_by = frozenset(name for joint in self.joints for name in self.mimics.family(joint))

    @property
    def all_joints(self) -> tuple[str, ...]:
        """Every moving joint of the robot."""
        return tuple(self._index)

    def poses(
        self,
        names: Sequence[str],
        positions: Array,  # [n, len(names)] in radians or metres
        *,
        others: Mapping[str, float] | None = None,
        ignore: Collection[str] = (),
    ) -> SE3:
        """Poses [n] of the frame; NaN where a position that matters is NaN.

        Args:
            others: positions of joints that ``names`` lacks, such as those that a plan leaves alone.
            ignore: names that are no joints of the URDF and are known not to be (a gripper's width).

        Raises:
            KinematicsError: an unknown joint, a joint of the chain without a position, or a wrong shape.
        """
        q = np.atleast_2d(np.asarray(positions, dtype=np.float64))
        if q.shape[1] != len(names):
            raise KinematicsError(f"positions are {q.shape} for {len(names)} joints ({', '.join(names)})")
        unknown = [n for n in names if n not in self._index and n not in ignore]
        if unknown:
            raise KinematicsError(
                f"joint `{unknown[0]}` is not in robot_description; {among(unknown[0], self._index)}: do names and "
                "URDF belong to the same robot?"
            )
        given = {name: q[:, i] for i, name in enumerate(names)}
        still = {name: np.full(len(q), float(value)) for name, value in (others or {}).items()}
        columns: dict[str, Array] = {}
        for joint in self.chain:
            # What is planned first: a follower's measured position is that of before the plan.
            position = self.mimics.position(joint, given)
            if position is None:
                position = self.mimics.position(joint, still)
            if position is None:
                raise self._without_position(joint, [*given, *(n for n in still if n not in given)])
            columns[joint] = position
        poses = np.full((len(q), 7), np.nan)
        for row in range(len(q)):
            values = {name: float(column[row]) for name, column in columns.items()}
            if all(map(math.isfinite, values.values())):
                poses[row] = self._one(values)
        return SE3(poses[:, 3:], poses[:, :3])

    def pose_of(self, positions: Mapping[str, float]) -> Rigid | None:
        """The pose of one configuration; None where a position that matters is not finite. Others do not matter.

        Raises:
            KinematicsError: a joint of the chain has no position.
        """
        values = {}
        for joint in self.chain:
            position = self.mimics.position(joint, positions)
            if position is None:
                raise self._without_position(joint, list(positions))
            if not math.isfinite(position):
                return None
            values[joint] = position
        return self._one(values)

    def _without_position(self, joint: str, given: Sequence[str]) -> KinematicsError:
        leader = self.mimics.leader(joint)
        named = f"joint `{joint}`" + (f", which follows `{leader}`," if leader != joint else "")
        has = ", ".join(name for name in given if name in self._index)
        return KinematicsError(f"{named} has no position; given are {has or 'none'}")

    def _one(self, values: Mapping[str, float]) -> Rigid:
        configuration = self._neutral.copy()
        for name, value in values.items():
            at, circle = self._at[name]
            if circle:  # a continuous joint is a point on the circle
                configuration[at], configuration[at + 1] = math.cos(value), math.sin(value)
            else:
                configuration[at] = value
        pin, model, data = self._pin, self._model, self._data
        pin.forwardKinematics(model, data, configuration)
        pose = pin.updateFramePlacement(model, data, self._frame)
        if self._base is not None:
            pose = pin.updateFramePlacement(model, data, self._base).actInv(pose)
        found: Rigid = pin.SE3ToXYZQUATtuple(pose)
        return found


def chain_in(urdf: str, frame: str, fixed_frame: str) -> ForwardKinematics:
    """Kinematics of a frame in the fixed one where the URDF has it and joint_states can tell of all between the two,
    else in the robot's root link, or in the one behind which all joints are such; tf then tells where that is.

    Raises:
        KinematicsError: see :class:`ForwardKinematics`.
    """
    chain = ForwardKinematics(urdf, frame)
    if chain.base_link != fixed_frame and fixed_frame in chain.links:
        with contextlib.suppress(FreeJoint):
            return ForwardKinematics(urdf, frame, fixed_frame)
    return chain
