"""What every robot holds: a stick on a spring along its own axis, with a hard tip and perhaps a soft sleeve.

The tool frame lies where the fingers hold the stick, z along it towards the tip. Only the mass behind the spring
takes part in an impact; it is the striker's `tip_mass`. The same numbers make the MuJoCo model and the URDF.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np

from foley_sim.robots import urdf
from foley_sim.spec import StrikerSpec
from foley_sim.xml import VISUAL, add, text

WRIST = "wrist"
"""The passive joint of the spring, deflected towards the robot (positive) when the stick meets something [m]."""
PAD = "pad"
GRIPPER_WIDTH = "gripper_width"
TIP = "tip"
PAD_MASS = 0.001  # [kg]
PAD_TRAVEL = 0.03
"""Of the soft sleeve, from where it does not hinder the tip (0) to over it [m]."""
WRIST_TRAVEL = 0.03  # [m]
WRIST_STIFFNESS = 350.0  # [N/m]
WRIST_DAMPING_RATIO = 0.4
STICK_RADIUS = 0.0045  # [m]


def stick_width() -> float:
    """Gripper width while it holds the stick [m]."""
    return 2 * STICK_RADIUS


def wrist_damping(striker: StrikerSpec) -> float:
    """Damping of the wrist spring [N s/m]."""
    return float(2 * WRIST_DAMPING_RATIO * np.sqrt(WRIST_STIFFNESS * striker.tip_mass))


# ---- MuJoCo ------------------------------------------------------------------------------------------------
def spring(striker: StrikerSpec, body: ET.Element, axis: str, prefix: str) -> None:
    """The joint of the spring on its body."""
    add(
        body,
        "joint",
        name=prefix + WRIST,
        type="slide",
        axis=axis,
        stiffness=str(WRIST_STIFFNESS),
        damping=str(wrist_damping(striker)),
        range=text((-WRIST_TRAVEL, WRIST_TRAVEL)),
    )


def stick(striker: StrikerSpec, tool: ET.Element, start: float, prefix: str) -> None:
    """The stick from z = start [m] of the tool's body to its tip, which is all that touches anything."""
    end = striker.length - striker.tip_radius
    add(
        tool,
        "geom",
        type="cylinder",
        fromto=text((0, 0, start, 0, 0, end)),
        size=str(STICK_RADIUS),
        rgba="0.88 0.86 0.80 1",
        **VISUAL,
    )
    add(tool, "site", name=f"{prefix}tool", pos="0 0 0", size="0.002", rgba="0 0 0 0")
    add(
        tool,
        "geom",
        name=prefix + TIP,
        type="sphere",
        size=str(striker.tip_radius),
        pos=text((0, 0, end)),
        rgba="0.15 0.15 0.17 1",
        mass="0",
        contype="1",
        conaffinity="0",
    )


def sleeve(striker: StrikerSpec, tool: ET.Element, prefix: str) -> None:
    """A soft sleeve around the stick; at 0 it is up, at PAD_TRAVEL its lowest point is the tip's. Only looks: the
    tip's geom touches for it, with the pad's softness (world/tip.py)."""
    body = add(tool, "body", name=f"{prefix}pad_link", gravcomp="1")
    add(body, "inertial", pos="0 0 0", mass=str(PAD_MASS), diaginertia="1e-7 1e-7 1e-7")
    add(body, "joint", name=prefix + PAD, type="slide", axis="0 0 1", damping="10", armature="0.05")
    low = striker.length - striker.pad_radius - PAD_TRAVEL
    add(body, "geom", type="capsule", fromto=text((0, 0, low - 0.02, 0, 0, low)),
        size=str(striker.pad_radius), rgba="0.86 0.32 0.30 1", **VISUAL)  # fmt: skip


# ---- URDF --------------------------------------------------------------------------------------------------
def describe_width(robot: ET.Element, prefix: str) -> None:
    """The joint `gripper_width` of the tool."""
    urdf.joint(robot, prefix + GRIPPER_WIDTH, "prismatic", f"{prefix}tool", f"{prefix}gripper_width_link",
               "0 1 0", (0.0, 0.08))  # fmt: skip


def describe_pad(striker: StrikerSpec, robot: ET.Element, prefix: str) -> None:
    pad = urdf.link(robot, f"{prefix}pad_link", PAD_MASS)
    centre = striker.length - striker.pad_radius - PAD_TRAVEL
    urdf.visual(pad, "sphere", striker.pad_radius, "accent", (0, 0, centre))
    urdf.joint(
        robot, prefix + PAD, "prismatic", f"{prefix}tool", f"{prefix}pad_link", "0 0 1", (0.0, PAD_TRAVEL)
    )
