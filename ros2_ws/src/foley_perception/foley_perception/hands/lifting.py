"""A hand's shape and its pixels to 21 points in the world: by perspective, and by depth where it is measured.

A network says well where joints lie in the picture, and badly how far away they are. So each joint stays on the ray
through its pixel; how far along it is read from depth where the joint's own skin is seen, and elsewhere taken from the
shape, after it was moved, stretched and tilted to agree with what is seen.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3

Array = NDArray[np.float64]

WRIST, MIDDLE_KNUCKLE = 0, 9
_FINGER_M = (0.012, 0.009, 0.008, 0.007)
_UNDER_SKIN_M = np.array([0.020, 0.015, 0.011, 0.009, 0.007, *4 * _FINGER_M])
"""Joints lie about so far behind the skin that a depth camera sees (half the thickness of a hand there)."""
_BEFORE_M = 0.12
"""Depth that differs more from the hand's own is of something else, in front or behind."""
_OWN_M = 0.025
"""Depth that agrees so well with the tilted shape is that of the joint itself, not of a finger before it."""
LEAST_DEPTHS = 4
_LEAST_TILT = 8


@dataclasses.dataclass(frozen=True, eq=False)
class Placed:
    """A hand in the world."""

    keypoints: Array  # [21, 3] [m]
    depths: int  # landmarks whose depth agreed; 0: the distance is a guess from the size of the hand
    reprojection_px: float  # RMS between the shape as placed and the landmarks
    scale: float  # by which the shape was stretched to agree with depth


def palm_length(metric: Array) -> float:
    """From the wrist to the knuckle of the middle finger [m]."""
    return float(np.linalg.norm(metric[MIDDLE_KNUCKLE] - metric[WRIST]))


def place(
    metric: Array, pixels: Array, camera: CameraModel, depth: NDArray[np.float32] | None = None
) -> Placed | None:
    """Put a hand where a camera saw it.

    The shape is turned and moved until it projects onto the landmarks (perspective-n-point). To stretch shape and
    distance alike changes no pixel: how large it is, is believed, unless depth says otherwise.

    Args:
        metric: the hand's shape [21, 3] [m], any frame.
        pixels: its landmarks [21, 2], from the centre of the first pixel.
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
    away, scale, used = points[:, 2], 1.0, 0
    if depth is not None:
        away, scale, used = _agreed(away, pixels, camera, depth)
    world = camera.unproject(pixels, away)
    return Placed(world, used, float(np.sqrt((error**2).sum(axis=1).mean())), scale)


def _agreed(
    away: Array, pixels: Array, camera: CameraModel, depth: NDArray[np.float32]
) -> tuple[Array, float, int]:
    """Distances [21] of the joints that agree with depth, the stretch, and how many depths say so."""
    read = _read(pixels, camera, depth)
    ratio = read / away
    known = np.isfinite(ratio)
    if known.sum() < LEAST_DEPTHS:
        return away, 1.0, 0
    # The hand is the nearest thing on most of its landmarks; what lies behind a finger's edge is left out.
    middle = float(np.median(ratio[known]))
    agree = known & (np.abs(ratio - middle) * away < _BEFORE_M)
    if agree.sum() < LEAST_DEPTHS:
        return away, 1.0, 0
    scale = float(np.median(ratio[agree]))
    away = scale * away
    if agree.sum() < _LEAST_TILT:
        return away, scale, int(agree.sum())
    away = away + _tilt(pixels, read - away, agree)
    own = agree & (np.abs(read - away) < _OWN_M)
    return np.where(own, read, away), scale, int(agree.sum())


def _tilt(pixels: Array, missing: Array, known: NDArray[np.bool_]) -> Array:
    """The plane over the picture [21] that best explains how far the shape is off, by least absolute deviations."""
    places = np.column_stack(
        [(pixels - pixels.mean(axis=0)) / np.ptp(pixels, axis=0).max(), np.ones(len(pixels))]
    )
    weights = np.ones(int(known.sum()))
    plane = np.zeros(3)
    for _ in range(10):
        rows = places[known] * weights[:, None]
        # A little stiffness: what is seen from one side only does not say how the hand is tilted across.
        stiff = 0.05 * np.diag([1.0, 1.0, 0.0])
        plane = np.linalg.solve(rows.T @ places[known] + stiff, rows.T @ missing[known])
        weights = 1.0 / np.maximum(np.abs(missing[known] - places[known] @ plane), 2e-3)
        weights /= weights.mean()
    return np.asarray(places @ plane)


def _read(pixels: Array, camera: CameraModel, depth: NDArray[np.float32]) -> Array:
    """How far the joints under the skin at some pixels are [21] [m]; NaN where that is not known."""
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
            read[joint] = float(np.nanmedian(patch)) + _UNDER_SKIN_M[joint]
    return read
