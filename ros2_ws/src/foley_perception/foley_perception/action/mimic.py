"""Joints that follow another one, as a URDF says: ``position = multiplier * leader + offset``."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Container, Mapping
from typing import TypeVar
from xml.dom import minidom

import numpy as np
from numpy.typing import NDArray

from foley_perception.action.description import DescriptionError, joints_of

_Position = TypeVar("_Position", float, NDArray[np.float64])


@dataclasses.dataclass(frozen=True)
class Mimic:
    """How a joint follows the one that leads it and is itself no follower."""

    leader: str
    multiplier: float = 1.0
    offset: float = 0.0


class MimicJoints:
    """The followers of a robot, by name. Chains (a follower that is followed) end at the joint that is driven.

    A text that is no XML has none, and a joint that follows itself in a circle, or one that the robot does not have,
    follows nothing: whoever loads the robot says what is wrong with it.
    """

    def __init__(self, urdf: str = "") -> None:
        direct: dict[str, Mimic] = {}
        joints = _joints(urdf)
        there = {joint.getAttribute("name") for joint in joints}
        for joint in joints:
            for mimic in joint.getElementsByTagName("mimic"):
                name, leader = joint.getAttribute("name"), mimic.getAttribute("joint")
                multiplier, offset = mimic.getAttribute("multiplier"), mimic.getAttribute("offset")
                if leader not in there:
                    continue
                with contextlib.suppress(ValueError):
                    direct[name] = Mimic(leader, float(multiplier or 1.0), float(offset or 0.0))
        self._followers = {name: found for name in direct if (found := _driven(name, direct)) is not None}

    def leader(self, joint: str) -> str:
        """The joint that drives this one; itself where it follows none."""
        follower = self._followers.get(joint)
        return follower.leader if follower is not None else joint

    def family(self, joint: str) -> tuple[str, ...]:
        """Every joint that moves with this one: it first, then the one that leads, then the others."""
        leader = self.leader(joint)
        others = [name for name, mimic in self._followers.items() if mimic.leader == leader]
        return tuple(dict.fromkeys((joint, leader, *others)))

    def position(self, joint: str, known: Mapping[str, _Position]) -> _Position | None:
        """Where a joint is: by the one that it follows, else by itself, else by one that follows the same.

        None where none of them is known.
        """
        mine, name = self._followers.get(joint, Mimic(joint)), self.told_by(joint, known)
        if name is None:
            return None
        if name == mine.leader:
            return mine.multiplier * known[name] + mine.offset
        if name == joint:
            return known[joint]
        other = self._followers[name]
        return mine.multiplier * ((known[name] - other.offset) / other.multiplier) + mine.offset

    def told_by(self, joint: str, known: Container[str]) -> str | None:
        """The joint whose position tells that of this one; see :meth:`position`."""
        leader = self.leader(joint)
        for name in dict.fromkeys((leader, *self.family(joint))):
            if name in known and (name in (leader, joint) or self._followers[name].multiplier):
                return name
        return None


def _joints(urdf: str) -> list[minidom.Element]:
    if "<mimic" not in urdf:
        return []
    try:
        return joints_of(urdf)
    except DescriptionError:
        return []


def _driven(name: str, direct: Mapping[str, Mimic]) -> Mimic | None:
    found, seen = direct[name], {name}
    while (above := direct.get(found.leader)) is not None:
        if found.leader in seen:
            return None
        seen.add(found.leader)
        offset = found.multiplier * above.offset + found.offset
        found = Mimic(above.leader, found.multiplier * above.multiplier, offset)
    return found
