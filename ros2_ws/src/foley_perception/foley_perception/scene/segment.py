"""The face of an object around a point, cut out of a depth image."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from foley_perception.action.planned_contact import PlannedContactConfig, fit_planes
from foley_perception.geometry.camera import CameraModel

Array = NDArray[np.float64]


def face_around(
    depth: NDArray[np.floating],  # [H, W] metres, NaN unknown
    camera: CameraModel,
    point_world: ArrayLike,  # [3] on the surface
    *,
    tolerance_m: float = 0.004,
    reach_m: float = 0.25,
    max_points: int = 300,
) -> Array | None:
    """World points [m, 3] of the flat face that ``point_world`` lies on.

    Pixels within ``tolerance_m`` of the plane through the surface at the point, connected with it in the image and at
    most ``reach_m`` away. None where the surface is not seen there.
    """
    pixel, distance = camera.project(point_world)
    if not camera.contains(pixel) or distance <= 0:
        return None
    normals, heights = fit_planes(
        pixel[None], np.asarray(depth, dtype=np.float64), camera, PlannedContactConfig()
    )
    point = camera.to_camera(point_world)
    # The plane must be the one that was touched, not something behind or before it.
    if not np.isfinite(heights[0]) or abs(float(normals[0] @ point) - heights[0]) > 3 * tolerance_m:
        return None
    v, u = np.mgrid[0 : camera.height, 0 : camera.width]
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(camera.K).T
    points = rays * np.asarray(depth, dtype=np.float64)[..., None]
    with np.errstate(invalid="ignore"):
        off = np.abs(points @ normals[0] - heights[0])
        near = np.linalg.norm(points - point, axis=-1) < reach_m
        mask = (off < tolerance_m) & near
    # A pixel row of an edge that is seen half and half would join two faces of one height.
    mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, labels = cv2.connectedComponents(mask, connectivity=4)
    column, row = (int(i) for i in np.round(pixel))
    around = labels[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
    found = around[around > 0]
    if not found.size:
        return None
    face = points[labels == np.bincount(found).argmax()]
    step = -(-len(face) // max_points)
    return camera.tx_world_camera.apply(face[::step])
