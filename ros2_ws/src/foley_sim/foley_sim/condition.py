"""What state a thing is in besides what it is made of: a part that is fast or loose, what it is filled with, a crack.

A thing without a condition is empty, whole and of one piece, as all things of the editions are.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal, TypeAlias

from foley_sim.material_sample import MaterialSample

State = Literal["loose", "tight", "full", "empty", "cracked", "whole"]
Filling: TypeAlias = Literal["water", "grain"]
FILLINGS: tuple[Filling, ...] = ("water", "grain")
"""What vessels are filled with; `grain`: rice, sand or screws."""

OPPOSITE: dict[State, State] = {
    "loose": "tight", "full": "empty", "cracked": "whole", "tight": "loose", "empty": "full", "whole": "cracked"
}  # fmt: skip
PREDICATE: dict[State, tuple[str, bool]] = {
    "loose": ("lid_is_tight", False),
    "tight": ("lid_is_tight", True),
    "full": ("is_full", True),
    "empty": ("is_full", False),
    "cracked": ("is_cracked", True),
    "whole": ("is_cracked", False),
}
"""What a planner calls each state, and its truth value."""

Place = tuple[float, float]
"""On the upper face: x and y in half extents of the body, each within [-0.95, 0.95]."""


@dataclasses.dataclass(frozen=True)
class Part:
    """A lid, a cap, a screw: a disc that sits on the upper face of a body, screwed down or loose."""

    material: MaterialSample
    diameter: float  # [m]
    thickness: float  # [m]
    place: Place
    loose: bool
    play: float = 5e-4  # how far it can move along the face's normal where it is loose [m]
    restitution: float = 0.5  # of its bounces on the body

    def __post_init__(self) -> None:
        for name in ("diameter", "thickness", "play"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"part: {name} is {value} m, must be positive")
        if not 0.0 <= self.restitution <= 0.95:
            raise ValueError(f"part: restitution is {self.restitution}, must lie in [0, 0.95]")
        _check_place("part", self.place)

    @property
    def mass(self) -> float:
        """[kg]"""
        return self.material.density * math.pi / 4 * self.diameter**2 * self.thickness


@dataclasses.dataclass(frozen=True)
class Fill:
    """What a hollow body holds."""

    level: float  # share of the cavity, (0, 1]
    filling: Filling = "water"

    def __post_init__(self) -> None:
        if not 0.0 < self.level <= 1.0:
            raise ValueError(f"fill: level is {self.level}, must lie in (0, 1]; None is empty")
        if self.filling not in FILLINGS:
            raise ValueError(f"fill: filling is `{self.filling}`, known are {', '.join(FILLINGS)}")


@dataclasses.dataclass(frozen=True)
class Crack:
    """A crack of the surface, not seen by physics."""

    depth: float  # share of the thickness, (0, 0.9]
    place: Place

    def __post_init__(self) -> None:
        if not 0.0 < self.depth <= 0.9:
            raise ValueError(f"crack: depth is {self.depth}, must lie in (0, 0.9]; None is whole")
        _check_place("crack", self.place)


@dataclasses.dataclass(frozen=True)
class Condition:
    """See the module's docstring."""

    part: Part | None = None
    fill: Fill | None = None
    crack: Crack | None = None

    @property
    def states(self) -> tuple[State, ...]:
        """In words. What is not said is not there: no part, empty, whole."""
        part: State = "loose" if self.part is not None and self.part.loose else "tight"
        found: list[tuple[State, bool]] = [
            (part, self.part is not None), ("full", self.fill is not None), ("cracked", self.crack is not None)
        ]  # fmt: skip
        return tuple(state for state, there in found if there)

    def describe(self) -> dict[str, Any]:
        """The truth as plain values, for `sim/scene` and for session metadata."""
        told: dict[str, Any] = {}
        if self.part is not None:
            told["part"] = "loose" if self.part.loose else "tight"
            told["part_mass"] = round(self.part.mass, 5)
            told["part_play"] = round(self.part.play, 6)
        if self.fill is not None:
            told["fill"], told["filling"] = round(self.fill.level, 4), self.fill.filling
        if self.crack is not None:
            told["crack"] = round(self.crack.depth, 4)
        return told


NONE = Condition()
"""Empty, whole, of one piece."""


def _check_place(what: str, place: Place) -> None:
    if not all(math.isfinite(v) and abs(v) <= 0.95 for v in place):
        raise ValueError(f"{what}: place is {place}, must lie in [-0.95, 0.95] half extents")
