"""Bodies of MuJoCo for what is round, rolls or lies loose. The plain ones stand in mjcf.py."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foley_sim.physics.surfaces import CAPS, sphere_radius, surface
from foley_sim.spec import ObjectSpec

ROLL_HZ = 1.3
"""Of a rod that rocks on its cradle."""
ROLL_DAMPING = 0.15  # ratio
ROLL_TRAVEL = 0.015  # [m], less than the clearance to a neighbour
GRAINS = 10
"""Loose pieces seen on a heap."""
GRAIN_SETTLE_S = 0.08
"""A piece that was pushed comes to rest within a few times this long."""
_GRAIN_SPREAD = 0.75  # of the heap's radius
_GRAIN_SIZE = (0.004, 0.008)  # half of the longest side [m]
_GRAIN_MASS = 1e-4  # [kg]


def numbers(values: Sequence[float] | NDArray[np.float64]) -> str:
    return " ".join(f"{float(v):.9g}" for v in values)


def solid(item: ObjectSpec) -> dict[str, str]:
    """Type, size and place of the geom in its body. A cap is a sphere that reaches below the table's top."""
    half = [s / 2 for s in item.size]
    if item.shape in ("cylinder", "disc"):
        return {"type": "cylinder", "size": numbers((half[0], half[2]))}
    if item.shape == "rod":
        return {
            "type": "cylinder",
            "size": numbers((half[1], half[0])),
            "euler": numbers((0, math.pi / 2, 0)),
        }
    if item.shape in CAPS:
        radius = sphere_radius(item)
        return {"type": "sphere", "size": numbers((radius,)), "pos": numbers((0, 0, half[2] - radius))}
    return {"type": "box", "size": numbers(half)}


def rolling(item: ObjectSpec, body: ET.Element) -> ET.Element:
    """Joints of a rod that lies on a shallow cradle: across its axis on `body`, about its axis on the child."""
    radius = item.size[1] / 2
    mass = item.material.density * math.pi * radius**2 * item.size[0] * (1 - item.hollowness)
    frequency = 2 * math.pi * ROLL_HZ
    moving = 1.5 * mass  # of a solid cylinder that rolls: m + I / r^2
    ET.SubElement(body, "inertial", mass=f"{mass:.6g}", pos="0 0 0", diaginertia="1e-5 1e-5 1e-5")
    ET.SubElement(body, "joint", name=slide_joint(item.object_id), type="slide", axis="0 1 0",
                  armature=f"{0.5 * mass:.6g}", stiffness=f"{moving * frequency**2:.6g}",
                  damping=f"{2 * ROLL_DAMPING * moving * frequency:.6g}",
                  range=numbers((-ROLL_TRAVEL, ROLL_TRAVEL)))  # fmt: skip
    child = ET.SubElement(body, "body", name=f"{item.object_id}_roll")
    ET.SubElement(child, "inertial", mass="1e-6", pos="0 0 0", diaginertia="1e-9 1e-9 1e-9")
    # Follows the slide without slip; loose_bodies.py turns it.
    ET.SubElement(
        child, "joint", name=roll_joint(item.object_id), type="hinge", axis="1 0 0", armature="1e-4"
    )
    return child


def slide_joint(object_id: str) -> str:
    """Of a rod that may roll, across its axis [m]."""
    return f"{object_id}_slide"


def roll_joint(object_id: str) -> str:
    """Of a rod that may roll, about its axis [rad]."""
    return f"{object_id}_roll"


def grain_joint(object_id: str, index: int) -> str:
    """Of a loose piece of a heap, down its slope [m]."""
    return f"{object_id}_grain{index}"


def grains(item: ObjectSpec, world: ET.Element) -> None:
    """Loose pieces on a heap: nothing touches them, but impacts nearby push them down the slope (loose_bodies.py)."""
    rng = np.random.default_rng([0x6EA1, item.look_seed])
    for i in range(GRAINS):
        far, angle = (
            _GRAIN_SPREAD * item.size[0] / 2 * math.sqrt(rng.uniform(0.05, 1.0)),
            rng.uniform(0, 2 * math.pi),
        )
        local = far * np.array([math.cos(angle), math.sin(angle)])
        height, normal = surface(item, local)
        c, s = math.cos(item.yaw), math.sin(item.yaw)
        x, y = c * local[0] - s * local[1], s * local[0] + c * local[1]
        flat = math.hypot(normal[0], normal[1])
        down = (normal[0] / flat * normal[2], normal[1] / flat * normal[2], -flat)
        body = ET.SubElement(world, "body", gravcomp="1", euler=numbers((0, 0, 0)),
                             pos=numbers((item.position[0] + x, item.position[1] + y, height)))  # fmt: skip
        ET.SubElement(body, "inertial", mass=str(_GRAIN_MASS), pos="0 0 0", diaginertia="1e-9 1e-9 1e-9")
        ET.SubElement(body, "joint", name=grain_joint(item.object_id, i), type="slide", axis=numbers(down),
                      damping=f"{_GRAIN_MASS / GRAIN_SETTLE_S:.6g}")  # fmt: skip
        half = rng.uniform(*_GRAIN_SIZE) * np.array([1.0, rng.uniform(0.5, 0.9), rng.uniform(0.25, 0.5)])
        ET.SubElement(body, "geom", type="ellipsoid", size=numbers(half), material=item.object_id,
                      euler=numbers(rng.uniform(-0.7, 0.7, 3) * (1, 1, 4)),
                      contype="0", conaffinity="0", mass="0")  # fmt: skip
