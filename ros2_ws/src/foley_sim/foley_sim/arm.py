"""The arm: a light Cartesian gantry with yaw, a spring-loaded wrist and a two-finger gripper that holds a stick.

Joints, in order from the world::

    x, y, z [m], yaw [rad]   driven along the planned trajectory
    wrist [m]                passive: a spring along z, deflected upwards (positive) when the stick meets something
    left_finger, right_finger [m]   half of `gripper_width` each

With every joint at 0 the tool frame is at the world's origin with its z pointing down, so (x, y, z + wrist) IS the
tool's position. Only the mass behind the wrist spring takes part in an impact; it is the striker's `tip_mass`.
The same numbers make the MuJoCo model (mjcf.py) and the URDF here.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from foley_sim.spec import StrikerSpec

DRIVEN: tuple[str, ...] = ("x", "y", "z", "yaw")
WRIST = "wrist"
FINGERS: tuple[str, ...] = ("left_finger", "right_finger")
GRIPPER_WIDTH = "gripper_width"
JOINTS: tuple[str, ...] = (*DRIVEN, WRIST, *FINGERS)
"""Joints of the model; joint_states also carries `gripper_width`, the distance between the pads."""
PLANNED: tuple[str, ...] = (*DRIVEN, WRIST, GRIPPER_WIDTH)
"""Joints named in a planned trajectory; it takes the wrist to stay at rest."""

FULL_SPEED = 1.0
"""Speed of a driven joint that counts as full speed [m/s, rad/s]."""
CARRIAGE_MASS = 2.0  # [kg], of each gantry stage: heavy against the wrist, so that impacts do not disturb it
FINGER_MASS = 0.001  # [kg]
PAD = "pad"
PAD_MASS = 0.001  # [kg]
PAD_TRAVEL = 0.03
"""Of the soft sleeve, from where it does not hinder the tip (0) to over it [m]."""
WRIST_TRAVEL = 0.03  # [m]
WRIST_STIFFNESS = 350.0  # [N/m]
WRIST_DAMPING_RATIO = 0.4
STICK_RADIUS = 0.0045  # [m]
FINGER_LENGTH = 0.045  # [m], before the tool point
TOOL_QUATERNION = (1.0, 0.0, 0.0, 0.0)
"""Orientation (x, y, z, w) of the tool frame at yaw 0: half a turn about x, so that z points down."""

_LIMITS = {"x": (-0.5, 0.5), "y": (-0.45, 0.45), "z": (0.1, 0.7), "yaw": (-3.2, 3.2)}


def stick_width() -> float:
    """Gripper width while it holds the stick [m]."""
    return 2 * STICK_RADIUS


def wrist_damping(striker: StrikerSpec) -> float:
    """Damping of the wrist spring [N s/m]."""
    return float(2 * WRIST_DAMPING_RATIO * np.sqrt(WRIST_STIFFNESS * striker.tip_mass))


def limits(joint: str) -> tuple[float, float]:
    """Travel of a driven joint [m or rad]."""
    return _LIMITS[joint]


def tool_pose(
    joints: NDArray[np.float64],  # [..., >= 5]: x, y, z, yaw, wrist
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Position [..., 3] [m] and quaternion [..., 4] (x, y, z, w) of the tool in the world."""
    position = np.stack([joints[..., 0], joints[..., 1], joints[..., 2] + joints[..., 4]], axis=-1)
    half = joints[..., 3] / 2
    zero = np.zeros_like(half)
    # (0, 0, sin, cos) of yaw times (1, 0, 0, 0) of the half turn about x.
    quaternion = np.stack([np.cos(half), np.sin(half), zero, zero], axis=-1)
    return position, quaternion


def urdf(striker: StrikerSpec, name: str = "foley_gantry") -> str:
    """`robot_description` of the arm: frames `world`, `tool`, `tip` and simple visuals."""
    robot = ET.Element("robot", name=name)
    _material(robot, "dark", (0.18, 0.19, 0.21, 1.0))
    _material(robot, "light", (0.75, 0.77, 0.80, 1.0))
    _material(robot, "accent", (0.95, 0.55, 0.10, 1.0))
    _link(robot, "world")
    for stage in ("x_stage", "y_stage", "z_stage", "yaw_stage"):
        _link(robot, stage, CARRIAGE_MASS)
    _link(robot, "wrist_link", striker.tip_mass)
    tool = _link(robot, "tool")
    _visual(tool, "box", "0.05 0.07 0.06", "dark", (0, 0, -FINGER_LENGTH - 0.03))
    stick = striker.length - striker.tip_radius
    _visual(tool, "cylinder", (STICK_RADIUS, stick), "light", (0, 0, stick / 2))
    for finger in FINGERS:
        link = _link(robot, f"{finger}_link", FINGER_MASS)
        side = 0.004 if finger == "left_finger" else -0.004
        _visual(link, "box", f"0.014 0.008 {FINGER_LENGTH}", "accent", (0, side, -FINGER_LENGTH / 2 + 0.008))
    tip = _link(robot, "tip")
    _visual(tip, "sphere", striker.tip_radius, "accent", (0, 0, -striker.tip_radius))
    _link(robot, "gripper_width_link")

    parents = ("world", "x_stage", "y_stage", "z_stage")
    for joint, parent, axis in zip(DRIVEN, parents, ("1 0 0", "0 1 0", "0 0 1", "0 0 1"), strict=True):
        kind = "revolute" if joint == "yaw" else "prismatic"
        _joint(robot, joint, kind, parent, f"{joint}_stage", axis, _LIMITS[joint])
    _joint(robot, WRIST, "prismatic", "yaw_stage", "wrist_link", "0 0 1", (-WRIST_TRAVEL, WRIST_TRAVEL))
    _joint(robot, "wrist_to_tool", "fixed", "wrist_link", "tool", rpy=(np.pi, 0.0, 0.0))
    _joint(robot, "tool_to_tip", "fixed", "tool", "tip", xyz=(0.0, 0.0, striker.length))
    _joint(robot, GRIPPER_WIDTH, "prismatic", "tool", "gripper_width_link", "0 1 0", (0.0, 0.08))
    for finger, axis in zip(FINGERS, ("0 1 0", "0 -1 0"), strict=True):
        joint_element = _joint(robot, finger, "prismatic", "tool", f"{finger}_link", axis, (0.0, 0.04))
        ET.SubElement(joint_element, "mimic", joint=GRIPPER_WIDTH, multiplier="0.5", offset="0")
    if striker.has_pad:
        pad = _link(robot, "pad_link", PAD_MASS)
        centre = striker.length - striker.pad_radius - PAD_TRAVEL
        _visual(pad, "sphere", striker.pad_radius, "accent", (0, 0, centre))
        _joint(robot, PAD, "prismatic", "tool", "pad_link", "0 0 1", (0.0, PAD_TRAVEL))
    ET.indent(robot)
    return ET.tostring(robot, encoding="unicode")


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{v:.17g}" for v in values)


def _material(robot: ET.Element, name: str, rgba: tuple[float, ...]) -> None:
    ET.SubElement(ET.SubElement(robot, "material", name=name), "color", rgba=_numbers(rgba))


def _link(robot: ET.Element, name: str, mass: float = 0.0) -> ET.Element:
    link = ET.SubElement(robot, "link", name=name)
    if mass > 0:
        inertial = ET.SubElement(link, "inertial")
        ET.SubElement(inertial, "mass", value=str(mass))
        moment = f"{mass * 1e-3:.3g}"
        ET.SubElement(inertial, "inertia", ixx=moment, iyy=moment, izz=moment, ixy="0", ixz="0", iyz="0")
    return link


def _visual(
    link: ET.Element,
    shape: str,
    size: str | float | tuple[float, float],
    material: str,
    xyz: tuple[float, float, float],
) -> None:
    visual = ET.SubElement(link, "visual")
    ET.SubElement(visual, "origin", xyz=_numbers(xyz), rpy="0 0 0")
    geometry = ET.SubElement(visual, "geometry")
    if isinstance(size, str):
        ET.SubElement(geometry, shape, size=size)
    elif isinstance(size, tuple):
        ET.SubElement(geometry, shape, radius=str(size[0]), length=str(size[1]))
    else:
        ET.SubElement(geometry, shape, radius=str(size))
    ET.SubElement(visual, "material", name=material)


def _joint(
    robot: ET.Element,
    name: str,
    kind: str,
    parent: str,
    child: str,
    axis: str | None = None,
    limit: tuple[float, float] | None = None,
    *,
    xyz: tuple[float, float, float] = (0.0, 0.0, 0.0),
    rpy: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> ET.Element:
    joint = ET.SubElement(robot, "joint", name=name, type=kind)
    ET.SubElement(joint, "parent", link=parent)
    ET.SubElement(joint, "child", link=child)
    ET.SubElement(joint, "origin", xyz=_numbers(xyz), rpy=_numbers(rpy))
    if axis is not None and limit is not None:
        ET.SubElement(joint, "axis", xyz=axis)
        ET.SubElement(
            joint,
            "limit",
            lower=str(limit[0]),
            upper=str(limit[1]),
            effort="500",
            velocity=str(2 * FULL_SPEED),
        )
    return joint
