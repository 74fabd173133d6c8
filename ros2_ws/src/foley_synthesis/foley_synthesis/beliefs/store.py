"""All evidence, by object, and its file: beliefs survive a restart of the node that holds them."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.evidence import Evidence, EvidenceError
from foley_synthesis.beliefs.fusion import FusedBelief, FusionConfig, fuse, newest_sight

SCHEMA = 2  # version 1 called sight `predicted`, kept several looks at an object and forgot them at a touch
_READ = (1, SCHEMA)
_ANONYMOUS = re.compile(r"object_\d+")  # numbers that begin anew with every process
_GIVEN = re.compile(r"(object_[0-9a-f]+)_\d+")  # the contact detector's names, which nobody gives twice
_PLACE = re.compile(r"place_(?:[0-9a-f]+_)?\d+")
_HEIGHT_M = 0.03  # contacts on different levels are on different objects
_ELSEWHERE_M = 0.25  # an anonymous number this far from its contacts was given anew


class StateError(ValueError):
    """A state file that cannot be used; the message says why."""


def _of_another(item: Evidence) -> Evidence:
    """What another model heard, as evidence that abstains; what was seen stays as it is."""
    if item.kind != "heard" or (item.belief.abstain and not item.belief.unsure):
        return item
    return dataclasses.replace(item, belief=item.belief.abstaining("heard by another model"))


class BeliefStore:
    """Evidence per object, bounded; not thread-safe (its owner's worker is the only user).

    Args:
        vocabulary: labels that all probabilities refer to.
        fusion: how evidence adds up.
        same_object_radius_m: contacts without an object id that are this close to an object belong to it.
        max_evidence: heard contacts kept per object; the oldest go first. Of sight there is one piece.
        max_objects: objects kept; the one with the oldest newest evidence goes first.
        place_prefix: of the names of places that nobody touched. Whoever publishes them takes one that is new.
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        fusion: FusionConfig | None = None,
        *,
        same_object_radius_m: float = 0.06,
        max_evidence: int = 64,
        max_objects: int = 256,
        place_prefix: str = "place",
    ) -> None:
        self.vocabulary = tuple(vocabulary)
        self.fusion = fusion or FusionConfig()
        self._radius = same_object_radius_m
        self._max_evidence = max_evidence
        self._max_objects = max_objects
        self._place_prefix = place_prefix
        self._evidence: dict[str, list[Evidence]] = {}
        self._named = 0

    @property
    def objects(self) -> list[str]:
        return sorted(self._evidence)

    def evidence(self, object_id: str) -> list[Evidence]:
        return list(self._evidence.get(object_id, ()))

    def belief(self, object_id: str) -> FusedBelief:
        return fuse(self._evidence.get(object_id, ()), self.fusion)

    def resolve(self, object_id: str, position: Sequence[float], *, create: bool = True) -> str:
        """The object that a contact belongs to.

        A name that somebody gave is taken as it is: the contact detector owns the names of what it touches. Only a bare
        `object_<n>`, as other detectors and older recordings have them, counts anew after a restart: where such a
        number contradicts the place, the place is right. A contact without any name, as a predicted one, belongs to the
        nearest object; a place where nothing is known is called `<place_prefix>_<n>` until a contact names it.

        Returns "" when nothing is known of the contact, or when no object is near and ``create`` is False.
        """
        located = len(position) == 3 and all(math.isfinite(v) for v in position)
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

    def add(self, object_id: str, item: Evidence) -> None:
        """Add one piece. What was heard replaces an older one of the same key; of what was seen the newest stays,
        which one that is not fit to be fused never replaces.

        Raises:
            EvidenceError: no object, or probabilities over another vocabulary.
        """
        if not object_id:
            raise EvidenceError("object_id is empty")
        count = len(item.belief.probabilities)
        if count and count != len(self.vocabulary):
            raise EvidenceError(f"{count} probabilities for a vocabulary of {len(self.vocabulary)} labels")
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

    # ---- file ------------------------------------------------------------------------------------------
    def save(self, path: Path, *, model_id: str) -> None:
        """Write atomically: a reader finds the old file or the new one, never half of one.

        Raises:
            OSError: the folder is not writable or the disk is full.
        """
        data = {
            "schema": SCHEMA,
            "model_id": model_id,
            "vocabulary": list(self.vocabulary),
            "named": self._named,
            "objects": {name: [o.to_dict() for o in items] for name, items in self._evidence.items()},
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(data, file, allow_nan=False)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def restore(self, path: Path, *, model_id: str = "") -> int:
        """Read what :meth:`save` wrote and return the number of objects; all or nothing.

        Files of version 1 are read as well.

        Args:
            model_id: of what hears now. What another model heard stays as evidence that abstains: nobody has measured
                how it adds up with what this one hears. Empty: whoever heard it is believed.

        Raises:
            StateError: not a state file, of another schema, or over another vocabulary.
            OSError: the file cannot be read.
        """
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if data["schema"] not in _READ:
                raise StateError(
                    f"{path}: schema is {data['schema']}, known are {', '.join(map(str, _READ))}"
                )
            if tuple(data["vocabulary"]) != self.vocabulary:
                raise StateError(
                    f"{path}: beliefs are over the labels {data['vocabulary']}, not {self.vocabulary}"
                )
            restored = {
                str(name): newest_sight(Evidence.from_dict(item) for item in items)
                for name, items in data["objects"].items()
                if items
            }
            named = int(data["named"])
            if model_id and data["model_id"] != model_id:
                restored = {name: [_of_another(item) for item in items] for name, items in restored.items()}
        except StateError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StateError(
                f"{path}: not a state file of beliefs ({type(error).__name__}: {error})"
            ) from error
        sizes = {len(o.belief.probabilities) for items in restored.values() for o in items} - {0}
        if sizes - {len(self.vocabulary)}:
            raise StateError(f"{path}: probabilities do not fit the {len(self.vocabulary)} labels")
        self._evidence, self._named = restored, named
        return len(restored)
