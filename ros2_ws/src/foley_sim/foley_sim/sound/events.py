"""What physics tells sound: impacts and sliding contacts, in the scene's own time (seconds from its start)."""

from __future__ import annotations

import dataclasses
import math
from typing import TypeAlias

from foley_sim.spec import Head

Vector = tuple[float, float, float]

TABLE_ID = "table"
"""The object_id of the bench top, present in every scene."""


@dataclasses.dataclass(frozen=True)
class Impact:
    """The striker meets an object once. Every rebound is an impact of its own."""

    time_s: float  # first touch [s]
    object_id: str
    point: Vector  # in the world [m]
    normal: Vector  # of the object's surface, unit length, in the world
    impulse: float  # along the normal [N s]
    speed: float  # approach speed along the normal [m/s]
    head: Head = "tip"  # what it was struck with

    def __post_init__(self) -> None:
        _finite(self, "time_s", "impulse", "speed")
        _vector(self, "point")
        _vector(self, "normal")
        if self.time_s < 0:
            raise ValueError(f"impact on `{self.object_id}`: time_s is {self.time_s}, must not be negative")
        if self.impulse < 0 or self.speed < 0:
            raise ValueError(
                f"impact on `{self.object_id}`: impulse {self.impulse} and speed {self.speed} must not be negative"
            )
        length = math.sqrt(sum(x * x for x in self.normal))
        if abs(length - 1.0) > 0.01:
            raise ValueError(
                f"impact on `{self.object_id}`: normal {self.normal} has length {length}, must be 1"
            )


@dataclasses.dataclass(frozen=True)
class Sliding:
    """The striker slides over an object for a while, speed and force held; a long slide is many of these in a row."""

    start_s: float
    end_s: float
    object_id: str
    point: Vector  # in the world [m]
    slip_speed: float  # tangential [m/s]
    normal_force: float  # [N]
    head: Head = "tip"

    def __post_init__(self) -> None:
        _finite(self, "start_s", "end_s", "slip_speed", "normal_force")
        _vector(self, "point")
        if not 0 <= self.start_s < self.end_s:
            raise ValueError(
                f"sliding on `{self.object_id}`: from {self.start_s} to {self.end_s} s, must be 0 <= start_s < end_s"
            )
        if self.slip_speed < 0 or self.normal_force < 0:
            raise ValueError(
                f"sliding on `{self.object_id}`: slip_speed {self.slip_speed} and normal_force {self.normal_force} "
                "must not be negative"
            )


@dataclasses.dataclass(frozen=True)
class Hold:
    """The striker rests on an object for a while and presses: it damps what rings, and works on what gives way."""

    start_s: float
    end_s: float
    object_id: str
    point: Vector  # in the world [m]
    normal_force: float  # [N]
    indent_speed: float = 0.0  # of the head into the surface [m/s]; negative while it lets go
    head: Head = "tip"

    def __post_init__(self) -> None:
        _finite(self, "start_s", "end_s", "normal_force", "indent_speed")
        _vector(self, "point")
        if not 0 <= self.start_s < self.end_s:
            raise ValueError(
                f"hold on `{self.object_id}`: from {self.start_s} to {self.end_s} s, must be 0 <= start_s < end_s"
            )
        if self.normal_force < 0:
            raise ValueError(
                f"hold on `{self.object_id}`: normal_force is {self.normal_force}, must not be negative"
            )


Event: TypeAlias = Impact | Sliding | Hold


def _finite(event: Event, *names: str) -> None:
    for name in names:
        value = getattr(event, name)
        if not math.isfinite(value):
            raise ValueError(
                f"{type(event).__name__.lower()} on `{event.object_id}`: {name} is {value}, must be finite"
            )


def _vector(event: Event, name: str) -> None:
    value = getattr(event, name)
    if len(value) != 3 or not (
        math.isfinite(value[0]) and math.isfinite(value[1]) and math.isfinite(value[2])
    ):
        raise ValueError(
            f"{type(event).__name__.lower()} on `{event.object_id}`: {name} is {value}, must be three finite numbers"
        )
