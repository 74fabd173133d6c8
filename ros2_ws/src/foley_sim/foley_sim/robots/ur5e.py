"""A UR5e with a Robotiq 2F-85 that holds the sprung stick, under inverse kinematics.

Joints, in order from the world::

    shoulder_pan_joint .. wrist_3_joint [rad]   driven: the tool's motion through inverse kinematics
    wrist [m]                                   passive: the spring of the stick, in the gripper (tool.py)

The arm stands on a post behind the table and always keeps one of its branches: elbow up. Kinematics are
Pinocchio's, on the very `robot_description` that is published. Control is computed torque (Siciliano et al.,
Robotics, 2009, section 8.5.2): tau = M(q) (a + K e + D de/dt) + c(q, dq/dt) + g(q). Torques are not limited.
"""

from __future__ import annotations

import functools
import math
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline

from foley_sim.headless_gl import import_mujoco
from foley_sim.robots import menagerie, tool, urdf
from foley_sim.robots.base import DAMPING, STIFFNESS, Drive, Motion, Robot
from foley_sim.spec import StrikerSpec
from foley_sim.xml import VISUAL, add, text

Array = NDArray[np.float64]

JOINTS = (
    "shoulder_pan_joint",
    "shoulder_lift_joint",
    "elbow_joint",
    "wrist_1_joint",
    "wrist_2_joint",
    "wrist_3_joint",
)
MOUNT = (0.0, 0.50, 0.30)
"""Where its base stands in the world [m]."""
_POST_RADIUS = 0.075  # of what it stands on [m]
FULL_SPEED = math.pi
"""Of a joint, which counts as full speed [rad/s]."""
BRANCH = (1.2058, -1.5, 2.4, -2.48, -1.5708, 2.78)
"""Joints near the home place of the tool [rad]; every posture is reached from here without a jump."""
_BRANCH_PLACE = np.array([0.0, 0.12, 0.32, 0.0])
_STRIDE_S = 0.008  # between points that are solved exactly
_CLOSE = 1e-11  # error of a solution [m, rad]
_MOST_STEPS = 40
_LIMIT = 2 * math.pi


class Ur5e(Robot):
    """See above."""

    name = "ur5e"
    axes = JOINTS
    passive = (tool.WRIST,)
    reach = ((-0.36, 0.36), (-0.28, 0.28), (0.14, 0.45), (-1.2, 1.2))
    stands = (MOUNT[0], MOUNT[1], 0.16)

    def __init__(self, striker: StrikerSpec, prefix: str = "") -> None:
        """
        Raises:
            ValueError: a prefix is given: there is one UR5e; the other hand of a scene is a gantry.
        """
        if prefix:
            raise ValueError("the UR5e is the first hand of a scene; its names take no prefix")
        super().__init__(striker)
        self._kinematics = _kinematics()

    # ---- kinematics --------------------------------------------------------------------------------------------
    def tool_pose(self, positions: Array) -> tuple[Array, Array]:
        return self._kinematics.pose(positions)

    def in_tool(self, force: Array, positions: Array) -> tuple[float, float, float]:
        x, y, z = (self._kinematics.rotation(positions).T @ force).tolist()
        return x, y, z

    def width(self, positions: Array) -> float:
        """The gripper never opens."""
        return tool.stick_width()

    def width_rate(self, velocities: Array) -> float:
        return 0.0

    def motor_speed(self, velocities: Array) -> float:
        return float(np.linalg.norm(velocities[:6])) / FULL_SPEED

    def posture(self, place: Array) -> Array:
        positions = np.zeros(len(self.joints))
        positions[:6] = self._kinematics.reach(place)
        return positions

    def motion(self, times: Array, place: Array, velocity: Array, acceleration: Array) -> Motion:
        gap = float(times[1] - times[0])
        stride = max(1, round(_STRIDE_S / gap))
        knots = np.unique(np.append(np.arange(0, len(times), stride), len(times) - 1))
        solved = self._kinematics.follow(times[knots], place[knots], velocity[knots], acceleration[knots])
        if stride == 1:
            return solved
        spline = CubicHermiteSpline(times[knots], solved[0], solved[1])
        return spline(times), spline(times, 1), spline(times, 2)

    def steer(self, place: Array, velocity: Array, acceleration: Array, positions: Array) -> Motion:
        position = self._kinematics.solve(place, positions[:6])
        return (position, *self._kinematics.rates(position, velocity, acceleration))

    # ---- models ------------------------------------------------------------------------------------------------
    def describe(self, robot: ET.Element) -> None:
        striker = self.striker
        bodies = menagerie.arm_bodies()
        parent = "world"
        for number, source in enumerate(bodies):
            name = source.get("name", "")
            inertial = source.find("inertial")
            assert inertial is not None
            link = urdf.link(robot, name, float(inertial.get("mass", "0")))
            _show(link, source)
            place = MOUNT if number == 0 else _vector(source.get("pos", "0 0 0"))
            rpy = _rpy(source.get("quat"))
            joint = source.find("joint")
            if joint is None:
                urdf.joint(robot, "mount", "fixed", parent, name, xyz=place, rpy=rpy)
            else:
                axis = joint.get("axis", "0 1 0")
                urdf.joint(robot, joint.get("name", ""), "revolute", parent, name, axis, (-_LIMIT, _LIMIT),
                           xyz=place, rpy=rpy, effort=150.0, velocity=FULL_SPEED)  # fmt: skip
            parent = name
        site = menagerie.flange()
        gripper = urdf.link(robot, "gripper", 0.93)
        urdf.visual(gripper, "box", "0.14 0.075 0.10", "dark", (0, 0, 0.055))
        urdf.joint(robot, "flange", "fixed", parent, "gripper", xyz=_vector(site.get("pos", "")),
                   rpy=_rpy(site.get("quat")))  # fmt: skip
        body = urdf.link(robot, "tool", striker.tip_mass)
        stick = striker.length - striker.tip_radius
        urdf.visual(body, "cylinder", (tool.STICK_RADIUS, stick), "light", (0, 0, stick / 2))
        spring = (-tool.WRIST_TRAVEL, tool.WRIST_TRAVEL)
        urdf.joint(robot, tool.WRIST, "prismatic", "gripper", "tool", "0 0 -1", spring,
                   xyz=(0.0, 0.0, menagerie.pinch_m()))  # fmt: skip
        tip = urdf.link(robot, "tip")
        urdf.visual(tip, "sphere", striker.tip_radius, "accent", (0, 0, -striker.tip_radius))
        urdf.joint(robot, "tool_to_tip", "fixed", "tool", "tip", xyz=(0.0, 0.0, striker.length))
        urdf.link(robot, "gripper_width_link")
        tool.describe_width(robot, "")
        if striker.has_pad:
            tool.describe_pad(striker, robot, "")

    def add_to(self, root: ET.Element, asset: ET.Element, world: ET.Element, files: dict[str, bytes]) -> None:
        striker = self.striker
        base, last = menagerie.add_arm(world, asset, files, MOUNT)
        half = MOUNT[2] / 2
        add(base, "geom", type="cylinder", size=text((_POST_RADIUS, half)), pos=text((0, 0, -half)),
            rgba="0.30 0.31 0.33 1", **VISUAL)  # fmt: skip
        pinch = menagerie.add_gripper(last, asset, files)
        site = menagerie.flange()
        holder = add(last, "body", name="grip", pos=site.get("pos", ""), quat=site.get("quat", ""))
        body = add(holder, "body", name="tool", pos=text((0, 0, pinch)), gravcomp="1")
        moving = striker.tip_mass - (tool.PAD_MASS if striker.has_pad else 0.0)
        add(body, "inertial", pos="0 0 0", mass=str(moving), diaginertia="1e-5 1e-5 1e-5")
        tool.spring(striker, body, "0 0 -1", "")
        tool.stick(striker, body, -0.03, "")
        if striker.has_pad:
            tool.sleeve(striker, body, "")
        actuator = add(root, "actuator")
        for joint in JOINTS:
            add(actuator, "motor", name=joint, joint=joint)
        if striker.has_pad:
            add(actuator, "position", name=tool.PAD, joint=tool.PAD, kp="200")

    def drive(self, model: Any, data: Any) -> Drive:
        return _Ur5eDrive(model, data)


class _Ur5eDrive(Drive):
    """Computed torque."""

    def __init__(self, model: Any, data: Any) -> None:
        self._mujoco, self._model, self._data = import_mujoco(), model, data
        first, place = int(model.joint(JOINTS[0]).dofadr[0]), int(model.joint(JOINTS[0]).qposadr[0])
        motor = int(model.actuator(JOINTS[0]).id)
        own = slice(first, first + 6)
        self._own = own
        self._qpos, self._qvel = data.qpos[place : place + 6], data.qvel[own]
        self._bias, self._compensated = data.qfrc_bias[own], data.qfrc_gravcomp[own]
        self._ctrl = data.ctrl[motor : motor + 7]
        self._mass = np.zeros((model.nv, model.nv))
        self._tip = self._mujoco.mj_name2id(model, self._mujoco.mjtObj.mjOBJ_GEOM, tool.TIP)
        self._velocity = np.zeros(6)

    def push(self, position: Array, velocity: Array, acceleration: Array) -> None:
        self._mujoco.mj_fullM(self._model, self._data, self._mass)
        wanted = acceleration + STIFFNESS * (position - self._qpos) + DAMPING * (velocity - self._qvel)
        self._ctrl[:6] = self._mass[self._own, self._own] @ wanted + self._bias - self._compensated

    def tip_velocity(self) -> Array:
        # Velocities of bodies are those before the step until the next one computes them anew.
        kind = self._mujoco.mjtObj.mjOBJ_GEOM
        self._mujoco.mj_objectVelocity(self._model, self._data, kind, self._tip, self._velocity, 0)
        return self._velocity[3:].copy()

    def move_pad(self, goal: float, most: float) -> None:
        ctrl = self._ctrl
        ctrl[6] += min(max(goal - ctrl[6], -most), most)


class _Kinematics:
    """Forward and inverse, of the arm with the tool."""

    def __init__(self, description: str) -> None:
        try:
            import pinocchio as pin
        except ImportError:
            raise ValueError(
                "robot is `ur5e`, whose kinematics need Pinocchio: `pip install pin==4.1.0`, or take the robot `gantry`"
            ) from None
        self._pin = pin
        self._model = pin.buildModelFromXML(description)
        self._data = self._model.createData()
        self._frame = self._model.getFrameId("tool")
        ids = [self._model.getJointId(name) for name in (*JOINTS, tool.WRIST)]
        self._q = np.array([self._model.joints[i].idx_q for i in ids])
        self._v = np.array([self._model.joints[i].idx_v for i in ids[:6]])

    def pose(self, positions: Array) -> tuple[Array, Array]:
        placed = self._place(positions)
        quaternion = self._pin.Quaternion(placed.rotation).coeffs()
        return placed.translation.copy(), quaternion if quaternion[0] >= 0 else -quaternion

    def rotation(self, positions: Array) -> Array:
        return np.asarray(self._place(positions).rotation)

    def reach(self, place: Array) -> Array:
        """Joints [6] for a place [4], on the branch."""
        joints = self.solve(_BRANCH_PLACE, np.array(BRANCH))
        steps = max(1, math.ceil(float(np.abs(place - _BRANCH_PLACE).max()) / 0.05))
        for part in np.arange(1, steps + 1) / steps:
            joints = self.solve(_BRANCH_PLACE + part * (place - _BRANCH_PLACE), joints)
        return joints

    def solve(self, place: Array, start: Array) -> Array:
        """Joints [6] near ``start`` that put the tool at x, y, z, yaw (Newton's method).

        Raises:
            ValueError: none was found.
        """
        pin, joints = self._pin, np.array(start, dtype=np.float64)
        c, s = math.cos(place[3]), math.sin(place[3])
        goal = pin.SE3(np.array([[c, s, 0.0], [s, -c, 0.0], [0.0, 0.0, -1.0]]), np.array(place[:3]))
        for _ in range(_MOST_STEPS):
            error = pin.log6(self._place(joints).actInv(goal)).vector
            if np.abs(error).max() < _CLOSE:
                return joints
            step = np.linalg.solve(self._jacobian(pin.LOCAL), error)
            joints += step * min(1.0, 0.5 / max(float(np.abs(step).max()), 1e-12))
        raise ValueError(f"the UR5e cannot reach x, y, z, yaw = {np.round(place, 3).tolist()}")

    def rates(self, joints: Array, velocity: Array, acceleration: Array) -> tuple[Array, Array]:
        """Velocities and accelerations [6] of the joints for those [4] of the tool."""
        pin = self._pin
        q, v = self._full(joints), np.zeros(self._model.nv)
        self._place(joints)
        jacobian = self._jacobian(pin.LOCAL_WORLD_ALIGNED)
        v[self._v] = np.linalg.solve(jacobian, np.array([*velocity[:3], 0.0, 0.0, velocity[3]]))
        pin.forwardKinematics(self._model, self._data, q, v, np.zeros(self._model.nv))
        drift = pin.getFrameClassicalAcceleration(
            self._model, self._data, self._frame, pin.LOCAL_WORLD_ALIGNED
        ).vector
        wanted = np.array([*acceleration[:3], 0.0, 0.0, acceleration[3]]) - drift
        return v[self._v].copy(), np.linalg.solve(jacobian, wanted)

    def follow(self, times: Array, place: Array, velocity: Array, acceleration: Array) -> Motion:
        """Joints, velocities and accelerations [n, 6] for a motion of the tool."""
        found = np.empty((3, len(times), 6))
        joints, ahead = self.reach(place[0]), np.zeros(6)
        for i, at in enumerate(place):
            joints = self.solve(at, joints + ahead)
            found[0, i] = joints
            found[1, i], found[2, i] = self.rates(joints, velocity[i], acceleration[i])
            if i + 1 < len(times):
                gap = times[i + 1] - times[i]
                ahead = found[1, i] * gap + found[2, i] * gap * gap / 2
        return found[0], found[1], found[2]

    def _full(self, positions: Array) -> Array:
        q = np.zeros(self._model.nq)
        count = min(len(positions), len(self._q))
        q[self._q[:count]] = positions[:count]
        return q

    def _place(self, positions: Array) -> Any:
        q = self._full(positions)
        self._pin.computeJointJacobians(self._model, self._data, q)
        return self._pin.updateFramePlacement(self._model, self._data, self._frame)

    def _jacobian(self, axes: Any) -> Array:
        columns = self._pin.getFrameJacobian(self._model, self._data, self._frame, axes)[:, self._v]
        return np.asarray(columns)


@functools.cache
def _kinematics() -> _Kinematics:
    """One for all strikers: what they hold does not move the tool frame."""
    robot = Ur5e.__new__(Ur5e)  # not yet with kinematics
    Robot.__init__(robot, StrikerSpec())
    return _Kinematics(robot.urdf())


def _vector(words: str) -> tuple[float, float, float]:
    x, y, z = (float(word) for word in words.split())
    return x, y, z


def _rpy(quaternion: str | None) -> tuple[float, float, float]:
    """Roll, pitch and yaw of a rotation (w, x, y, z) that MJCF writes, of any length."""
    if quaternion is None:
        return 0.0, 0.0, 0.0
    import pinocchio as pin

    w, x, y, z = np.array([float(word) for word in quaternion.split()])
    r, p, yaw = pin.rpy.matrixToRpy(pin.Quaternion(w, x, y, z).normalized().toRotationMatrix())
    return float(r), float(p), float(yaw)


def _show(link: ET.Element, source: ET.Element) -> None:
    """A link's capsules as cylinders."""
    for geom in menagerie.collision_capsules(source):
        radius, half = (float(word) for word in geom.get("size", "").split())
        place, rpy = _vector(geom.get("pos", "0 0 0")), _rpy(geom.get("quat"))
        urdf.visual(link, "cylinder", (radius, 2 * half), "light", place, rpy)
