"""What stands on a table, as parts of its height map: which thing lies under a tip, and what its form gives away.

A thing is a connected region that rises over the table. Nobody tells its truth: the same regions are found in
simulated sessions, in recordings and while a robot works.
"""

from __future__ import annotations

import dataclasses
import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_perception.geometry.height_map import HeightMap
from foley_synthesis.flow.what import REACH_M

Array = NDArray[np.float64]

LEAST_RISE_M = 0.0035  # over the table; depth cameras are less exact than that, the thinnest things thicker
LEAST_AREA_M2 = 2.5e-4  # smaller regions are noise
FORMS = 12
"""Numbers that describe the form of a thing, see `_form`."""


@dataclasses.dataclass(frozen=True, eq=False)
class Things:
    """The regions of a map.

    Args:
        labels: [rows, columns] which thing covers a cell; -1: the table.
        centres: [things, 2] of their areas [m].
        forms: [things, 12] what a region measures, see `_form`.
    """

    ground: HeightMap
    table: float  # height of the table [m]
    labels: NDArray[np.int32]
    centres: Array
    forms: NDArray[np.float32]

    @staticmethod
    def of(ground: HeightMap) -> Things:
        """Find them. Most of a map is table, so its height is the most frequent one."""
        from scipy import ndimage

        heights = ground.heights.astype(np.float64)
        steps = np.round(heights / 0.002).astype(np.int64)
        values, counts = np.unique(steps, return_counts=True)
        table = float(np.median(heights[np.abs(steps - values[counts.argmax()]) <= 1]))
        found, count = ndimage.label(heights > table + LEAST_RISE_M)
        areas = np.bincount(found.ravel(), minlength=count + 1) * ground.cell**2
        kept = [k for k in range(1, count + 1) if areas[k] >= LEAST_AREA_M2]
        renamed = np.full(count + 1, -1, np.int32)
        renamed[kept] = np.arange(len(kept), dtype=np.int32)
        labels = renamed[found]
        centres, forms = np.zeros((len(kept), 2)), np.zeros((len(kept), FORMS), np.float32)
        for k in range(len(kept)):
            row, column = np.nonzero(labels == k)
            centres[k] = np.array(ground.origin) + np.stack([column, row], axis=-1).mean(axis=0) * ground.cell
            forms[k] = _form(row, column, heights[row, column] - table, ground.cell)
        return Things(ground, table, labels, centres, forms)

    def under(self, xy: Array) -> NDArray[np.int32]:
        """Which thing lies under places [n, 2] or within REACH_M of them; -1: none."""
        place = np.rint((np.asarray(xy, np.float64) - self.ground.origin) / self.ground.cell)
        inside = self.covers(xy)
        cell = np.where(inside[:, None], place, 0).astype(int)
        return np.asarray(np.where(inside, self._reaching[cell[:, 1], cell[:, 0]], -1), np.int32)

    def covers(self, xy: Array) -> NDArray[np.bool_]:
        """Whether places [n, 2] lie on the map."""
        rows, columns = self.labels.shape
        place = np.rint((np.asarray(xy, np.float64) - self.ground.origin) / self.ground.cell)
        return np.asarray(((place >= 0) & (place < (columns, rows))).all(axis=1))

    @functools.cached_property
    def _reaching(self) -> NDArray[np.int32]:
        """Labels grown by REACH_M onto the table; of two things the nearer one."""
        from scipy import ndimage

        if not len(self.centres):
            return self.labels
        distance, (row, column) = ndimage.distance_transform_edt(self.labels < 0, return_indices=True)
        near = distance * self.ground.cell <= REACH_M
        return np.asarray(np.where(near, self.labels[row, column], -1), np.int32)


def _form(row: NDArray[np.int64], column: NDArray[np.int64], rise: Array, cell: float) -> NDArray[np.float32]:
    """Of one region [12]: logarithms of its two extents and of its height [m]; how much of its rectangle and of its
    circle it fills; quantiles of its height as shares of the highest; how much of it is flat on top; its roughness."""
    outline = np.stack([column, row], axis=-1).astype(np.float32)
    # Corners of cells, not their centres: else a bar of two cells had the width of one.
    corners = np.concatenate(
        [outline + np.array([dx, dy], np.float32) for dx in (-0.5, 0.5) for dy in (-0.5, 0.5)]
    )
    sides = sorted(cv2.minAreaRect(corners)[1], reverse=True)
    radius = cv2.minEnclosingCircle(corners)[1]
    length, width = (max(side, 1.0) * cell for side in sides)
    area = len(row) * cell**2
    top = max(float(np.percentile(rise, 97)), 1e-4)
    quantiles = np.percentile(rise, (10, 25, 50, 75)) / top
    flat = float(np.mean(rise > top - 0.003))
    return np.array(
        [
            np.log(length),
            np.log(width),
            np.log(top),
            area / (length * width),
            area / (np.pi * (radius * cell) ** 2),
            *quantiles,
            flat,
            float(rise.std()) / top,
            width / length,
        ],
        np.float32,
    )
