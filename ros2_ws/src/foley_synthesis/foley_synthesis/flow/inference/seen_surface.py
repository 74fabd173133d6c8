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
THINGS_MARGIN_M = 0.4
"""Around the tip's path, in which the whole of what it touches lies."""
_UNSEEN = "no surface was seen where the tool goes: the flow is told no heights over it"
_PARTLY = "of the surface under the tip only {share:.0%} was seen; the rest is a guess from what is around it"
_MOSTLY = 0.9  # share of the path near the surface over which it should have been seen
_NEAR_M = 0.02


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


def bounds_around(places: Array, margin_m: float = _MARGIN_M) -> Bounds | None:
    """Of a map around where a tip goes [n, 2 or 3]; None where nothing is known of that."""
    known = places[np.isfinite(places).all(axis=1), :2]
    if not len(known):
        return None
    low = np.floor((known.min(axis=0) - margin_m) / _STEP_M) * _STEP_M
    high = np.ceil((known.max(axis=0) + margin_m) / _STEP_M) * _STEP_M
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def surface_of_points(points: Array, places: Array, margin_m: float = _MARGIN_M) -> HeightMap | None:
    """The top of points [m, 3] around where a tip goes; None where nothing was seen there."""
    bounds = bounds_around(places, margin_m)
    if bounds is None or not len(points):
        return None
    low = np.maximum(bounds[:2], points[:, :2].min(axis=0))
    high = np.minimum(bounds[2:], points[:, :2].max(axis=0))
    try:
        return HeightMap.from_points(points, bounds=(low[0], low[1], high[0], high[1]))
    except ValueError:
        return None


def surface_note(surface: HeightMap | None, tips: Array) -> str:
    """What is to be said of how well the surface under a path [n, 3] was seen; empty: nothing."""
    if surface is None:
        return _UNSEEN
    known = tips[np.isfinite(tips).all(axis=1)]
    near = known[known[:, 2] - surface.height(known[:, :2]) < _NEAR_M]
    share = float(surface.seen_at(near[:, :2]).mean()) if len(near) else 1.0
    return "" if share >= _MOSTLY else _PARTLY.format(share=share)


def surface_in_scene(gaussians: Gaussians, places: Array, margin_m: float = _MARGIN_M) -> HeightMap | None:
    """The same as of points, of a reconstructed scene."""
    bounds = bounds_around(places, margin_m)
    try:
        return None if bounds is None else surface_of(gaussians, bounds)
    except ValueError:
        return None
