"""The surface that was seen in a scene, around where a tip goes: by a depth camera, or in a reconstructed scene.

The map is laid as those of sessions are (`flow/session_features.py`), so that a motion has the same features live as
in training. One is made for a plan, of what is known when the plan comes.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.height_map import surface_of
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.height_map import Bounds, HeightMap

Array = NDArray[np.float64]

_STEP_M = 0.3  # of which bounds are multiples
_MARGIN_M = 0.15  # around the tip's path, in which the hand's own fingers are


@dataclasses.dataclass(frozen=True, eq=False)
class SeenDepth:
    """A picture of depth without the hand."""

    depth: NDArray[np.float32]  # [H, W] along the optical axis [m]; NaN unknown
    camera: CameraModel

    def points(self) -> Array:
        """[m, 3] in the world."""
        v, u = np.nonzero(np.isfinite(self.depth) & (self.depth > 0))
        # One matrix for all: `CameraModel.unproject` turns each by a quaternion and takes five times as long.
        pose = self.camera.tx_world_camera
        turned = pose.rotation @ np.linalg.inv(self.camera.K)
        pixels = np.stack([u, v, np.ones_like(u)]) * self.depth[v, u].astype(np.float64)
        return np.asarray((turned @ pixels).T + pose.translation)


def bounds_around(places: Array) -> Bounds | None:
    """Of a map around where a tip goes [n, 2 or 3]; None where nothing is known of that."""
    known = places[np.isfinite(places).all(axis=1), :2]
    if not len(known):
        return None
    low = np.floor((known.min(axis=0) - _MARGIN_M) / _STEP_M) * _STEP_M
    high = np.ceil((known.max(axis=0) + _MARGIN_M) / _STEP_M) * _STEP_M
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def surface_of_points(points: Array, places: Array) -> HeightMap | None:
    """The top of points [m, 3] around where a tip goes; None where nothing was seen there."""
    bounds = bounds_around(places)
    if bounds is None or not len(points):
        return None
    low = np.maximum(bounds[:2], points[:, :2].min(axis=0))
    high = np.minimum(bounds[2:], points[:, :2].max(axis=0))
    try:
        return HeightMap.from_points(points, bounds=(low[0], low[1], high[0], high[1]))
    except ValueError:
        return None


def surface_in_scene(gaussians: Gaussians, places: Array) -> HeightMap | None:
    """The same of a reconstructed scene."""
    bounds = bounds_around(places)
    try:
        return None if bounds is None else surface_of(gaussians, bounds)
    except ValueError:
        return None
