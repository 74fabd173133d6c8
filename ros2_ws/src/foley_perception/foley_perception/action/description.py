"""What a `robot_description` is: a URDF, or which of the things that are published in its place."""

from __future__ import annotations

from xml.dom import expatbuilder, minidom
from xml.parsers.expat import ExpatError

_NUMBERS = ("origin", "axis", "mimic", "limit")  # elements of a joint whose attributes kinematics reads
_OTHERS = {"sdf": "SDF", "mujoco": "MJCF", "launch": "a launch file"}


class DescriptionError(ValueError):
    """A text is no URDF; the message says what it is and what to publish instead."""


def joints_of(text: str) -> list[minidom.Element]:
    """The joints of a URDF.

    Raises:
        DescriptionError: it is none: empty, a file's name, a xacro that was not expanded, another format.
    """
    robot = _root(text)
    if robot.tagName != "robot":
        kind = _OTHERS.get(robot.tagName, f"an XML of <{robot.tagName}>")
        raise DescriptionError(
            f"robot_description is {kind}, not a URDF: its first element must be <robot>; publish the robot's URDF"
        )
    children = [node for node in robot.childNodes if isinstance(node, minidom.Element)]
    joints = [node for node in children if node.tagName == "joint"]
    # Comments, and parts that kinematics does not read (meshes, Gazebo's), may hold what is left of a macro.
    macros = [f"<{node.tagName}>" for node in children if node.tagName.startswith("xacro:")]
    if found := macros or _expressions(joints):
        raise DescriptionError(
            "robot_description is a xacro file that was not expanded; publish what `xacro FILE` prints, as "
            f"Command(['xacro ', FILE]) in a launch file does (it holds {found[0]})"
        )
    return joints


def _root(text: str) -> minidom.Element:
    stripped = text.strip()
    if not stripped:
        raise DescriptionError("robot_description is empty; publish the text of the robot's URDF")
    if "<" not in stripped:
        raise DescriptionError(
            f"robot_description is `{stripped[:80]}`, not a URDF: publish the text of the file, not its name"
        )
    try:
        # Without namespaces: URDFs carry prefixes that they never declare.
        root = expatbuilder.parseString(stripped, namespaces=False).documentElement
    except (ExpatError, ValueError) as error:
        raise DescriptionError(f"robot_description is not a URDF that can be read: {error}") from error
    assert root is not None  # or there would have been an error
    return root


def _expressions(joints: list[minidom.Element]) -> list[str]:
    """Attributes of joints that a xacro would have replaced."""
    found = []
    for joint in joints:
        parts = [joint, *(part for name in _NUMBERS for part in joint.getElementsByTagName(name))]
        values = [value for part in parts for _, value in part.attributes.items()]
        found += [f"`{value}`" for value in values if "${" in value or "$(" in value]
    return found
