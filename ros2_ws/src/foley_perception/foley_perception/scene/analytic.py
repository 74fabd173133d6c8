"""Scenes whose depth is known exactly: boxes on a table. For tests, and for trying things without a simulator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foley_perception.scene.camera import CameraModel

Box = tuple[tuple[float, float, float], tuple[float, float, float]]


def bench_camera(width: int = 320, height: int = 240) -> CameraModel:
    """A camera that looks down at a table top from half a right angle or so."""
    return CameraModel.looking_at(
        (0.0, -0.75, 0.65), (0.0, 0.0, 0.05), width=width, height=height, fovy_deg=50.0
    )


def render_depth(camera: CameraModel, boxes: list[Box], table_z: float = 0.0) -> NDArray[np.float32]:
    """Depth [H, W] in metres of a table top and boxes on it, in whole millimetres as a 16UC1 image would hold it.

    Args:
        boxes: (lowest corner, highest corner) of each, in the world [m].
    """
    v, u = np.mgrid[0 : camera.height, 0 : camera.width]
    eye = camera.tx_world_camera.translation
    rays = camera.unproject(np.stack([u, v], axis=-1), np.ones(u.shape)) - eye
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = (table_z - eye[2]) / rays[..., 2]
        depth = np.where(depth > 0, depth, np.inf)
        for low, high in boxes:
            first, second = (np.array(low) - eye) / rays, (np.array(high) - eye) / rays
            enter, leave = np.minimum(first, second).max(-1), np.maximum(first, second).min(-1)
            depth = np.where((enter < leave) & (enter > 0), np.minimum(depth, enter), depth)
    return np.where(np.isfinite(depth), np.round(depth * 1000) / 1000, np.nan).astype(np.float32)
