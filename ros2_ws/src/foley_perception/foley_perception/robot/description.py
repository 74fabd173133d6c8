"""Links and joints of a robot description, and the frames that tf tells."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from xml.etree import ElementTree

MOVING = ("revolute", "continuous", "prismatic")


@dataclasses.dataclass(frozen=True)
class Joint:
    """A joint of a URDF."""

    name: str
    kind: str
    parent: str
    child: str
    follows: str = ""  # joint that it mimics


@dataclasses.dataclass(frozen=True)
class Description:
    """A robot as its URDF says. Without one everything is empty."""

    links: tuple[str, ...] = ()
    joints: tuple[Joint, ...] = ()
    fault: str = ""  # why the text cannot be read

    @property
    def root(self) -> str:
        """The link that hangs on none; empty where there is none or several."""
        children = {joint.child for joint in self.joints}
        roots = [link for link in self.links if link not in children]
        return roots[0] if len(roots) == 1 else ""

    def driven(self) -> tuple[str, ...]:
        """Joints that move and follow no other."""
        return tuple(joint.name for joint in self.joints if joint.kind in MOVING and not joint.follows)


def read_description(urdf: str) -> Description:
    """What a URDF says; one that cannot be read says why in ``fault``."""
    if not urdf:
        return Description()
    try:
        root = ElementTree.fromstring(urdf)
    except (ElementTree.ParseError, ValueError) as error:
        return Description(fault=f"robot_description is no XML ({error})")
    if root.tag != "robot":
        return Description(fault=f"robot_description is a <{root.tag}>, not a <robot>")
    if "xacro:" in urdf and any("xacro" in str(element.tag) for element in root.iter()):
        return Description(fault="robot_description is xacro, not URDF: run xacro on it")
    joints = [
        Joint(
            name=joint.get("name", ""),
            kind=joint.get("type", ""),
            parent=_named(joint, "parent", "link"),
            child=_named(joint, "child", "link"),
            follows=_named(joint, "mimic", "joint"),
        )
        for joint in root.findall("joint")
    ]
    links = tuple(link.get("name", "") for link in root.findall("link"))
    return Description(links, tuple(joints))


def tree_root(links: Iterable[tuple[str, str]]) -> str:
    """Of (parent, child) frames: the one that hangs on none; empty where there are several."""
    pairs = list(links)
    children = {child for _, child in pairs}
    roots = list(dict.fromkeys(parent for parent, _ in pairs if parent not in children))
    return roots[0] if len(roots) == 1 else ""


def connected(links: Iterable[tuple[str, str]], frame: str) -> set[str]:
    """Frames that hang together with one, itself included."""
    beside: dict[str, set[str]] = {}
    for parent, child in links:
        beside.setdefault(parent, set()).add(child)
        beside.setdefault(child, set()).add(parent)
    found, waiting = {frame}, [frame]
    while waiting:
        for other in beside.get(waiting.pop(), ()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def _named(joint: ElementTree.Element, tag: str, attribute: str) -> str:
    inner = joint.find(tag)
    return inner.get(attribute, "") if inner is not None else ""
