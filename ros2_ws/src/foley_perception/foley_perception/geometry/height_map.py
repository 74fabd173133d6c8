"""The top of what was seen on a table, as heights on a grid: what a tip is above.

    points -> without lone ones -> top of each cell -> smoothed within a surface -> holes filled

Vertical is the world's z. What lies under an overhang is not kept. A map of 1 m x 1 m in cells of 3 mm holds 111,000
cells, 0.6 MB; one of 0.5 m x 0.5 m is made of 62,500 points in 30 ms, and asked for 5,000 places in 1 ms.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foley_perception.geometry.camera import CameraModel

Array = NDArray[np.float64]
Bounds = tuple[float, float, float, float]

MAX_CELLS = 4_000_000
_STEP_CELLS = 2.0  # neighbours that differ by more than this many cells belong to different surfaces
_SUPPORT = 3  # points in the 3 x 3 x 3 voxels around a point that is not noise, itself among them
_MAX_VOXELS = 50_000_000
_GAP_CELLS = 4.0  # a cell no farther from a seen one is a gap of sampling and gets that one's height
_LOW = 10.0  # [percent] of a hidden region's rim, which is what it is filled with


@dataclasses.dataclass(frozen=True, eq=False)
class HeightMap:
    """Heights of a surface over the world's xy plane.

    Args:
        origin: x and y of the centre of cell [0, 0] [m].
        cell: side of a cell [m].
        heights: [rows, columns] along y and x [m]; all finite.
        seen: [rows, columns]; where it is False the height is a guess from its neighbours.
    """

    origin: tuple[float, float]
    cell: float
    heights: NDArray[np.float32]
    seen: NDArray[np.bool_]

    @staticmethod
    def from_points(points: ArrayLike, cell: float = 0.003, bounds: Bounds | None = None) -> HeightMap:
        """From points of a surface in the world [m, 3].

        Args:
            cell: about as wide as the points lie apart [m].
            bounds: x0, y0, x1, y1 of what the map covers [m]; None: what the points do. Others are left out.

        Raises:
            ValueError: no surface within the bounds, or more than `MAX_CELLS` cells.
        """
        if not (np.isfinite(cell) and cell > 0):
            raise ValueError(f"cell is {cell} m, must be over 0")
        cloud = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        cloud = cloud[np.isfinite(cloud).all(axis=1)]
        if bounds is not None:
            low, high = np.asarray(bounds[:2]), np.asarray(bounds[2:])
            cloud = cloud[((cloud[:, :2] >= low) & (cloud[:, :2] <= high)).all(axis=1)]
        cloud = cloud[_supported(cloud, 2 * cell)]
        if not len(cloud):
            raise ValueError(
                f"no surface was seen {'in ' + str(bounds) if bounds is not None else 'anywhere'}"
            )
        if bounds is None:
            low, high = cloud[:, :2].min(axis=0), cloud[:, :2].max(axis=0)
        columns, rows = (np.floor((high - low) / cell).astype(int) + 1).tolist()
        if rows * columns > MAX_CELLS:
            raise ValueError(
                f"{columns} x {rows} cells of {cell} m are over {MAX_CELLS}: give bounds around what matters"
            )
        column, row = np.clip(((cloud[:, :2] - low) / cell).astype(int), 0, [columns - 1, rows - 1]).T
        heights = _tops(row * columns + column, cloud[:, 2], rows * columns, _STEP_CELLS * cell)
        grid = heights.reshape(rows, columns)
        seen = np.isfinite(grid)
        filled = _filled(_smoothed(grid, _STEP_CELLS * cell), seen)
        origin = (float(low[0]) + cell / 2, float(low[1]) + cell / 2)
        return HeightMap(origin, cell, filled.astype(np.float32), seen)

    @staticmethod
    def from_depth(
        depth: NDArray[np.floating],  # [H, W] along the optical axis [m]; NaN unknown
        camera: CameraModel,
        cell: float = 0.003,
        bounds: Bounds | None = None,
    ) -> HeightMap:
        """From what a camera sees without the hand, as `FarEnvelope` keeps it.

        Raises:
            ValueError: as `from_points`, or the image is not of the camera's size.
        """
        if depth.shape != (camera.height, camera.width):
            raise ValueError(f"depth is {depth.shape}, the camera gives ({camera.height}, {camera.width})")
        v, u = np.nonzero(np.isfinite(depth) & (depth > 0))
        return HeightMap.from_points(camera.unproject(np.stack([u, v], axis=1), depth[v, u]), cell, bounds)

    def height(self, xy: ArrayLike) -> Array:
        """Height [...] of the surface under places [..., 2] [m]: bilinear, of the nearest cell beside a step.

        Beyond the border it is that of the border.
        """
        column, row = self._place(xy)
        left, below = np.floor(column).astype(int), np.floor(row).astype(int)
        right = np.minimum(left + 1, self.heights.shape[1] - 1)
        above = np.minimum(below + 1, self.heights.shape[0] - 1)
        z00, z01 = self.heights[below, left], self.heights[below, right]
        z10, z11 = self.heights[above, left], self.heights[above, right]
        fx, fy = column - left, row - below
        smooth = (z00 * (1 - fx) + z01 * fx) * (1 - fy) + (z10 * (1 - fx) + z11 * fx) * fy
        span = np.maximum(np.maximum(z00, z01), np.maximum(z10, z11)) - np.minimum(
            np.minimum(z00, z01), np.minimum(z10, z11)
        )
        nearest = np.where(fy < 0.5, np.where(fx < 0.5, z00, z01), np.where(fx < 0.5, z10, z11))
        return np.asarray(np.where(span > _STEP_CELLS * self.cell, nearest, smooth), np.float64)

    def normal(self, xy: ArrayLike) -> Array:
        """Unit normals [..., 3] of the surface under places [..., 2], upwards."""
        slopes = self._slopes[self._nearest(xy)]
        up = np.concatenate([-slopes, np.ones_like(slopes[..., :1])], axis=-1).astype(np.float64)
        return np.asarray(up / np.linalg.norm(up, axis=-1, keepdims=True))

    def seen_at(self, xy: ArrayLike) -> NDArray[np.bool_]:
        """Whether the surface was seen at places [..., 2], or within a gap of sampling of them."""
        unclipped = (np.asarray(xy, np.float64) - np.asarray(self.origin)) / self.cell
        shape = np.array(self.heights.shape[::-1])
        inside = ((unclipped > -1) & (unclipped < shape)).all(axis=-1)
        return np.asarray(inside & self._known[self._nearest(xy)])

    def _place(self, xy: ArrayLike) -> tuple[Array, Array]:
        """Columns and rows [...] as fractions, on the map; places that are NaN count as the first cell."""
        where = np.nan_to_num((np.asarray(xy, np.float64) - np.asarray(self.origin)) / self.cell)
        rows, columns = self.heights.shape
        return np.clip(where[..., 0], 0, columns - 1), np.clip(where[..., 1], 0, rows - 1)

    def _nearest(self, xy: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        column, row = self._place(xy)
        return np.rint(row).astype(np.int64), np.rint(column).astype(np.int64)

    @functools.cached_property
    def _known(self) -> NDArray[np.bool_]:
        """Cells that were seen, or lie in a gap of sampling."""
        from scipy.ndimage import distance_transform_edt

        return np.asarray(distance_transform_edt(~self.seen) <= _GAP_CELLS)

    @functools.cached_property
    def _slopes(self) -> NDArray[np.float32]:
        """[rows, columns, 2] along x and y, each over two cells to both sides, to the flatter one beside a step."""
        step = _STEP_CELLS * self.cell
        found = []
        for axis in (1, 0):
            padding = [(2, 2) if a == axis else (0, 0) for a in (0, 1)]
            padded = np.pad(self.heights, padding, mode="edge")
            middle = self.heights.shape[axis]
            behind, ahead = (np.take(padded, range(k, k + middle), axis=axis) for k in (0, 4))
            forward, backward = ahead - self.heights, self.heights - behind
            flatter = np.where(np.abs(forward) < np.abs(backward), forward, backward)
            bend = np.abs(forward - backward) > step
            found.append(np.where(bend, flatter, (forward + backward) / 2) / (2 * self.cell))
        return np.asarray(np.stack(found, axis=-1), np.float32)


def _supported(cloud: Array, side: float) -> NDArray[np.bool_]:
    """Which points [m] have others near: those at the edges of things hang alone in the air."""
    if not len(cloud):
        return np.zeros(0, dtype=bool)
    index = np.floor((cloud - cloud.min(axis=0)) / side).astype(np.int64) + 1
    shape = index.max(axis=0) + 2
    if int(np.prod(shape)) > _MAX_VOXELS:
        return np.ones(len(cloud), dtype=bool)
    counts = np.bincount(np.ravel_multi_index(tuple(index.T), tuple(shape)), minlength=int(np.prod(shape)))
    block = counts.astype(np.int32).reshape(shape)
    for axis in range(3):  # sums over three voxels along each axis; the border is empty
        block = block + np.roll(block, 1, axis) + np.roll(block, -1, axis)
    return np.asarray(block[tuple(index.T)] >= _SUPPORT)


def _tops(cells: NDArray[np.int64], heights: Array, count: int, band: float) -> Array:
    """[count] mean height of the points within a band under each cell's highest; NaN where there are none."""
    top = np.full(count, -np.inf)
    np.maximum.at(top, cells, heights)
    upper = heights >= top[cells] - band
    points = np.bincount(cells[upper], minlength=count)
    total = np.bincount(cells[upper], heights[upper], minlength=count)
    return np.where(points > 0, total / np.maximum(points, 1), np.nan)


def _smoothed(grid: Array, step: float) -> Array:
    """Each cell's mean with those of its eight neighbours that belong to the same surface; NaN stays."""
    rows, columns = grid.shape
    padded = np.pad(grid, 1, constant_values=np.nan)
    total, count = np.zeros_like(grid), np.zeros_like(grid)
    for dy in range(3):
        for dx in range(3):
            other = padded[dy : dy + rows, dx : dx + columns]
            with np.errstate(invalid="ignore"):
                same = np.abs(other - grid) <= step
            total += np.where(same, other, 0.0)
            count += same
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _filled(grid: Array, seen: NDArray[np.bool_]) -> Array:
    """Gaps of sampling as the nearest seen cell; a hidden region level with the low part of its rim.

    What is hidden lies behind something: its rim is the top of that on one side and the ground on the other, and the
    ground is what goes on.
    """
    from scipy import ndimage

    distance, (row, column) = ndimage.distance_transform_edt(~seen, return_indices=True)
    result = grid[row, column]
    hidden = distance > _GAP_CELLS
    if not hidden.any():
        return np.asarray(result)
    labels, regions = ndimage.label(hidden, structure=np.ones((3, 3)))
    beside = np.where(hidden, 0, ndimage.grey_dilation(labels, size=(3, 3)))
    rim = beside > 0
    order = np.lexsort((result[rim], beside[rim]))
    label, height = beside[rim][order], result[rim][order]
    begin = np.searchsorted(label, np.arange(1, regions + 1))
    end = np.searchsorted(label, np.arange(1, regions + 1), side="right")
    low = np.minimum(begin + ((end - begin) * _LOW / 100).astype(int), len(height) - 1)
    fallback = float(np.percentile(result[seen], _LOW))
    level = np.concatenate([[0.0], np.where(end > begin, height[low], fallback)])
    return np.asarray(np.where(hidden, level[labels], result))
