"""The upper side of an object: where the tip may touch it, how high it is there and where its normal points."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from foley_sim.spec import ObjectSpec

Array = NDArray[np.float64]

FACE_MARGIN_M = 0.003
"""From the tip's edge to the edge of the face."""
STEEPEST = math.sin(math.radians(28.0))
"""Sine of the greatest angle between vertical and the normal where a curved top is touched."""
ROUND: frozenset[str] = frozenset({"cylinder", "disc", "dome", "heap"})
"""Shapes whose outline from above is a circle."""
CAPS: frozenset[str] = frozenset({"dome", "heap"})
"""Shapes whose surface is a cap of a sphere."""


def sphere_radius(item: ObjectSpec) -> float:
    """Of the sphere that a dome or a heap is the cap of [m]: R = (a^2 + h^2) / 2h."""
    base, height = item.size[0] / 2, item.size[2]
    return (base**2 + height**2) / (2 * height)


def usable_half(item: ObjectSpec, tip_radius: float) -> Array:
    """Half extents [2] of the part of the upper face that the tip may touch; not positive where there is none."""
    flat = np.array(item.size[:2]) / 2 - tip_radius - FACE_MARGIN_M
    if item.shape == "rod":
        return np.array([flat[0], STEEPEST * item.size[1] / 2])
    if item.shape in CAPS:
        return np.minimum(flat, STEEPEST * sphere_radius(item))
    return flat


def face_radius(item: ObjectSpec, tip_radius: float) -> float:
    """The smaller of `usable_half` [m]."""
    return float(usable_half(item, tip_radius).min())


def surface(item: ObjectSpec, local: Array) -> tuple[float, tuple[float, float, float]]:
    """Height in the world [m] and unit normal in the world at ``local`` [2], in the object's axes [m]."""
    if item.shape == "rod":
        radius, away = item.size[1] / 2, np.array([0.0, float(local[1])])
    elif item.shape in CAPS:
        radius, away = sphere_radius(item), np.asarray(local, dtype=np.float64)
    else:
        return item.top, (0.0, 0.0, 1.0)
    up = math.sqrt(max(radius**2 - float(away @ away), 0.0))
    x, y = rotate(item, away / radius)
    return item.top - radius + up, (x, y, up / radius)


def path_scale(item: ObjectSpec, tip_radius: float) -> Array:
    """[2] how much farther the tip's centre goes than its contact, along the object's x and y."""
    if item.shape == "rod":
        return np.array([1.0, 1.0 + 2 * tip_radius / item.size[1]])
    grow = tip_radius / sphere_radius(item) if item.shape in CAPS else 0.0
    return np.array([1.0 + grow, 1.0 + grow])


def rotate(item: ObjectSpec, local: Array) -> tuple[float, float]:
    """A direction of the object in the world."""
    c, s = math.cos(item.yaw), math.sin(item.yaw)
    x, y = float(local[0]), float(local[1])
    return c * x - s * y, s * x + c * y


def to_world(item: ObjectSpec, local: Array) -> tuple[float, float]:
    """A point of the object in the world [m]."""
    c, s = math.cos(item.yaw), math.sin(item.yaw)
    x, y = float(local[0]), float(local[1])
    return item.position[0] + c * x - s * y, item.position[1] + s * x + c * y


def to_local(item: ObjectSpec, place: Array) -> Array:
    """A point of the world [2] in the object's axes [m]."""
    c, s = math.cos(item.yaw), math.sin(item.yaw)
    x, y = float(place[0]) - item.position[0], float(place[1]) - item.position[1]
    return np.array([c * x + s * y, c * y - s * x])
