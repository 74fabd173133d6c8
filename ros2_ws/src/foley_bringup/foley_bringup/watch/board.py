"""What the page shows, kept as plain data: objects and their beliefs, predicates, contacts, health of the nodes.

The node writes, the server reads; every public method may be called from any thread.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S

MOST_CONTACTS = 24  # with their sounds
MOST_CHANGES = 40  # of one predicate
MOST_OBJECTS = 64
MATCH_NS = NS_PER_S // 4  # a prediction belongs to a contact this near in time
SILENT_NS = 3 * NS_PER_S  # a node whose line is older says nothing any more
STATES = ("unknown", "true", "false")  # by the values of foley_msgs/Predicate

Point = tuple[float, float, float]


@dataclasses.dataclass(frozen=True, eq=False)
class Sound:
    """A stretch of sound around a contact."""

    samples: NDArray[np.float32]  # [n] mono
    sample_rate: int  # [Hz]
    onset_s: float  # of the contact within it


@dataclasses.dataclass(frozen=True)
class Told:
    """One predicate of a snapshot: the fields of foley_msgs/Predicate."""

    name: str
    arguments: tuple[str, ...]
    state: int
    probability: float
    newest_evidence_ns: int
    valid_until_ns: int
    evidence: str = ""
    contacts: int = 0
    calibration_id: str = ""


@dataclasses.dataclass
class _Contact:
    contact_id: str
    time_ns: int
    object_id: str
    action: str
    plan_id: str
    heard: Sound | None = None
    predicted: Sound | None = None
    belief: Mapping[str, float] | None = None
    percentile: float = math.nan
    distance: float = math.nan
    surprised: bool | None = None


@dataclasses.dataclass(frozen=True)
class _Belief:
    time_ns: int
    probabilities: Mapping[str, float]
    position: Point
    abstain: bool
    heard: int
    seen: int


@dataclasses.dataclass(frozen=True)
class _Line:
    seen_ns: int
    level: int
    message: str
    values: Mapping[str, str]


def _number(value: float, digits: int = 3) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None


def _top(probabilities: Mapping[str, float], most: int = 4) -> list[list[Any]]:
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])[:most]
    return [[name, _number(p)] for name, p in ranked]


class Board:
    """See the module's docstring."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contacts: collections.OrderedDict[str, _Contact] = collections.OrderedDict()
        self._expected: collections.deque[tuple[str, int, Sound]] = collections.deque(maxlen=MOST_CONTACTS)
        self._beliefs: dict[str, _Belief] = {}
        self._predicates: list[Told] = []
        self._snapshot_ns = 0
        self._history: dict[tuple[str, ...], collections.deque[tuple[int, int]]] = {}
        self._health: dict[str, _Line] = {}
        self._missed: collections.deque[dict[str, Any]] = collections.deque(maxlen=8)

    # ---- what came ---------------------------------------------------------------------------------------
    def predicted(self, plan_id: str, contact_ns: int, sound: Sound) -> None:
        """A planned contact's sound, before it."""
        with self._lock:
            kept = [e for e in self._expected if not plan_id or e[0] != plan_id]
            self._expected.clear()
            self._expected.extend([*kept, (plan_id, contact_ns, sound)])

    def contact(self, contact_id: str, time_ns: int, object_id: str, action: str, plan_id: str) -> None:
        """A detected contact, with the prediction that belongs to it; one that is told again stays as it is."""
        with self._lock:
            if contact_id in self._contacts:
                return
            entry = _Contact(contact_id, time_ns, object_id, action, plan_id)
            near = [e for e in self._expected if abs(e[1] - time_ns) <= MATCH_NS]
            near.sort(key=lambda e: (not (plan_id and e[0] == plan_id), abs(e[1] - time_ns)))
            entry.predicted = near[0][2] if near else None
            self._contacts[contact_id] = entry
            while len(self._contacts) > MOST_CONTACTS:
                self._contacts.popitem(last=False)

    def heard(self, contact_id: str, sound: Sound) -> None:
        """What was heard of a contact."""
        with self._lock:
            if (entry := self._contacts.get(contact_id)) is not None:
                entry.heard = sound

    def surprise(self, contact_id: str, plan_id: str, time_ns: int, told: tuple[float, float, bool]) -> None:
        """Of a contact: distance, percentile, surprised. Without a contact: one that was expected and did not come."""
        distance, percentile, surprised = told
        with self._lock:
            if (entry := self._contacts.get(contact_id)) is not None:
                entry.distance, entry.percentile, entry.surprised = distance, percentile, surprised
            elif not contact_id:
                self._missed.append({"plan_id": plan_id, "time_s": time_ns / NS_PER_S})

    def contact_belief(self, contact_id: str, probabilities: Mapping[str, float]) -> None:
        """What one contact says of the material."""
        with self._lock:
            if (entry := self._contacts.get(contact_id)) is not None:
                entry.belief = probabilities

    def belief(
        self,
        object_id: str,
        time_ns: int,
        probabilities: Mapping[str, float],
        position: Point,
        *,
        abstain: bool,
        contacts: tuple[int, int],
    ) -> None:
        """The fused belief about an object; contacts: heard, and seen before a touch."""
        with self._lock:
            self._beliefs[object_id] = _Belief(time_ns, probabilities, position, abstain, *contacts)
            if len(self._beliefs) > MOST_OBJECTS:
                del self._beliefs[min(self._beliefs, key=lambda name: self._beliefs[name].time_ns)]

    def predicates(self, stamp_ns: int, told: Sequence[Told]) -> None:
        """A snapshot; it takes the place of the one before, unless it is older. Objects that it does not name are gone:
        a place that was seen is called by its object's name once that was touched."""
        with self._lock:
            if stamp_ns < self._snapshot_ns:
                return
            self._snapshot_ns, self._predicates = stamp_ns, list(told)
            named = {argument for one in told for argument in one.arguments}
            self._beliefs = {name: belief for name, belief in self._beliefs.items() if name in named}
            for one in told:
                changes = self._history.setdefault(
                    (one.name, *one.arguments), collections.deque(maxlen=MOST_CHANGES)
                )
                if not changes or changes[-1][1] != one.state:
                    changes.append((stamp_ns, one.state))
            if len(self._history) > 40 * MOST_OBJECTS:
                present = {(one.name, *one.arguments) for one in told}
                self._history = {key: h for key, h in self._history.items() if key in present}

    def health(self, name: str, now_ns: int, level: int, message: str, values: Mapping[str, str]) -> None:
        """A node's line in /diagnostics."""
        with self._lock:
            self._health[name] = _Line(now_ns, level, message, values)

    # ---- what is shown -----------------------------------------------------------------------------------
    def sounds(self, contact_id: str) -> tuple[Sound | None, Sound | None] | None:
        """Heard and predicted sound of a contact; None where there is no such contact any more."""
        with self._lock:
            entry = self._contacts.get(contact_id)
            return None if entry is None else (entry.heard, entry.predicted)

    def positions(self) -> dict[str, Point]:
        """Of the objects of which one is known [m]."""
        with self._lock:
            return {n: b.position for n, b in self._beliefs.items() if all(map(math.isfinite, b.position))}

    def view(self, now_ns: int) -> dict[str, Any]:
        """Everything but pictures and sounds, for JSON. A state whose lease is over is shown as unknown."""
        with self._lock:
            return {
                "now_s": now_ns / NS_PER_S,
                "objects": [self._object(name, b) for name, b in sorted(self._beliefs.items())],
                "predicates": [self._predicate(one, now_ns) for one in self._predicates],
                "contacts": [self._one_contact(c) for c in reversed(self._contacts.values())],
                "missed": list(self._missed),
                "nodes": [self._node(name, line, now_ns) for name, line in sorted(self._health.items())],
            }

    @staticmethod
    def _object(name: str, belief: _Belief) -> dict[str, Any]:
        return {
            "id": name,
            "top": _top(belief.probabilities),
            "abstain": belief.abstain,
            "heard": belief.heard,
            "seen": belief.seen,
            "position": [_number(v) for v in belief.position],
        }

    def _predicate(self, one: Told, now_ns: int) -> dict[str, Any]:
        lapsed = now_ns > one.valid_until_ns
        known = 0 <= one.state < len(STATES) and not lapsed
        return {
            "name": one.name,
            "arguments": list(one.arguments),
            "state": STATES[one.state] if known else "unknown",
            "lapsed": lapsed,
            "probability": _number(one.probability),
            "evidence": one.evidence,
            "contacts": one.contacts,
            "age_s": _number((now_ns - one.newest_evidence_ns) / NS_PER_S, 1)
            if one.newest_evidence_ns
            else None,
            "calibration_id": one.calibration_id,
            "history": [
                [at / NS_PER_S, STATES[state] if 0 <= state < len(STATES) else "unknown"]
                for at, state in self._history.get((one.name, *one.arguments), ())
            ],
        }

    @staticmethod
    def _one_contact(contact: _Contact) -> dict[str, Any]:
        return {
            "id": contact.contact_id,
            "time_s": contact.time_ns / NS_PER_S,
            "object": contact.object_id,
            "action": contact.action,
            "heard": contact.heard is not None,
            "predicted": contact.predicted is not None,
            "top": _top(contact.belief, 3) if contact.belief else [],
            "distance": _number(contact.distance),
            "percentile": _number(contact.percentile),
            "surprised": contact.surprised,
        }

    @staticmethod
    def _node(name: str, line: _Line, now_ns: int) -> dict[str, Any]:
        silent = now_ns - line.seen_ns > SILENT_NS
        return {
            "name": name,
            "level": "silent" if silent else ("ok", "warn", "error", "stale")[min(line.level, 3)],
            "message": line.message,
            "age_s": _number((now_ns - line.seen_ns) / NS_PER_S, 1),
            "values": dict(line.values),
        }
