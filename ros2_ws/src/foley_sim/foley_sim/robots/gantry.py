"""The light robot: a Cartesian gantry with yaw, a spring-loaded wrist and a two-finger gripper that holds the stick.

Joints, in order from the world::

    x, y, z [m], yaw [rad]   driven along the planned trajectory
    wrist [m]                passive: a spring along z (tool.py)
    left_finger, right_finger [m]   half of `gripper_width` each

With every joint at 0 the tool frame is at the world's origin with its z pointing down, so (x, y, z + wrist) IS the
tool's position.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_sim.headless_gl import import_mujoco
from foley_sim.robots import tool, urdf
from foley_sim.robots.base import DAMPING, STIFFNESS, Drive, Motion, Robot
from foley_sim.xml import VISUAL, add, text

Array = NDArray[np.float64]

FINGERS: tuple[str, ...] = ("left_finger", "right_finger")
FULL_SPEED = 1.0
"""Speed of a driven joint that counts as full speed [m/s, rad/s]."""
CARRIAGE_MASS = 2.0  # [kg], of each stage: heavy against the wrist, so that impacts do not disturb it
FINGER_MASS = 0.001  # [kg]
FINGER_LENGTH = 0.045  # [m], before the tool point
_AXES = ("1 0 0", "0 1 0", "0 0 1", "0 0 1")


class Gantry(Robot):
    """See above."""

    name = "gantry"
    axes = ("x", "y", "z", "yaw")
    passive = (tool.WRIST, *FINGERS)
    reach = ((-0.5, 0.5), (-0.45, 0.45), (0.1, 0.7), (-3.2, 3.2))

    # ---- kinematics --------------------------------------------------------------------------------------------
    def tool_pose(self, positions: Array) -> tuple[Array, Array]:
        """As in the base, for any [..., >= 5] positions."""
        if positions.ndim == 1:  # what a world asks for 250 times a second
            half = positions[3] / 2
            position = np.array([positions[0], positions[1], positions[2] + positions[4]])
            return position, np.array([np.cos(half), np.sin(half), 0.0, 0.0])
        position = np.stack(
            [positions[..., 0], positions[..., 1], positions[..., 2] + positions[..., 4]], axis=-1
        )
        half = positions[..., 3] / 2
        zero = np.zeros_like(half)
        # (0, 0, sin, cos) of yaw times (1, 0, 0, 0) of the half turn about x.
        quaternion = np.stack([np.cos(half), np.sin(half), zero, zero], axis=-1)
        return position, quaternion

    def in_tool(self, force: Array, positions: Array) -> tuple[float, float, float]:
        c, s = math.cos(positions[3]), math.sin(positions[3])
        x, y, z = force.tolist()
        return c * x + s * y, s * x - c * y, -z

    def width(self, positions: Array) -> float:
        return float(positions[5] + positions[6])

    def width_rate(self, velocities: Array) -> float:
        return float(velocities[5] + velocities[6])

    def motor_speed(self, velocities: Array) -> float:
        return math.sqrt(velocities[:3].dot(velocities[:3])) / FULL_SPEED

    def posture(self, place: Array) -> Array:
        positions = np.zeros(len(self.joints))
        positions[:4] = place
        positions[5:7] = tool.stick_width() / 2
        return positions

    def motion(self, times: Array, place: Array, velocity: Array, acceleration: Array) -> Motion:
        return place, velocity, acceleration

    # ---- models ------------------------------------------------------------------------------------------------
    def describe(self, robot: ET.Element) -> None:
        striker, p = self.striker, self.prefix
        for stage in ("x_stage", "y_stage", "z_stage", "yaw_stage"):
            urdf.link(robot, p + stage, CARRIAGE_MASS)
        urdf.link(robot, f"{p}wrist_link", striker.tip_mass)
        body = urdf.link(robot, f"{p}tool")
        urdf.visual(body, "box", "0.05 0.07 0.06", "dark", (0, 0, -FINGER_LENGTH - 0.03))
        stick = striker.length - striker.tip_radius
        urdf.visual(body, "cylinder", (tool.STICK_RADIUS, stick), "light", (0, 0, stick / 2))
        for finger in FINGERS:
            link = urdf.link(robot, f"{p}{finger}_link", FINGER_MASS)
            side = 0.004 if finger == "left_finger" else -0.004
            place = (0, side, -FINGER_LENGTH / 2 + 0.008)
            urdf.visual(link, "box", f"0.014 0.008 {FINGER_LENGTH}", "accent", place)
        tip = urdf.link(robot, f"{p}tip")
        urdf.visual(tip, "sphere", striker.tip_radius, "accent", (0, 0, -striker.tip_radius))
        urdf.link(robot, f"{p}gripper_width_link")

        parents = ("world", f"{p}x_stage", f"{p}y_stage", f"{p}z_stage")
        for joint, parent, axis, travel in zip(self.axes, parents, _AXES, self.reach, strict=True):
            kind = "revolute" if joint == "yaw" else "prismatic"
            urdf.joint(robot, p + joint, kind, parent, f"{p}{joint}_stage", axis, travel)
        spring = (-tool.WRIST_TRAVEL, tool.WRIST_TRAVEL)
        urdf.joint(robot, p + tool.WRIST, "prismatic", f"{p}yaw_stage", f"{p}wrist_link", "0 0 1", spring)
        urdf.joint(robot, f"{p}wrist_to_tool", "fixed", f"{p}wrist_link", f"{p}tool", rpy=(np.pi, 0.0, 0.0))
        urdf.joint(robot, f"{p}tool_to_tip", "fixed", f"{p}tool", f"{p}tip", xyz=(0.0, 0.0, striker.length))
        tool.describe_width(robot, p)
        for finger, axis in zip(FINGERS, ("0 1 0", "0 -1 0"), strict=True):
            link_name = f"{p}{finger}_link"
            element = urdf.joint(robot, p + finger, "prismatic", f"{p}tool", link_name, axis, (0.0, 0.04))
            ET.SubElement(element, "mimic", joint=p + tool.GRIPPER_WIDTH, multiplier="0.5", offset="0")
        if striker.has_pad:
            tool.describe_pad(striker, robot, p)

    def add_to(self, root: ET.Element, asset: ET.Element, world: ET.Element, files: dict[str, bytes]) -> None:
        striker, p = self.striker, self.prefix
        dark, light, accent = "0.20 0.21 0.23 1", "0.72 0.74 0.77 1", "0.95 0.55 0.10 1"
        parent = world
        for joint, axis in zip(self.axes, _AXES, strict=True):
            parent = add(parent, "body", name=f"{p}{joint}_stage", gravcomp="1")
            add(parent, "inertial", pos="0 0 0", mass=str(CARRIAGE_MASS), diaginertia="0.05 0.05 0.05")
            kind = "hinge" if joint == "yaw" else "slide"
            add(parent, "joint", name=p + joint, type=kind, axis=axis, damping="0")
            if joint == "x":  # the bridge, above what the camera sees
                add(parent, "geom", type="box", size="0.03 0.6 0.03", pos="0 0 0.80", rgba=light, **VISUAL)
            if joint == "z":
                add(
                    parent, "geom", type="box", size="0.013 0.013 0.30", pos="0 0 0.445", rgba=light, **VISUAL
                )
        wrist = add(parent, "body", name=f"{p}wrist_link", gravcomp="1")
        moving = striker.tip_mass - 2 * FINGER_MASS - (tool.PAD_MASS if striker.has_pad else 0.0)
        add(wrist, "inertial", pos="0 0 0", mass=str(moving), diaginertia="1e-5 1e-5 1e-5")
        tool.spring(striker, wrist, "0 0 1", p)
        body = add(wrist, "body", name=f"{p}tool", quat="0 1 0 0", gravcomp="1")
        add(body, "geom", type="cylinder", size="0.016 0.018", pos="0 0 -0.125", rgba=dark, **VISUAL)
        add(body, "geom", type="box", size="0.018 0.034 0.034", pos="0 0 -0.075", rgba=dark, **VISUAL)
        tool.stick(striker, body, -0.03, p)
        for finger, axis, side in zip(FINGERS, ("0 1 0", "0 -1 0"), (1, -1), strict=True):
            link = add(body, "body", name=f"{p}{finger}_link", gravcomp="1")
            add(link, "inertial", pos="0 0 0", mass=str(FINGER_MASS), diaginertia="1e-7 1e-7 1e-7")
            add(link, "joint", name=p + finger, type="slide", axis=axis, damping="10", armature="0.05")
            add(
                link,
                "geom",
                type="box",
                size=text((0.007, 0.004, FINGER_LENGTH / 2)),
                pos=text((0, 0.004 * side, -FINGER_LENGTH / 2 + 0.008)),
                rgba=accent,
                **VISUAL,
            )
        if striker.has_pad:
            tool.sleeve(striker, body, p)
        actuator = add(root, "actuator")
        for joint in self.driven:
            add(actuator, "motor", name=joint, joint=joint)
        for name in (*FINGERS, *((tool.PAD,) if striker.has_pad else ())):
            add(actuator, "position", name=p + name, joint=p + name, kp="200")

    def drive(self, model: Any, data: Any) -> Drive:
        return _GantryDrive(model, data, self.prefix)


class _GantryDrive(Drive):
    """Every joint is its own mass: the axes are at right angles and yaw carries its load on its axis."""

    def __init__(self, model: Any, data: Any, prefix: str) -> None:
        self._model, self._data = model, data
        first, motor = int(model.joint(f"{prefix}x").dofadr[0]), int(model.actuator(f"{prefix}x").id)
        place = int(model.joint(f"{prefix}x").qposadr[0])
        self._own = slice(first, first + 4)
        self._mass: list[float] = []  # known once the model has moved
        # Views into MuJoCo's memory: made once, valid as long as the data lives.
        self._qpos, self._qvel = data.qpos[place : place + 5], data.qvel[first : first + 5]
        self._ctrl = data.ctrl[motor : motor + 7]
        self._ctrl[4:6] = tool.stick_width() / 2
        self._speed = [0.0] * 5  # before the step that was just taken

    def push(self, position: Array, velocity: Array, acceleration: Array) -> None:
        if not self._mass:
            self._mass = self._weigh()
        # Plain numbers: on four of them NumPy's calls would take several times as long as the sums.
        ctrl = self._ctrl
        place, speed = self._qpos.tolist(), self._qvel.tolist()
        goals = zip(self._mass, acceleration.tolist(), position.tolist(), velocity.tolist(), strict=True)
        for i, (mass, a, p, v) in enumerate(goals):
            ctrl[i] = mass * (a + STIFFNESS * (p - place[i]) + DAMPING * (v - speed[i]))
        self._speed = speed

    def _weigh(self) -> list[float]:
        mass = np.zeros((self._model.nv, self._model.nv))
        import_mujoco().mj_fullM(self._model, self._data, mass)
        return [float(m) for m in np.diag(mass)[self._own]]

    def tip_velocity(self) -> Array:
        x, y, z, _, wrist = self._speed
        return np.array([x, y, z + wrist])

    def move_pad(self, goal: float, most: float) -> None:
        ctrl = self._ctrl
        ctrl[6] += min(max(goal - ctrl[6], -most), most)
