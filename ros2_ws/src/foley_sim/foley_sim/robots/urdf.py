"""Elements of a `robot_description`."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from typing import Protocol


class Describes(Protocol):
    """Whatever adds its links and joints to a description."""

    def describe(self, robot: ET.Element) -> None: ...


COLOURS = {
    "dark": (0.18, 0.19, 0.21, 1.0),
    "light": (0.75, 0.77, 0.80, 1.0),
    "accent": (0.95, 0.55, 0.10, 1.0),
}


def write(name: str, parts: Iterable[Describes]) -> str:
    """A `robot_description` of several robots in one world."""
    robot = begin(name)
    for part in parts:
        part.describe(robot)
    ET.indent(robot)
    return ET.tostring(robot, encoding="unicode")


def begin(name: str) -> ET.Element:
    """A robot with its colours and the link `world`."""
    robot = ET.Element("robot", name=name)
    for colour, rgba in COLOURS.items():
        ET.SubElement(ET.SubElement(robot, "material", name=colour), "color", rgba=numbers(rgba))
    link(robot, "world")
    return robot


def numbers(values: Sequence[float]) -> str:
    return " ".join(f"{float(v):.17g}" for v in values)


def link(robot: ET.Element, name: str, mass: float = 0.0) -> ET.Element:
    element = ET.SubElement(robot, "link", name=name)
    if mass > 0:
        inertial = ET.SubElement(element, "inertial")
        ET.SubElement(inertial, "mass", value=str(mass))
        moment = f"{mass * 1e-3:.3g}"
        ET.SubElement(inertial, "inertia", ixx=moment, iyy=moment, izz=moment, ixy="0", ixz="0", iyz="0")
    return element


def visual(
    parent: ET.Element,
    shape: str,
    size: str | float | tuple[float, float],  # as text, the radius, or (radius, length) [m]
    colour: str,
    xyz: Sequence[float],
    rpy: Sequence[float] = (0.0, 0.0, 0.0),
) -> None:
    element = ET.SubElement(parent, "visual")
    angles = numbers(rpy) if any(rpy) else "0 0 0"
    ET.SubElement(element, "origin", xyz=numbers(xyz), rpy=angles)
    geometry = ET.SubElement(element, "geometry")
    if isinstance(size, str):
        ET.SubElement(geometry, shape, size=size)
    elif isinstance(size, tuple):
        ET.SubElement(geometry, shape, radius=str(size[0]), length=str(size[1]))
    else:
        ET.SubElement(geometry, shape, radius=str(size))
    ET.SubElement(element, "material", name=colour)


def joint(
    robot: ET.Element,
    name: str,
    kind: str,
    parent: str,
    child: str,
    axis: str | None = None,
    limit: tuple[float, float] | None = None,
    *,
    xyz: Sequence[float] = (0.0, 0.0, 0.0),
    rpy: Sequence[float] = (0.0, 0.0, 0.0),
    effort: float = 500.0,
    velocity: float = 2.0,
) -> ET.Element:
    element = ET.SubElement(robot, "joint", name=name, type=kind)
    ET.SubElement(element, "parent", link=parent)
    ET.SubElement(element, "child", link=child)
    ET.SubElement(element, "origin", xyz=numbers(xyz), rpy=numbers(rpy))
    if axis is not None and limit is not None:
        ET.SubElement(element, "axis", xyz=axis)
        ET.SubElement(
            element,
            "limit",
            lower=str(limit[0]),
            upper=str(limit[1]),
            effort=f"{effort:g}",
            velocity=str(velocity),
        )
    return element
