"""What is touched, as numbers: the true material, shape and size of what lies under a tip.

Columns of :func:`what_of`, in order: materials, shapes (each with a last one for what is none of them), logarithms of
the three extents over 10 cm, hollowness, and presence. The table, and what is not known, is 0 throughout.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MATERIALS = (
    "wood", "metal", "glass", "ceramic", "plastic", "stone", "rubber", "cardboard", "foam", "paper", "fabric",
    "leaves", "gravel",
)  # fmt: skip
SHAPES = ("plate", "box", "bar", "cylinder", "disc", "rod", "dome", "heap")
_ROUND = ("cylinder", "disc", "dome", "heap")

MATERIAL_COLUMNS = slice(0, len(MATERIALS) + 1)
SHAPE_COLUMNS = slice(MATERIAL_COLUMNS.stop, MATERIAL_COLUMNS.stop + len(SHAPES) + 1)
SIZE_COLUMNS = slice(SHAPE_COLUMNS.stop, SHAPE_COLUMNS.stop + 3)
HOLLOW_COLUMN = SIZE_COLUMNS.stop
PRESENCE_COLUMN = HOLLOW_COLUMN + 1
WHAT_DIMS = PRESENCE_COLUMN + 1

REACH_M = 0.03  # from a footprint within which a tip is over the thing
_UNIT_M = 0.1


def what_of(item: Mapping[str, Any]) -> NDArray[np.float32]:
    """Columns [WHAT_DIMS] of an object as a session's facts describe it: `material`, `shape`, `size`, `hollowness`.

    Where the facts lack hollowness a thing with a wall counts as hollow.
    """
    row = np.zeros(WHAT_DIMS, np.float32)
    row[MATERIAL_COLUMNS.start + _index(MATERIALS, item.get("material"))] = 1.0
    row[SHAPE_COLUMNS.start + _index(SHAPES, item.get("shape"))] = 1.0
    row[SIZE_COLUMNS] = [math.log(max(float(side), 1e-3) / _UNIT_M) for side in item["size"]]
    hollowness = item.get("hollowness")
    row[HOLLOW_COLUMN] = float(item.get("wall") or 0.0) > 0 if hollowness is None else float(hollowness)
    row[PRESENCE_COLUMN] = 1.0
    return row


def under(tips: Array, objects: Sequence[Mapping[str, Any]]) -> NDArray[np.int16]:
    """Index of the object under tips [n, 3] [n]: the nearest whose footprint, 3 cm wider, holds it; -1: none."""
    if not objects:
        return np.full(len(tips), -1, np.int16)
    distances = np.stack([_outside(tips[:, :2], item) for item in objects], axis=1)
    distances = np.where(np.isnan(distances), np.inf, distances)
    nearest = distances.argmin(axis=1)
    return np.where(distances.min(axis=1) <= REACH_M, nearest, -1).astype(np.int16)


def _outside(places: Array, item: Mapping[str, Any]) -> Array:
    """Distance [n] [m] of places [n, 2] from a footprint; negative within."""
    away = places - np.asarray(item["position"][:2], np.float64)
    length, width = float(item["size"][0]), float(item["size"][1])
    if item.get("shape") in _ROUND:
        return np.asarray(np.linalg.norm(away, axis=1) - length / 2)
    yaw = float(item.get("yaw") or 0.0)
    turn = np.array([[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]])
    beyond = np.abs(away @ turn) - np.array([length, width]) / 2
    return np.asarray(np.linalg.norm(np.maximum(beyond, 0.0), axis=1) + np.minimum(beyond.max(axis=1), 0.0))


def _index(names: Sequence[str], name: object) -> int:
    """Of a name; behind the last where it is unknown."""
    return names.index(name) if name in names else len(names)  # type: ignore[arg-type]
