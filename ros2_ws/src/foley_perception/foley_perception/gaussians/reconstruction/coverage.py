"""Which pixels of a held-out view show what the other views have seen: only those can be judged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_perception.gaussians.reconstruction.optimise import Target
from foley_perception.geometry.camera import CameraModel

Array = NDArray[np.float64]

_GRID = 2  # [pixel] one point is looked at for each block of so many
_SAME = 0.03
"""Depths that differ by less than this part are of the same surface."""


def seen_elsewhere(target: Target, others: Sequence[Target]) -> Tensor | None:
    """[H, W] whether what a pixel shows was seen from another view; None where the view has no depth.

    What has no depth in either view counts as one far surface.
    """
    if target.depth is None:
        return None
    camera, depth = target.camera, target.depth.cpu().numpy()
    rows, columns = np.mgrid[0 : camera.height : _GRID, 0 : camera.width : _GRID]
    metres = depth[rows, columns].astype(np.float64)
    far = ~np.isfinite(metres)
    points = camera.unproject(np.stack([columns, rows], -1), np.where(far, 1e3, metres)).reshape(-1, 3)
    left = np.ones(len(points), dtype=bool)
    endless = far.ravel()
    for other in others:
        if other.depth is None:
            continue
        which = np.flatnonzero(left)
        if not len(which):
            break
        left[which] = ~_visible(points[which], endless[which], other.camera, other.depth.cpu().numpy())
    seen = ~left.reshape(rows.shape)
    whole = np.repeat(np.repeat(seen, _GRID, axis=0), _GRID, axis=1)[: camera.height, : camera.width]
    return torch.from_numpy(np.ascontiguousarray(whole)).to(target.rgb.device)


def _visible(
    points: Array, endless: NDArray[np.bool_], camera: CameraModel, depth: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Which points [n, 3] a camera with depth [H, W] sees."""
    pixels, away = camera.project(points)
    inside = camera.contains(pixels) & (away > 0)
    columns, rows = np.where(inside[:, None], np.round(np.nan_to_num(pixels)), 0).astype(int).T
    there = depth[rows, columns]
    with np.errstate(invalid="ignore"):
        same = np.where(endless, np.isnan(there), np.abs(there - away) < _SAME * away)
    return np.asarray(inside & same)
