"""A straight approach to a place, as it is asked about and need not be executed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.action.gripper import GripperHand
from foley_perception.geometry.se3 import SE3
from foley_synthesis.beliefs.outcomes import Point

RATE_HZ = 100.0
INTO_M = 0.02  # so far behind the place the motion ends: whoever looks for its contact has to find one


def approach_poses(
    place: Point, normal: Point, length_m: float, speed: float
) -> tuple[NDArray[np.float64], SE3]:
    """Times [n] in s and poses [n] of the tip on a straight line against the surface, at one speed.

    The tip's z axis points into the surface, as a gripper that strikes.

    Raises:
        ValueError: place, normal, length or speed are not finite, or zero.
    """
    point, out = np.asarray(place, float), np.asarray(normal, float)
    size = float(np.linalg.norm(out))
    if not np.isfinite(point).all() or not math.isfinite(size) or size < 1e-6:
        raise ValueError(f"place {place} and normal {normal} must be finite, and the normal no zero")
    if not (math.isfinite(speed) and speed > 0 and length_m > 0):
        raise ValueError(f"speed is {speed} m/s, must be positive")
    out = out / size
    count = max(8, math.ceil((length_m + INTO_M) / speed * RATE_HZ) + 1)
    along = np.linspace(length_m, -INTO_M, count)
    times = (length_m - along) / speed
    rotation = _facing(-out)
    poses = SE3.from_rotation(np.broadcast_to(rotation, (count, 3, 3)), point + along[:, None] * out)
    return times, poses


def _facing(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """A rotation [3, 3] whose third column is ``z``."""
    aside = np.array([1.0, 0.0, 0.0]) if abs(z[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    y = np.cross(z, aside)
    y /= np.linalg.norm(y)
    return np.stack([np.cross(y, z), y, z], axis=1)


def approach_keypoints(
    hand: GripperHand,
    tx_tool_tip: SE3,
    place: Point,
    normal: Point,
    *,
    length_m: float,
    speed: float,
    start_ns: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Times [n] in ns and keypoints [n, 2, 21, 3] of the hand whose tip so moves. Raises ValueError."""
    times, tip = approach_poses(place, normal, length_m, speed)
    tool = tip @ tx_tool_tip.inverse()
    return start_ns + np.round(times * NS_PER_S).astype(np.int64), hand.keypoints(tool)
