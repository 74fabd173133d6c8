"""Evidence by object, and which object a contact or a look belongs to, by name and by place."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.evidence import Evidence, EvidenceError
from foley_synthesis.beliefs.fusion import newest_sight

_ANONYMOUS = re.compile(r"object_\d+")  # numbers that begin anew with every process
_GIVEN = re.compile(r"(object_[0-9a-f]+)_\d+")  # the contact detector's names, which nobody gives twice
_PLACE = re.compile(r"place_(?:[0-9a-f]+_)?\d+")
_HEIGHT_M = 0.03  # contacts on different levels are on different objects
_ELSEWHERE_M = 0.25  # an anonymous number this far from its contacts was given anew
REMEMBERED = 1024  # retracted contacts, and names that stand for others now


class HeldEvidence:
    """Evidence per object, bounded.

    Args:
        labels: how many all probabilities are over.
        same_object_radius_m: contacts without an object id that are this close to an object belong to it.
        max_evidence: heard contacts kept per object; the oldest go first. Of sight there is one piece.
        max_objects: objects kept; the one with the oldest newest evidence goes first.
        place_prefix: of the names of places that nobody touched. Whoever publishes them takes one that is new.
    """

    def __init__(
        self,
        labels: int,
        *,
        same_object_radius_m: float,
        max_evidence: int,
        max_objects: int,
        place_prefix: str,
    ) -> None:
        self._labels = labels
        self._radius = same_object_radius_m
        self._max_evidence = max_evidence
        self._max_objects = max_objects
        self._place_prefix = place_prefix
        self._evidence: dict[str, list[Evidence]] = {}
        self._named = 0
        self._became: dict[str, tuple[str, ...]] = {}  # former name -> those that its contacts belong to now
        self._retracted: dict[tuple[str, int], None] = {}  # key and time of contacts that nobody hears again

    def add(self, object_id: str, item: Evidence) -> None:
        """Add one piece. What was heard replaces an older one of the same key; of what was seen the newest stays,
        which one that is not fit to be fused never replaces. A contact that was retracted stays so, however often it
        is told.

        Raises:
            EvidenceError: no object, or probabilities over another vocabulary.
        """
        if not object_id:
            raise EvidenceError("object_id is empty")
        count = len(item.belief.probabilities)
        if count and count != self._labels:
            raise EvidenceError(f"{count} probabilities for a vocabulary of {self._labels} labels")
        if item.kind == "heard" and (item.key, item.time_ns) in self._retracted:
            return
        items = [o for o in self._evidence.get(object_id, ()) if (o.kind, o.key) != (item.kind, item.key)]
        items = newest_sight([*items, item])
        items.sort(key=lambda o: o.time_ns)
        heard = [o for o in items if o.kind == "heard"]
        if len(heard) > self._max_evidence:
            items.remove(heard[0])
        self._evidence[object_id] = items
        if len(self._evidence) > self._max_objects:
            oldest = min(self._evidence, key=lambda name: max(o.time_ns for o in self._evidence[name]))
            del self._evidence[oldest]

    def resolve(self, object_id: str, position: Sequence[float], *, create: bool = True) -> str:
        """The object that a contact belongs to.

        A name that somebody gave is taken as it is: the contact detector owns the names of what it touches. Only a bare
        `object_<n>`, as other detectors and older recordings have them, counts anew after a restart: where such a
        number contradicts the place, the place is right. A contact without any name, as a predicted one, belongs to the
        nearest object; a place where nothing is known is called `<place_prefix>_<n>` until a contact names it.

        The name of an object that was merged into another one, or split, stands for what it became.

        Returns "" when nothing is known of the contact, or when no object is near and ``create`` is False.
        """
        located = len(position) == 3 and all(math.isfinite(v) for v in position)
        object_id = self._now_called(object_id, position if located else None)
        if object_id and (not located or not _ANONYMOUS.fullmatch(object_id)):
            return object_id
        if not located:
            return ""
        point = np.asarray(position, dtype=np.float64)
        nearest, distance = min(
            ((name, self._distance(name, point)) for name in self._evidence),
            key=lambda entry: entry[1],
            default=("", math.inf),
        )
        if object_id and object_id in self._evidence and self._distance(object_id, point) <= _ELSEWHERE_M:
            return object_id
        if distance <= self._radius:
            named = object_id and _PLACE.fullmatch(nearest) and object_id not in self._evidence
            return object_id if named else nearest
        if object_id and object_id not in self._evidence:
            return object_id
        return self._new_place() if create else ""

    def became(self, object_id: str) -> tuple[str, ...]:
        """What the name of an object that was merged or split stands for now; nothing of any other name."""
        return self._became.get(object_id, ())

    def _now_called(self, object_id: str, position: Sequence[float] | None) -> str:
        became = self._became.get(object_id, ())
        if len(became) > 1 and position is not None:
            point = np.asarray(position, dtype=np.float64)
            apart = {name: self._distance(name, point) for name in became if name in self._evidence}
            nearest = min(apart, key=lambda name: apart[name], default="")
            return nearest if nearest and math.isfinite(apart[nearest]) else object_id
        return became[0] if len(became) == 1 else object_id

    def _distance(self, name: str, point: NDArray[np.float64]) -> float:
        """Metres from a point to the nearest contact of an object, infinite on another level or if none is known."""
        known = [item.position for item in self._evidence[name] if all(map(math.isfinite, item.position))]
        if not known:
            return math.inf
        delta = np.asarray(known) - point
        apart = np.where(np.abs(delta[:, 2]) <= _HEIGHT_M, np.linalg.norm(delta, axis=1), np.inf)
        return float(apart.min())

    def _new_place(self) -> str:
        self._named += 1
        while f"{self._place_prefix}_{self._named}" in self._evidence:
            self._named += 1
        return f"{self._place_prefix}_{self._named}"

    def renamed(self, object_id: str, position: Sequence[float]) -> str:
        """What an earlier process of the contact detector called the object at this place, if the name that it has
        now is new; else "". A detector that lost its objects has names of its own for what stands where others stood.
        """
        given = _GIVEN.fullmatch(object_id)
        if given is None or object_id in self._evidence or not all(map(math.isfinite, position)):
            return ""
        point = np.asarray(position, dtype=np.float64)
        others = [
            (self._distance(name, point), name)
            for name in self._evidence
            if (other := _GIVEN.fullmatch(name)) is not None and other[1] != given[1]
        ]
        distance, name = min(others, default=(math.inf, ""))
        return name if distance <= self._radius else ""

    def name_places(
        self,
        object_id: str,
        position: Sequence[float],
        *,
        time_ns: int = 0,
        within_s: float = 0.0,
        within_m: float = 0.0,
    ) -> None:
        """Give what was seen of a place without a name to the object that a contact found there.

        Args:
            time_ns: of the contact; what was seen for a contact planned for about that time, not further than
                ``within_m``, is of the same object as well: a hand does not touch exactly where it was meant to.
        """
        if len(position) != 3 or not all(math.isfinite(v) for v in position):
            return
        point = np.asarray(position, dtype=np.float64)
        for place in [name for name in self._evidence if _PLACE.fullmatch(name) and name != object_id]:
            items = self._evidence[place]
            meant = all(o.kind == "seen" and abs(o.time_ns - time_ns) <= within_s * 1e9 for o in items)
            if self._distance(place, point) <= (max(self._radius, within_m) if meant else self._radius):
                for item in self._evidence.pop(place):
                    self.add(object_id, item)

    def _stands_for(self, former: str, names: tuple[str, ...]) -> None:
        """Names that stood for the former one stand for what it became as well."""
        self._became.pop(former, None)
        for old, new in self._became.items():
            if former in new:
                self._became[old] = tuple(
                    dict.fromkeys(n for one in new for n in (names if one == former else (one,)))
                )
        self._became[former] = names
        self._became = dict(list(self._became.items())[-REMEMBERED:])

    def _places_at(self, object_id: str) -> list[str]:
        """Places without a name that lie where the object does."""
        contacts = [
            np.asarray(o.position, np.float64)
            for o in self._evidence[object_id]
            if all(map(math.isfinite, o.position))
        ]
        return [
            name
            for name in self._evidence
            if _PLACE.fullmatch(name)
            and name != object_id
            and any(self._distance(name, point) <= self._radius for point in contacts)
        ]

    def _absorb(self, object_id: str) -> int:
        items = [item for name in self._places_at(object_id) for item in self._evidence.pop(name)]
        for item in items:
            self.add(object_id, item)
        return len(items)
