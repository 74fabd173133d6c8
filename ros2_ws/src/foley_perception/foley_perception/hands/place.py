"""A hand's shape and its pixels to 21 points in the world: by perspective, and by depth where it is measured."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_perception.geometry.se3 import SE3
from foley_perception.scene.camera import CameraModel

Array = NDArray[np.float64]

_ON_SKIN_M = 0.008
"""Joints lie so far behind the skin that a depth camera sees."""
_BEFORE_M = 0.12
"""Depth that differs more from the hand's own is of something else, in front or behind."""
LEAST_DEPTHS = 4


@dataclasses.dataclass(frozen=True, eq=False)
class Placed:
    """A hand in the world."""

    keypoints: Array  # [21, 3] [m]
    depths: int  # landmarks whose depth agreed; 0: the distance is a guess from the size of an average hand
    reprojection_px: float  # RMS between the shape as placed and the landmarks
    scale: float  # by which the shape was stretched to agree with depth


def place(
    metric: Array, pixels: Array, camera: CameraModel, depth: NDArray[np.float32] | None = None
) -> Placed | None:
    """Put a hand where a camera saw it.

    The shape is turned and moved until it projects onto the landmarks (perspective-n-point). Depth then says how large
    it is: to stretch shape and distance alike changes no pixel.

    Args:
        metric: the hand's shape [21, 3] [m], any frame.
        pixels: its landmarks [21, 2].
        depth: [h, w] [m], NaN where unknown, of the same view.

    Returns:
        None where no place fits, as for landmarks off the picture or a hand behind the camera.
    """
    if not (np.isfinite(metric).all() and np.isfinite(pixels).all()):
        return None
    found, turn, shift = cv2.solvePnP(metric, pixels, camera.K, None, flags=cv2.SOLVEPNP_SQPNP)
    if not found or not shift[2, 0] > 0:
        return None
    turn, shift = cv2.solvePnPRefineLM(metric, pixels, camera.K, None, turn, shift)
    points = SE3.from_rotation_vector(turn.ravel(), shift.ravel()).apply(metric)
    if not (np.isfinite(points).all() and (points[:, 2] > 0.02).all()):
        return None
    error = (points @ camera.K.T)[:, :2] / points[:, 2:] - pixels
    scale, used = (1.0, 0) if depth is None else _scale(points, pixels, camera, depth)
    world = camera.tx_world_camera.apply(scale * points)
    return Placed(world, used, float(np.sqrt((error**2).sum(axis=1).mean())), scale)


def _scale(
    points: Array, pixels: Array, camera: CameraModel, depth: NDArray[np.float32]
) -> tuple[float, int]:
    """By how much to stretch points in the camera's frame, and how many depths say so."""
    height, width = depth.shape
    uv = (pixels + 0.5) * np.array([width / camera.width, height / camera.height]) - 0.5
    read = np.full(21, np.nan)
    for joint, (u, v) in enumerate(np.round(uv).astype(int)):
        patch = (
            depth[max(0, v - 1) : v + 2, max(0, u - 1) : u + 2]
            if 0 <= u < width and 0 <= v < height
            else None
        )
        if patch is not None and patch.size and np.isfinite(patch).any():
            read[joint] = float(np.nanmedian(patch)) + _ON_SKIN_M
    ratio = read / points[:, 2]
    known = np.isfinite(ratio)
    if known.sum() < LEAST_DEPTHS:
        return 1.0, 0
    # The hand is the nearest thing on most of its landmarks; what lies behind a finger's edge is left out.
    middle = float(np.median(ratio[known]))
    agree = known & (np.abs(ratio - middle) * points[:, 2] < _BEFORE_M)
    return (float(np.median(ratio[agree])), int(agree.sum())) if agree.sum() >= LEAST_DEPTHS else (1.0, 0)
