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
    """Give each contact position an object id: a known object, or ``object_1``, ``object_2``, ... by nearness.

    Where the face that was touched is seen, its points say how far the object reaches: a later contact on it belongs
    to it. Otherwise a contact joins the nearest earlier one within ``radius_m``; surfaces that differ in height by more
    than ``height_m`` are kept apart, so that a box does not merge with the table beside it.

    Args:
        known: objects that have a name; they come first.
        radius_m: reach of a contact whose face is not seen.
        height_m: see above.
        gap_m: distance from the points of a face that still counts as on it.
    """

    def __init__(
        self,
        known: Iterable[KnownObject] = (),
        *,
        radius_m: float = 0.06,
        height_m: float = 0.02,
        gap_m: float = 0.01,
    ) -> None:
        if not radius_m > 0 or not height_m > 0 or not gap_m > 0:
            raise ValueError(
                f"radius_m is {radius_m}, height_m {height_m}, gap_m {gap_m}: all must be positive"
            )
        self.known = tuple(known)
        self.radius_m = radius_m
        self.height_m = height_m
        self.gap_m = gap_m
        self._contacts: dict[str, list[Array]] = {}
        self._faces: dict[str, Array] = {}

    def assign(self, position: ArrayLike, face: Array | None = None) -> str:
        """Object id of a contact at ``position`` [3], which is remembered; empty if it is not known.

        Args:
            face: points [m, 3] of the face that was touched, if it is seen.
        """
        point = np.asarray(position, dtype=np.float64)
        if not np.isfinite(point).all():
            return ""
        object_id = self.find(point, seen=face is not None)
        if object_id in {k.object_id for k in self.known}:
            return object_id
        if not object_id:
            object_id = f"object_{len(self._contacts) + 1}"
        contacts = self._contacts.setdefault(object_id, [])
        contacts.append(point)
        del contacts[:-256]
        if face is not None and len(face):
            self._faces[object_id] = face  # the newest: objects may be moved
        return object_id

    def find(self, position: ArrayLike, *, seen: bool = False) -> str:
        """Object id at ``position`` [3] as far as known, else empty. Remembers nothing.

        Args:
            seen: the face there is seen, so an object whose face is known as well but lies elsewhere is another.
        """
        point = np.asarray(position, dtype=np.float64)
        inside = [
            (float(np.linalg.norm(point - np.array(k.position))) / k.radius, k.object_id) for k in self.known
        ]
        inside = [entry for entry in inside if entry[0] <= 1.0]
        if inside:
            return min(inside)[1]
        candidates: list[tuple[float, str]] = []
        for object_id, contacts in self._contacts.items():
            face = self._faces.get(object_id)
            if face is not None and (distance := self._distance(point, face)) <= self.gap_m:
                candidates.append((distance, object_id))
            elif face is None or not seen:
                distance = self._distance(point, np.stack(contacts))
                if distance <= self.radius_m:
                    candidates.append((self.gap_m + distance, object_id))
        return min(candidates)[1] if candidates else ""

    def centre(self, object_id: str) -> Array | None:
        """Mean contact position [3] of an object, or None."""
        for known in self.known:
            if known.object_id == object_id:
                return np.array(known.position)
        contacts = self._contacts.get(object_id)
        return np.mean(contacts, axis=0) if contacts else None

    def _distance(self, point: Array, others: Array) -> float:
        delta = others - point
        level = np.abs(delta[:, 2]) <= self.height_m
        return float(np.min(np.where(level, np.linalg.norm(delta, axis=1), np.inf)))
