"""The surface of a reconstructed scene as heights, drawn from straight above."""

from __future__ import annotations

import numpy as np
import torch

from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.rendering.render import render
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.height_map import Bounds, HeightMap

COVERED = 0.5  # alpha from which there is a surface
_ABOVE_M = 3.0  # of the camera over the lowest Gaussian: rays are nearly upright


def surface_of(gaussians: Gaussians, bounds: Bounds, cell: float = 0.003) -> HeightMap:
    """Heights of a scene within bounds x0, y0, x1, y1 [m]; where it was never seen they are guessed and marked.

    Raises:
        ValueError: nothing is there.
    """
    x0, y0, x1, y1 = bounds
    base = float(gaussians.means[:, 2].min()) if len(gaussians) else 0.0
    eye = np.array([(x0 + x1) / 2, (y0 + y1) / 2, base + _ABOVE_M])
    columns, rows = (int(np.ceil((high - low) / cell)) + 4 for low, high in ((x0, x1), (y0, y1)))
    fovy = 2 * np.rad2deg(np.arctan(rows * cell / 2 / _ABOVE_M))
    camera = CameraModel.looking_at(
        eye, eye - [0, 0, 1], width=columns, height=rows, fovy_deg=fovy, up=(0, 1, 0)
    )
    with torch.no_grad():
        seen = render(gaussians, camera)
    depth = torch.where(seen.alpha >= COVERED, seen.depth, torch.nan).cpu().numpy()
    return HeightMap.from_depth(depth, camera, cell, bounds)
