"""Which object a contact belongs to, from where it was.

Without a detector of objects, contacts close to each other are on the same object. Known objects come first.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class KnownObject:
    """A sphere around something that has a name."""

    object_id: str
    position: tuple[float, float, float]  # [m] in the world
    radius: float  # [m]

    @staticmethod
    def parse(text: str) -> KnownObject:
        """From ``name x y z radius``, separated by blanks or commas.

        Raises:
            ValueError: naming the text.
        """
        parts = text.replace(",", " ").split()
        try:
            name, (x, y, z, radius) = parts[0], (float(p) for p in parts[1:])
        except (ValueError, IndexError):
            raise ValueError(f"known_objects has `{text}`, expected `name x y z radius` in metres") from None
        if not all(map(math.isfinite, (x, y, z))) or not (math.isfinite(radius) and radius > 0):
            raise ValueError(f"known_objects has `{text}`: numbers must be finite and the radius positive")
        return KnownObject(name, (x, y, z), radius)


class ObjectMap:
    """Give each contact position an object id: a known object, or ``object_1``, ``object_2``, ... by
    nearness.

    A position joins the cluster of the nearest earlier contact within ``radius_m``; contacts on surfaces of
    different height (more than ``height_m``) are kept apart, so that a box does not merge with the table
    beside it.
    """

    def __init__(
        self, known: Iterable[KnownObject] = (), *, radius_m: float = 0.06, height_m: float = 0.02
    ) -> None:
        if not radius_m > 0 or not height_m > 0:
            raise ValueError(f"radius_m is {radius_m} and height_m {height_m}, both must be positive")
        self.known = tuple(known)
        self.radius_m = radius_m
        self.height_m = height_m
        self._points: list[Array] = []
        self._ids: list[str] = []
        self._count = 0

    def assign(self, position: ArrayLike) -> str:
        """Object id of a contact at ``position`` [3], which is remembered; empty if it is not known."""
        point = np.asarray(position, dtype=np.float64)
        if not np.isfinite(point).all():
            return ""
        object_id = self.find(point)
        if not object_id:
            self._count += 1
            object_id = f"object_{self._count}"
        if object_id not in {k.object_id for k in self.known}:
            self._points.append(point)
            self._ids.append(object_id)
            if len(self._points) > 4096:
                del self._points[0], self._ids[0]
        return object_id

    def find(self, position: ArrayLike) -> str:
        """Object id at ``position`` [3] as far as known, else empty. Remembers nothing."""
        point = np.asarray(position, dtype=np.float64)
        inside = [
            (float(np.linalg.norm(point - np.array(k.position))) / k.radius, k.object_id) for k in self.known
        ]
        inside = [entry for entry in inside if entry[0] <= 1.0]
        if inside:
            return min(inside)[1]
        if not self._points:
            return ""
        delta = np.stack(self._points) - point
        distance = np.where(np.abs(delta[:, 2]) <= self.height_m, np.linalg.norm(delta, axis=1), np.inf)
        nearest = int(np.argmin(distance))
        return self._ids[nearest] if distance[nearest] <= self.radius_m else ""

    def centre(self, object_id: str) -> Array | None:
        """Mean contact position [3] of an object, or None."""
        for known in self.known:
            if known.object_id == object_id:
                return np.array(known.position)
        points = [p for p, i in zip(self._points, self._ids, strict=True) if i == object_id]
        return np.mean(points, axis=0) if points else None
