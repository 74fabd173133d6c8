"""What depth cameras see of a scene before anything is touched: points of its surfaces, without the hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_sim.rendering.camera import Camera, intrinsics, remove_robot
from foley_sim.rendering.scan_path import ScanPath
from foley_sim.scene import REACH
from foley_sim.spec import CameraSpec, SceneSpec

IMAGES = 8
VOXEL_M = 0.0035
MARGIN_M = 0.04  # around what the arm reaches
LOWEST_M = -0.02  # seen below the table's plane by rounding only
HIGHEST_M = 0.3  # above all that stands on the table
MOST_POINTS = 40_000

_SIZE = (320, 240)
_FOVY_DEG = 40.0


@dataclasses.dataclass(frozen=True, eq=False)
class Surface:
    """Points in the world, thinned out to one a voxel."""

    points: NDArray[np.float64]  # [n, 3] [m]
    colours: NDArray[np.uint8]  # [n, 3] RGB


def observe(scene: SceneSpec, model: Any) -> Surface:
    """Look at a scene from IMAGES places on the path of a scan. The model's robot is made invisible for good.

    Raises:
        NoRenderer: there is no OpenGL context to be had.
    """
    spec = dataclasses.replace(scene.camera, width=_SIZE[0], height=_SIZE[1], fovy_deg=_FOVY_DEG)
    path = ScanPath(1.0)
    remove_robot(model)
    camera = Camera(model, spec)
    points, colours = [], []
    try:
        for number in range(IMAGES):
            eye, axes = path.pose((number + 0.5) / IMAGES)
            camera.aim(eye, axes, _FOVY_DEG)
            camera.pose(model.qpos0)
            seen = back_project(camera.depth_mm(), spec) @ axes.T + eye
            near = within(seen)
            points.append(seen[near])
            colours.append(camera.colour().reshape(-1, 3)[near])
    finally:
        camera.close()
    return thinned(np.concatenate(points), np.concatenate(colours))


def back_project(depth_mm: NDArray[np.uint16], camera: CameraSpec) -> NDArray[np.float64]:
    """Points [height * width, 3] in the optical frame [m]; NaN where nothing was measured."""
    k = intrinsics(camera)
    v, u = np.indices(depth_mm.shape)
    z = np.where(depth_mm > 0, depth_mm / 1000.0, np.nan)
    return np.stack([(u - k[0, 2]) / k[0, 0] * z, (v - k[1, 2]) / k[1, 1] * z, z], axis=-1).reshape(-1, 3)


def within(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """[n] which lie where the arm reaches or near it."""
    x, y = (half / 2 + MARGIN_M for half in REACH)
    return (
        (np.abs(points[:, 0]) <= x)
        & (np.abs(points[:, 1]) <= y)
        & (points[:, 2] >= LOWEST_M)
        & (points[:, 2] <= HIGHEST_M)
    )


def thinned(points: NDArray[np.float64], colours: NDArray[np.uint8]) -> Surface:
    """One point, the first, of every voxel; of more than MOST_POINTS an even share, chosen at random."""
    # Rounded, so that the table lies in the middle of a layer and not between two.
    cells = np.round(points / VOXEL_M).astype(np.int64)
    cells -= cells.min(axis=0, initial=0)
    spans = cells.max(axis=0, initial=0) + 1
    first = np.unique(np.ravel_multi_index(tuple(cells.T), tuple(spans)), return_index=True)[1]
    if len(first) > MOST_POINTS:
        first = np.sort(np.random.default_rng(0).choice(first, MOST_POINTS, replace=False))
    return Surface(points[first], colours[first])
