"""Which object a contact belongs to, from where it was.

Without a detector of objects, contacts close to each other are on the same object. Known objects come first.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

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
    """Give each contact position an object id: a known object, or ``<prefix>_1``, ``<prefix>_2``, ... by nearness.

    Where the face that was touched is seen, its points say how far the object reaches: a later contact on it belongs
    to it. Otherwise a contact joins the nearest earlier one within ``radius_m``; surfaces that differ in height by more
    than ``height_m`` are kept apart, so that a box does not merge with the table beside it.

    Args:
        known: objects that have a name; they come first.
        radius_m: reach of a contact whose face is not seen.
        height_m: see above.
        gap_m: distance from the points of a face that still counts as on it.
        prefix: of the names that are given. Whoever publishes them takes one that nobody had before, so that what was
            said of an earlier run's objects is never taken for this one's.
        most: objects that are remembered; the one that was touched longest ago is forgotten first.
    """

    def __init__(
        self,
        known: Iterable[KnownObject] = (),
        *,
        radius_m: float = 0.06,
        height_m: float = 0.02,
        gap_m: float = 0.01,
        prefix: str = "object",
        most: int = 256,
    ) -> None:
        if not radius_m > 0 or not height_m > 0 or not gap_m > 0:
            raise ValueError(
                f"radius_m is {radius_m}, height_m {height_m}, gap_m {gap_m}: all must be positive"
            )
        self.known = tuple(known)
        self.radius_m = radius_m
        self.height_m = height_m
        self.gap_m = gap_m
        self._prefix, self._most = prefix, most
        self._given = 0
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
            self._given += 1
            object_id = f"{self._prefix}_{self._given}"
        contacts = self._contacts[object_id] = self._contacts.pop(object_id, [])  # touched last
        contacts.append(point)
        del contacts[:-256]
        while len(self._contacts) > self._most:
            forgotten = next(iter(self._contacts))
            del self._contacts[forgotten]
            self._faces.pop(forgotten, None)
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

    @property
    def names(self) -> list[str]:
        """Of the objects that were touched, but for the known ones; the one touched last stands last."""
        return list(self._contacts)

    # ---- over restarts ---------------------------------------------------------------------------------
    def state(self) -> dict[str, dict[str, Any]]:
        """What :meth:`restore` takes, as plain numbers: contacts [n][3] in metres, faces [m][3] in millimetres."""
        return {
            name: {
                "contacts": [[round(float(v), 5) for v in contact] for contact in contacts],
                "face_mm": self._thinned(self._faces[name]) if name in self._faces else None,
            }
            for name, contacts in self._contacts.items()
        }

    def restore(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Take up what :meth:`state` told; names that are given from now on are of this map's own prefix.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: it is damaged; nothing of it is taken.
        """
        contacts: dict[str, list[Array]] = {}
        faces: dict[str, Array] = {}
        for name, entry in state.items():
            points = np.asarray(entry["contacts"], dtype=np.float64).reshape(-1, 3)
            if not name or not len(points) or not np.isfinite(points).all():
                raise ValueError(f"object `{name}`: contacts are missing or not finite")
            contacts[str(name)] = list(points)
            if entry["face_mm"] is not None:
                face = np.asarray(entry["face_mm"], dtype=np.float64).reshape(-1, 3) / 1e3
                if not len(face) or not np.isfinite(face).all():
                    raise ValueError(f"object `{name}`: its face is empty or not finite")
                faces[str(name)] = face
        self._contacts, self._faces = contacts, faces

    def _thinned(self, face: Array) -> list[list[int]]:
        """Whole millimetres, one point in each cube of half the gap: nearly as near to everything as all of them."""
        _, first = np.unique(np.floor(face / (self.gap_m / 2)), axis=0, return_index=True)
        kept: list[list[int]] = np.round(face[np.sort(first)] * 1e3).astype(int).tolist()
        return kept

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
