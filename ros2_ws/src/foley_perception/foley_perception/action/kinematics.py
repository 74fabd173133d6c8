"""Forward kinematics from a URDF, by Pinocchio.

Pinocchio is imported on first use: a machine that only records does not need it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.geometry.se3 import SE3

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


class ForwardKinematics:
    """Pose of one frame of a robot from its joint positions. Joints beside the chain to that frame do not
    matter.

    Args:
        urdf: the robot description itself, not a path.
        frame: link whose pose is wanted, such as ``tool``.
        base: link it is given in; empty for the root link.

    Raises:
        KinematicsError: not a URDF, an unknown frame, or Pinocchio is not installed.
    """

    def __init__(self, urdf: str, frame: str, base: str = "") -> None:
        pin = _pinocchio()
        try:
            model = pin.buildModelFromXML(urdf)
        except (ValueError, RuntimeError) as error:
            raise KinematicsError(f"robot_description is not a URDF that can be read: {error}") from error
        self._pin, self._model, self._data = pin, model, model.createData()
        links = [f.name for f in model.frames if f.type == pin.FrameType.BODY]
        self.root_link = str(links[0]) if links else ""
        for name in filter(None, (frame, base)):
            if name not in links:
                raise KinematicsError(f"robot_description has no link `{name}`; it has {', '.join(links)}")
        self.base_link = base or self.root_link
        self._frame = model.getFrameId(frame)
        self._base = model.getFrameId(base) if base else None
        chain = set(model.supports[model.frames[self._frame].parentJoint])
        if self._base is not None:
            chain ^= set(model.supports[model.frames[self._base].parentJoint])
        self._index = {str(name): i for i, name in enumerate(model.names) if i > 0}
        self.joints: tuple[str, ...] = tuple(n for n, i in self._index.items() if i in chain)
        unusual = [n for n in self.joints if model.joints[self._index[n]].nv != 1]
        if unusual:
            raise KinematicsError(
                f"joint `{unusual[0]}` has more than one degree of freedom, which is not supported"
            )

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
                f"joint `{unknown[0]}` is not in robot_description, which has "
                f"{', '.join(self._index) or 'none'}: do names and URDF belong to the same robot?"
            )
        columns = {name: q[:, i] for i, name in enumerate(names)}
        for name, value in (others or {}).items():
            if name in self._index and name not in columns:
                columns[name] = np.full(len(q), float(value))
        missing = [n for n in self.joints if n not in columns]
        if missing:
            raise KinematicsError(
                f"joint `{missing[0]}` has no position; given are {', '.join(columns) or 'none'}"
            )
        rotations, translations = np.full((len(q), 3, 3), np.nan), np.full((len(q), 3), np.nan)
        for row in range(len(q)):
            values = {name: float(columns[name][row]) for name in self.joints}
            if all(np.isfinite(v) for v in values.values()):
                rotations[row], translations[row] = self._one(values)
        known = np.isfinite(translations).all(axis=1)
        quaternion = np.full((len(q), 4), np.nan)
        if known.any():
            quaternion[known] = SE3.from_rotation(rotations[known]).quaternion
        return SE3(quaternion, translations)

    def _one(self, values: Mapping[str, float]) -> tuple[Array, Array]:
        configuration = self._pin.neutral(self._model)
        for name, value in values.items():
            joint = self._model.joints[self._index[name]]
            if joint.nq == 2:  # a continuous joint is a point on the circle
                configuration[joint.idx_q : joint.idx_q + 2] = np.cos(value), np.sin(value)
            else:
                configuration[joint.idx_q] = value
        self._pin.framesForwardKinematics(self._model, self._data, configuration)
        pose = self._data.oMf[self._frame]
        if self._base is not None:
            pose = self._data.oMf[self._base].actInv(pose)
        return np.array(pose.rotation), np.array(pose.translation)
