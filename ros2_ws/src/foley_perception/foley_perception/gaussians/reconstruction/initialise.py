"""Where Gaussians start: on the surfaces that depth images show, or anywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from foley_perception.gaussians.gaussians import SH0, Gaussians
from foley_perception.geometry.camera import CameraModel
from foley_perception.scene.scan import ScanError, View

Array = NDArray[np.float64]

_NEIGHBOURS = 3
_TANGENT = 0.7
"""Standard deviation along a surface, in distances to the neighbours."""
_NORMAL = 0.1
"""Standard deviation across it, in parts of the one along it."""
_FAR = 1.5
"""What is farther from the middle than this many camera distances is covered by voxels _COARSER times wider."""
_COARSER = 5.0
_SKY = 6.0
"""What has no depth stands at least so many camera distances away, in voxels that are wider by as much again."""


def from_depth(
    views: list[View], *, voxel: float, limit: int, degree: int = 0, opacity: float = 0.98
) -> tuple[Gaussians, float]:
    """Flat Gaussians on the surfaces of RGB-D views, and the voxel that was used.

    What the cameras look at is covered finely, what lies far around it coarsely; where a camera sees colour beyond
    the reach of its depth, Gaussians stand on a far sphere.

    Args:
        voxel: [m] one Gaussian for each; made larger until no more than ``limit`` are left.

    Raises:
        ScanError: the views hold no usable depth.
    """
    centre, radius = focus([view.camera for view in views])
    parts = [part for view in views if (part := _surface(view)) is not None]
    points = np.concatenate([part[0] for part in parts]) if parts else np.zeros((0, 3))
    if len(points) < 100:
        raise ScanError(
            f"the depth images show {len(points)} usable points, at least 100 are needed; start from random Gaussians "
            "instead, or check the depth topic's unit (16UC1 is millimetres)"
        )
    colours, normals = (np.concatenate([part[k] for part in parts]) for k in (1, 2))
    distance = np.linalg.norm(points - centre, axis=1)
    far = distance > _FAR * radius
    sky = _sky(views, centre, max(_SKY * radius, 1.5 * float(distance.max())))
    while True:
        groups = [
            _thinned(points[~far], colours[~far], normals[~far], voxel),
            _thinned(points[far], colours[far], normals[far], _COARSER * voxel),
            _thinned(*sky, _COARSER * voxel * _SKY),
        ]
        groups = [group for group in groups if len(group[0]) > _NEIGHBOURS]
        if sum(len(group[0]) for group in groups) <= limit:
            break
        voxel *= 1.1
    points, colours, normals, tangent = (np.concatenate([group[k] for group in groups]) for k in range(4))
    scales = np.stack([tangent, tangent, _NORMAL * tangent], -1)
    return _gaussians(points, _quats(normals), scales, opacity, colours, degree), voxel


def at_random(
    cameras: list[CameraModel],
    count: int,
    generator: np.random.Generator,
    degree: int = 0,
    opacity: float = 0.1,
) -> Gaussians:
    """Gaussians of any colour, spread evenly in the box round which the cameras stand."""
    centre, radius = focus(cameras)
    points = centre + generator.uniform(-1.5 * radius, 1.5 * radius, (count, 3))
    scales = np.repeat(_spacing(points)[:, None], 3, axis=1)
    quats = generator.normal(size=(count, 4))
    return _gaussians(points, quats, scales, opacity, generator.uniform(0, 1, (count, 3)), degree)


def focus(cameras: list[CameraModel]) -> tuple[Array, float]:
    """The point [3] nearest to all optical axes, and the median distance of the cameras from it [m]."""
    eyes = np.stack([c.tx_world_camera.translation for c in cameras])
    axes = np.stack([c.tx_world_camera.rotation[:, 2] for c in cameras])
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    # A little weight on standing a metre in front, so that parallel axes have an answer.
    total = across.sum(0) + 1e-3 * len(eyes) * np.eye(3)
    centre = np.linalg.solve(total, np.einsum("nij,nj->i", across, eyes) + 1e-3 * (eyes + axes).sum(0))
    return centre, float(np.median(np.linalg.norm(eyes - centre, axis=1)))


def _surface(view: View) -> tuple[Array, Array, Array] | None:
    """Points, colours and normals [n, 3] of one view; None where it has no depth."""
    import open3d as o3d

    if view.depth is None:
        return None
    depth, rgb = view.depth(), view.rgb()
    camera = view.camera.scaled(depth.shape[1], depth.shape[0])
    known = np.isfinite(depth) & (depth > 0.02)
    known &= ~_jumps(np.where(known, depth, np.nan))
    if known.sum() < 10:
        return None
    v, u = np.nonzero(known)
    cloud = o3d.geometry.PointCloud()
    cloud.points = o3d.utility.Vector3dVector(camera.unproject(np.stack([u, v], -1), depth[known]))
    cloud.colors = o3d.utility.Vector3dVector(_colours_at(rgb, depth.shape, u, v))
    cloud = cloud.voxel_down_sample(0.004)
    cloud.estimate_normals(o3d.geometry.KDTreeSearchParamKNN(12))
    cloud.orient_normals_towards_camera_location(camera.tx_world_camera.translation)
    return np.asarray(cloud.points), np.asarray(cloud.colors), np.asarray(cloud.normals)


def _jumps(depth: Array, share: float = 0.02) -> NDArray[np.bool_]:
    """Pixels [H, W] at a jump of depth or beside unknown ones, which mix two surfaces.

    Along a plane the inverse of depth is straight, however steeply it is seen.
    """
    inverse, found = 1.0 / depth, np.zeros(depth.shape, dtype=bool)
    for axis in (0, 1):
        bend = np.abs(np.diff(inverse, 2, axis=axis))
        middle = np.take(depth, range(1, depth.shape[axis] - 1), axis=axis)
        with np.errstate(invalid="ignore"):
            found |= np.pad(~(bend * middle < share), [(1, 1) if a == axis else (0, 0) for a in (0, 1)])
    return found


def _colours_at(rgb: NDArray[np.uint8], shape: tuple[int, ...], u: NDArray[Any], v: NDArray[Any]) -> Array:
    """Colours [n, 3] in [0, 1] of pixels of a depth image, whose size may differ."""
    rows = np.clip(((v + 0.5) * rgb.shape[0] / shape[0]).astype(int), 0, rgb.shape[0] - 1)
    columns = np.clip(((u + 0.5) * rgb.shape[1] / shape[1]).astype(int), 0, rgb.shape[1] - 1)
    return np.asarray(rgb[rows, columns] / 255.0)


def _sky(views: list[View], centre: Array, distance: float, block: int = 8) -> tuple[Array, Array, Array]:
    """Points, colours and normals [n, 3] on a far sphere, where whole blocks of a view have no depth."""
    points, colours = [np.zeros((0, 3))], [np.zeros((0, 3))]
    for view in views:
        if view.depth is None:
            continue
        depth = view.depth()
        height, width = (side // block for side in depth.shape)
        blocks = np.isnan(depth[: height * block, : width * block]).reshape(height, block, width, block)
        v, u = (block * index + block // 2 for index in np.nonzero(blocks.all(axis=(1, 3))))
        camera = view.camera.scaled(depth.shape[1], depth.shape[0])
        eye = camera.tx_world_camera.translation
        rays = camera.unproject(np.stack([u, v], -1), np.ones(len(u))) - eye
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        # |eye + t ray - centre| = distance
        along, rest = rays @ (eye - centre), float((eye - centre) @ (eye - centre)) - distance**2
        points.append(eye + (np.sqrt(along**2 - rest) - along)[:, None] * rays)
        colours.append(_colours_at(view.rgb(), depth.shape, u, v))
    every = np.concatenate(points)
    return every, np.concatenate(colours), (centre - every) / distance


def _thinned(
    points: Array, colours: Array, normals: Array, voxel: float
) -> tuple[Array, Array, Array, Array]:
    """One point a voxel with its colour and normal, and how wide its Gaussian is along the surface."""
    import open3d as o3d

    if not len(points):
        return points, colours, normals, np.zeros(0)
    cloud = o3d.geometry.PointCloud()
    cloud.points = o3d.utility.Vector3dVector(points)
    cloud.colors = o3d.utility.Vector3dVector(colours)
    cloud.normals = o3d.utility.Vector3dVector(normals)
    cloud = cloud.voxel_down_sample(voxel)
    kept = np.asarray(cloud.points)
    spacing = (
        np.clip(_spacing(kept), 0.3 * voxel, 3 * voxel)
        if len(kept) > _NEIGHBOURS
        else np.full(len(kept), voxel)
    )
    return kept, np.asarray(cloud.colors), np.asarray(cloud.normals), _TANGENT * spacing


def _spacing(points: Array) -> Array:
    """Mean distance [N] to the nearest neighbours."""
    count = min(_NEIGHBOURS + 1, len(points))
    distance, _ = cKDTree(points).query(points, k=count)
    return np.asarray(np.atleast_2d(distance)[:, 1:].mean(axis=1))


def _quats(normals: Array) -> Array:
    """Rotations [N, 4] (w, x, y, z) that take z to the normals: half way between the two, a half turn."""
    unit = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    quats = np.stack([1 + unit[:, 2], -unit[:, 1], unit[:, 0], np.zeros(len(unit))], -1)
    down = np.linalg.norm(quats, axis=1) < 1e-6
    quats[down] = (0, 1, 0, 0)
    return np.asarray(quats / np.linalg.norm(quats, axis=1, keepdims=True))


def _gaussians(
    points: Array, quats: Array, scales: Array, opacity: float, colours: Array, degree: int
) -> Gaussians:
    def tensor(value: Array) -> torch.Tensor:
        return torch.as_tensor(np.ascontiguousarray(value), dtype=torch.float32)

    sh = torch.zeros(len(points), (degree + 1) ** 2, 3)
    sh[:, 0] = (tensor(colours) - 0.5) / SH0
    return Gaussians(tensor(points), tensor(quats), tensor(scales), torch.full((len(points),), opacity), sh)
