"""A hand's motion as what a contact sounds by: height over the surface, velocity, grip, force, at 125 Hz.

One function for session files, bags and live nodes. Channels lie in groups that a model can be trained without; every
channel is about 1 in size, and what is not known is 0 beside a flag that is 0::

    height     signed height of the tip over the surface (below it: pressed), nearness, slope
    velocity   of the tip in the world, along the surface's normal and across it, and acceleration
    place      of the tip in the world, yaw of the tool
    grip       opening of the gripper and its rate
    keypoints  heights of five fingertips and the palm over the surface
    force      as measured, compressed; only of a motion that was executed
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foley_common.session_file import MOTION_RATE
from foley_perception.action.gripper import SIDES, GripperHand
from foley_perception.geometry.height_map import HeightMap
from foley_perception.geometry.se3 import SE3

Array = NDArray[np.float64]

CHANNELS: dict[str, tuple[str, ...]] = {
    "height": (
        "height", "within_2mm", "within_8mm", "side", "normal_x", "normal_y", "surface_seen", "surface_known"
    ),
    "velocity": (
        "velocity_x", "velocity_y", "velocity_z", "velocity_normal", "speed_tangential",
        "acceleration_normal", "acceleration_tangential", "pose_known",
    ),
    "place": ("x", "y", "z", "yaw_sin", "yaw_cos"),
    "grip": ("width", "width_rate", "width_known"),
    "keypoints": ("thumb", "index", "middle", "ring", "little", "palm", "keypoints_known"),
    "force": (
        "force_x", "force_y", "force_z", "torque_x", "torque_y", "torque_z",
        "force_normal", "force_tangential", "force_known",
    ),
}  # fmt: skip
"""Names of the channels of each group, in order; `force` is last, so that a motion without it is a prefix."""

NAMES = tuple(name for names in CHANNELS.values() for name in names)


def _slices() -> dict[str, slice]:
    begin, found = 0, {}
    for group, names in CHANNELS.items():
        found[group] = slice(begin, begin + len(names))
        begin += len(names)
    return found


GROUPS = _slices()
MOTION_CHANNELS = GROUPS["force"].start
"""Channels of a motion without force."""

NEAR_M, AROUND_M = 0.002, 0.008  # over which nearness falls to 1/e
_HEIGHT_M, _LOWEST, _HIGHEST = 0.05, -1.0, 3.0  # unit and range of the tip's height
_FINGER_M = 0.1  # unit of the fingers' heights, in the same range: a stick holds them off
_SPEED = 0.3  # [m/s]
_ACCELERATION = 10.0  # [m/s^2]
_CLIP = 3.0  # of velocities and accelerations in their units
_PLACE_M = 0.3
_WIDTH_M = 0.08
_WIDTH_RATE = 0.2  # [m/s]
_FORCE_N, _TORQUE_NM = 0.5, 0.05  # from which forces are compressed
_FINGERTIPS = (4, 8, 12, 16, 20)
_PALM = (0, 5, 17)  # wrist and the knuckles of index and little finger, whose mean is the palm


@dataclasses.dataclass(frozen=True, eq=False)
class ContactMotion:
    """Channels of a motion, a row every 8 ms."""

    values: NDArray[np.float32]  # [n, len(NAMES)]
    names: tuple[str, ...] = NAMES
    groups: dict[str, slice] = dataclasses.field(default_factory=lambda: dict(GROUPS))

    @property
    def motion(self) -> NDArray[np.float32]:
        """Without force [n, MOTION_CHANNELS]."""
        return self.values[:, :MOTION_CHANNELS]

    @property
    def force(self) -> NDArray[np.float32]:
        """Force alone."""
        return self.values[:, GROUPS["force"]]


def contact_motion(
    poses: SE3,  # [n] tx_world_tool at 125 Hz; NaN where not known
    widths: ArrayLike,  # [n] opening of the gripper [m]; NaN where not known
    tx_tool_tip: SE3,
    surface: HeightMap | None,
    force: ArrayLike | None = None,  # [n, 6] on the tool in its frame [N, N m]; None: not measured, or a plan
    hand: GripperHand | None = None,
) -> ContactMotion:
    """Channels of a motion on the grid of 125 Hz; see the module.

    Without a surface `height` and `keypoints` are 0, and velocities "along the normal" are vertical. Without a hand
    `keypoints` are 0. Derivatives are central differences over one row to each side, so that row i needs rows i - 2 to
    i + 2; beside rows that are not known they are differences to the side that is.

    Raises:
        ValueError: lengths differ, or fewer than three rows.
    """
    count = len(poses)
    opening = np.asarray(widths, np.float64)
    wrench = np.full((count, 6), np.nan) if force is None else np.asarray(force, np.float64)
    if count < 3 or opening.shape != (count,) or wrench.shape != (count, 6):
        raise ValueError(
            f"{count} poses, widths {opening.shape}, force {wrench.shape}: need at least 3 rows, as many of each"
        )
    rotation = poses.rotation  # [n, 3, 3]
    tips = poses.translation + rotation @ tx_tool_tip.translation
    known = np.asarray(np.isfinite(tips).all(axis=1))
    values = np.zeros((count, len(NAMES)))
    normals = np.broadcast_to(np.array([0.0, 0.0, 1.0]), (count, 3))
    if surface is not None:
        normals = surface.normal(tips[:, :2])
        values[:, GROUPS["height"]] = _height(tips, normals, surface)
        if hand is not None:
            values[:, GROUPS["keypoints"]] = _keypoints(rotation, poses.translation, opening, surface, hand)
    values[:, GROUPS["velocity"]] = _velocity(tips, normals, known)
    values[:, GROUPS["place"]] = np.concatenate(
        [np.clip(tips / _PLACE_M, -_CLIP, _CLIP), _yaw(rotation)], axis=1
    )
    values[:, GROUPS["grip"]] = _grip(opening)
    values[:, GROUPS["force"]] = _force(wrench, rotation, normals)
    values[~known, : GROUPS["grip"].start] = values[~known, GROUPS["grip"].stop :] = 0.0
    return ContactMotion(np.nan_to_num(values, copy=False).astype(np.float32))


def tip_heights(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Heights [..., n] [m] of the tip in channels [..., n, C], clipped to [-0.05, 0.15]; 0 without a surface."""
    return np.asarray(values[..., GROUPS["height"].start], np.float32) * np.float32(_HEIGHT_M)


def moved_up(
    values: NDArray[np.float32],  # [..., n, C]
    offset_m: ArrayLike,  # [...]
) -> NDArray[np.float32]:
    """The same motion that much higher over its surface: heights are never known to the millimetre.

    Exact where heights are not clipped: those lie at their bounds and remain there.
    """
    offset = np.asarray(offset_m, np.float32)[..., None]
    moved = values.copy()
    group = GROUPS["height"].start
    present = values[..., GROUPS["height"].stop - 1]
    scaled = values[..., group] + offset / np.float32(_HEIGHT_M)
    moved[..., group : group + 4] = _nearness(_inside(scaled, values[..., group]), present)
    fingers = slice(GROUPS["keypoints"].start, GROUPS["keypoints"].stop - 1)
    present = values[..., GROUPS["keypoints"].stop - 1, None]
    before = values[..., fingers]
    moved[..., fingers] = present * _inside(before + offset[..., None] / np.float32(_FINGER_M), before)
    return moved


def _inside(scaled: NDArray[np.floating], before: NDArray[np.floating]) -> NDArray[np.floating]:
    """Scaled heights, clipped; those that were clipped before remain where they are."""
    clipped = (before <= _LOWEST) | (before >= _HIGHEST)
    return np.where(clipped, before, np.clip(scaled, _LOWEST, _HIGHEST))


def _nearness(scaled: NDArray[np.floating], present: NDArray[np.floating]) -> NDArray[np.floating]:
    """The first four channels of `height` [..., 4] from the first of them."""
    height = scaled * _HEIGHT_M
    away = np.abs(height)
    return np.stack(
        [scaled, np.exp(-away / NEAR_M), np.exp(-away / AROUND_M), np.tanh(height / NEAR_M)], axis=-1
    ) * np.asarray(present)[..., None]  # fmt: skip


def _height(tips: Array, normals: Array, surface: HeightMap) -> Array:
    above = tips[:, 2] - surface.height(tips[:, :2])
    scaled = np.clip(above / _HEIGHT_M, _LOWEST, _HIGHEST)
    one = np.ones(len(tips))
    return np.concatenate(
        [
            _nearness(scaled, one),
            normals[:, :2],
            np.stack([surface.seen_at(tips[:, :2]).astype(np.float64), one], axis=1),
        ],
        axis=1,
    )


def _velocity(tips: Array, normals: Array, known: NDArray[np.bool_]) -> Array:
    velocity = _rate(tips)
    acceleration = _rate(velocity)
    along, lift = _split(velocity, normals), _split(acceleration, normals)
    scaled = np.concatenate(
        [velocity / _SPEED, along / _SPEED, lift / _ACCELERATION], axis=1
    )  # x y z, normal, tangential, normal, tangential
    return np.concatenate([np.clip(scaled, -_CLIP, _CLIP), known[:, None]], axis=1)


def _rate(values: Array) -> Array:
    """Change per second of values [n, ...]; NaN where neither neighbour is known, or the row itself is not."""
    steps = np.diff(values, axis=0) * MOTION_RATE
    behind, ahead = np.concatenate([steps[:1], steps]), np.concatenate([steps, steps[-1:]])
    both = (behind + ahead) / 2
    return np.asarray(np.where(np.isnan(both), np.where(np.isnan(ahead), behind, ahead), both))


def _split(vectors: Array, normals: Array) -> Array:
    """[n, 2]: along the normal, signed, and across it."""
    along = np.einsum("ni,ni->n", vectors, normals)
    across = np.linalg.norm(vectors - along[:, None] * normals, axis=1)
    return np.stack([along, across], axis=1)


def _yaw(rotation: Array) -> Array:
    """Sine and cosine [n, 2] of the direction of the tool's x axis around the vertical; 0 where that stands upright."""
    x, y = rotation[:, 0, 0], rotation[:, 1, 0]
    length = np.hypot(x, y)
    return np.stack([y, x], axis=1) * np.where(length > 0.1, 1.0 / np.maximum(length, 1e-9), 0.0)[:, None]


def _grip(opening: Array) -> Array:
    known = np.isfinite(opening)
    width = np.where(known, opening, np.nan)  # without what is infinite
    rate = np.nan_to_num(_rate(width))
    return np.stack(
        [np.nan_to_num(width) / _WIDTH_M, np.clip(rate / _WIDTH_RATE, -_CLIP, _CLIP), known], axis=1
    )


def _keypoints(
    rotation: Array, translation: Array, opening: Array, surface: HeightMap, hand: GripperHand
) -> Array:
    # In the tool frame keypoints are affine in the width: two of them say all.
    ends = hand.keypoints(SE3.identity(2), [0.0, hand.max_width])[
        :, SIDES.index(hand.main_side)
    ]  # [2, 21, 3]
    closed, wide = np.concatenate(
        [ends[:, _FINGERTIPS], ends[:, _PALM].mean(axis=1, keepdims=True)], axis=1
    )  # [6, 3] each
    width = np.clip(np.where(np.isfinite(opening), opening, hand.default_width), 0.0, hand.max_width)
    points = closed + (width / hand.max_width)[:, None, None] * (wide - closed)  # [n, 6, 3]
    points = points @ np.swapaxes(rotation, 1, 2) + translation[:, None]
    above = np.clip((points[..., 2] - surface.height(points[..., :2])) / _FINGER_M, _LOWEST, _HIGHEST)
    return np.concatenate([above, np.ones((len(opening), 1))], axis=1)


def _force(wrench: Array, rotation: Array, normals: Array) -> Array:
    known = np.asarray(np.isfinite(wrench).all(axis=1))
    force = np.einsum("nij,nj->ni", rotation, wrench[:, :3])
    torque = np.einsum("nij,nj->ni", rotation, wrench[:, 3:])
    values = np.concatenate(
        [
            _compressed(force, _FORCE_N),
            _compressed(torque, _TORQUE_NM),
            _compressed(_split(force, normals), _FORCE_N),
        ],
        axis=1,
    )
    return np.where(known[:, None], np.concatenate([values, np.ones((len(values), 1))], axis=1), 0.0)


def _compressed(values: Array, unit: float) -> Array:
    """Sign times log(1 + |v| / unit), of which 20 units are 1."""
    return np.asarray(np.sign(values) * np.log1p(np.abs(values) / unit) / np.log1p(20.0))
