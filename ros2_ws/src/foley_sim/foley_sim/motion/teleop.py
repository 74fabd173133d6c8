"""Teleoperation: a wished pose of the tool becomes a motion that the arm can follow.

A wish holds for HOLD_S. When no newer one comes the arm rises above everything and rests; then exploration may go on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SPEED = 0.8  # [m/s or rad/s] at most, per joint
ACCELERATION = 6.0  # [m/s^2 or rad/s^2] at most, per joint
DESCENT = 0.3  # [m/s] at most downwards: what the wrist spring can still take up
DEEPEST_M = 0.012  # of the wrist's deflection; pressed that far, the arm goes no lower
HOLD_S = 0.5
_STIFFNESS = 12.0  # [1/s]: speed wanted per distance left
_STILL_M, _STILL_M_S = 1e-3, 2e-3


class WishRefused(ValueError):
    """A wish that cannot be followed; the message says why."""


def clamp(wish: Array, reach: Sequence[tuple[float, float]]) -> tuple[Array, bool]:
    """The nearest place [4] (x, y, z, yaw) within the robot's reach, and whether it differs from the wish.

    Raises:
        WishRefused: a value is not finite.
    """
    if not np.isfinite(wish).all():
        raise WishRefused(
            f"the target is {np.round(wish, 4).tolist()} (x, y, z, yaw): every value must be finite"
        )
    low, high = np.array(reach).T
    inside = np.clip(wish, low, high)
    return np.asarray(inside), bool(np.any(inside != wish))


def yaw_of(quaternion: Array) -> float:
    """Yaw [rad] of a tool that points down, from (x, y, z, w); the rest of the rotation is ignored.

    Raises:
        WishRefused: the quaternion has no length.
    """
    length = float(np.linalg.norm(quaternion))
    if not (math.isfinite(length) and length > 1e-6):
        raise WishRefused(f"the target's orientation is {quaternion.tolist()}: it must be a unit quaternion")
    # q and -q are one orientation, whose two angles lie a turn apart.
    return math.remainder(2.0 * math.atan2(float(quaternion[1]), float(quaternion[0])), 2 * math.pi)


class Follower:
    """Moves joints towards a wish within SPEED and ACCELERATION.

    Args:
        joints: [4] where the arm rests.
    """

    def __init__(self, joints: Array) -> None:
        self.position = np.array(joints, dtype=np.float64)
        self.velocity = np.zeros(4)

    def step(self, wish: Array, dt_s: float) -> tuple[Array, Array, Array]:
        """Position, velocity and acceleration [4] after one step towards the wish [4]."""
        left = wish - self.position
        # Fast enough to arrive soon, slow enough to stop in time: v^2 = 2 a d.
        stopping = np.sqrt(2 * 0.8 * ACCELERATION * np.abs(left))
        wanted = np.sign(left) * np.minimum(np.minimum(_STIFFNESS * np.abs(left), stopping), SPEED)
        wanted[2] = max(wanted[2], -DESCENT)
        most = ACCELERATION * dt_s
        change = np.clip(wanted - self.velocity, -most, most)
        self.velocity += change
        self.position += self.velocity * dt_s
        return self.position, self.velocity, change / dt_s

    def at_rest(self, wish: Array) -> bool:
        """Whether it has arrived and stands."""
        return bool(
            np.abs(wish - self.position).max() < _STILL_M and np.abs(self.velocity).max() < _STILL_M_S
        )
