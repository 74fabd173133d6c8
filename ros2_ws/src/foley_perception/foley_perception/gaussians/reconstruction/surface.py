"""By-products for planners: a mesh of what depth images show, and a cloud of points to keep clear of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.rendering.render import render
from foley_perception.scene.scan import Scan, ScanError, View

_BLOCK = 8
"""Voxels a side of a block of the grid."""
_BLOCKS = 20_000
"""Blocks to begin with; the grid grows."""
_TRUNCATION = 4.0
"""A measured surface counts for so many voxels before and behind it."""


def write_surface(
    scan: Scan,
    folder: Path,
    *,
    gaussians: Gaussians | None = None,
    voxel: float = 0.004,
    cloud_voxel: float = 0.01,
    max_depth: float = 2.0,
    every: int = 4,
) -> dict[str, int]:
    """Write ``mesh.ply`` and ``cloud.ply`` (TSDF fusion, Curless and Levoy 1996, by Open3D); counts of what is in them.

    Args:
        gaussians: their depth is fused where the scan has none.
        voxel, cloud_voxel: [m] of the mesh and of the cloud.
        every: so many views make a step.

    Raises:
        ScanError: no depth, or nothing nearer than ``max_depth``.
    """
    import open3d as o3d

    float32 = o3d.core.float32
    grid = o3d.t.geometry.VoxelBlockGrid(
        ("tsdf", "weight", "color"), (float32, float32, float32), ((1,), (1,), (3,)), voxel, _BLOCK, _BLOCKS
    )
    used = 0
    for view in scan.views[::every]:
        depth = _depth(scan, view, gaussians)
        if not bool((depth < max_depth).any()):
            continue
        used += 1
        image = o3d.t.geometry.Image(np.nan_to_num(depth, nan=0.0).astype(np.float32)[..., None])
        colour = o3d.t.geometry.Image(np.ascontiguousarray(view.rgb().astype(np.float32) / 255))
        k = o3d.core.Tensor(view.camera.scaled(depth.shape[1], depth.shape[0]).K)
        colour_k = o3d.core.Tensor(view.camera.K)
        pose = o3d.core.Tensor(np.ascontiguousarray(view.camera.tx_world_camera.inverse().matrix))
        blocks = grid.compute_unique_block_coordinates(image, k, pose, 1.0, max_depth, _TRUNCATION)
        grid.integrate(blocks, image, colour, k, colour_k, pose, 1.0, max_depth, _TRUNCATION)
    if not used:
        raise ScanError(
            f"{scan.source}: nothing is nearer than {max_depth} m; raise max_depth, or check the depth's unit"
        )
    seen = min(2.0, used / 2)  # a voxel that one view alone has seen is noise
    mesh = grid.extract_triangle_mesh(weight_threshold=seen)
    cloud = grid.extract_point_cloud(weight_threshold=seen).voxel_down_sample(cloud_voxel)
    folder.mkdir(parents=True, exist_ok=True)
    for path, write, what in (
        (folder / "mesh.ply", o3d.t.io.write_triangle_mesh, mesh),
        (folder / "cloud.ply", o3d.t.io.write_point_cloud, cloud),
    ):
        if not write(str(path), what):
            raise ScanError(f"{path}: cannot be written")
    return {
        "vertices": len(mesh.vertex.positions),
        "triangles": len(mesh.triangle.indices),
        "points": len(cloud.point.positions),
    }


def _depth(scan: Scan, view: View, gaussians: Gaussians | None) -> NDArray[np.float32]:
    """Depth of a view, measured or else rendered; NaN where unknown."""
    if view.depth is not None:
        return view.depth()
    if gaussians is None:
        raise ScanError(
            f"{scan.source}: view {view.name} has no depth, and no Gaussians were given to draw it from"
        )
    with torch.no_grad():
        rendered = render(gaussians, view.camera)
    return torch.where(rendered.alpha > 0.9, rendered.depth, torch.nan).cpu().numpy().astype(np.float32)
