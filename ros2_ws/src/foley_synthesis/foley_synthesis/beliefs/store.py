"""All evidence, by object, and its file: beliefs survive a restart of the node that holds them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FusedBelief, FusionConfig
from foley_synthesis.beliefs.held_evidence import REMEMBERED, HeldEvidence
from foley_synthesis.beliefs.parts import Part, believe, parts_of
from foley_synthesis.beliefs.store_file import State, read_state, write_state
from foley_synthesis.beliefs.write_log import WriteLog

PART = "/part_"
"""Between the name of an object and the number of its part, from 1."""
_SAME_PLACE_M = 1e-6  # a move by less is none


@dataclasses.dataclass(frozen=True)
class Changed:
    """What a change of the store did; all empty where it changed nothing."""

    holding: tuple[str, ...] = ()  # objects whose evidence is another now
    emptied: tuple[str, ...] = ()  # objects of which nothing is known any more
    pieces: int = 0  # of evidence that were taken away, or came to another object or place
    lost: int = 0  # of these, how many no object holds any more

    def __bool__(self) -> bool:
        return bool(self.holding or self.emptied)


def _place(position: Sequence[float], what: str) -> NDArray[np.float64]:  # [3]
    if len(position) != 3 or not all(math.isfinite(v) for v in position):
        raise ValueError(f"{what} is {tuple(position)}, must be three finite numbers [m]")
    return np.asarray(position, np.float64)


class BeliefStore(HeldEvidence):
    """Evidence per object, bounded; not thread-safe (its owner's worker is the only user).

    Args:
        vocabulary: labels that all probabilities refer to.
        fusion: how evidence adds up.
        forget_after_s: half-life of evidence [s]; 0: none is forgotten. See :func:`weights.ages`.

    The others are those of :class:`HeldEvidence`.
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
        forget_after_s: float = 0.0,
    ) -> None:
        super().__init__(
            len(vocabulary),
            same_object_radius_m=same_object_radius_m,
            max_evidence=max_evidence,
            max_objects=max_objects,
            place_prefix=place_prefix,
        )
        self.vocabulary = tuple(vocabulary)
        self.fusion = fusion or FusionConfig()
        self.writes = WriteLog()
        self._forget_after_s = forget_after_s
        self._found: dict[str, tuple[list[Evidence], tuple[Part, ...]]] = {}  # parts, and of what evidence

    @property
    def forgets(self) -> bool:
        """Whether beliefs change with time alone."""
        return self._forget_after_s > 0

    @property
    def objects(self) -> list[str]:
        """All that evidence is about; parts of an object that has some are objects of their own."""
        return sorted(
            [
                *self._evidence,
                *(f"{o}{PART}{i + 1}" for o in self._evidence for i in range(len(self._parts(o)))),
            ]
        )

    def evidence(self, object_id: str) -> list[Evidence]:
        """Of an object, or of a part."""
        part = self._part(object_id)
        return list(self._evidence.get(object_id, ())) if part is None else list(part.evidence)

    def belief(self, object_id: str, now_ns: int | None = None) -> FusedBelief:
        """What is believed of it, or of a part, at a time; None: at that of the newest evidence of all."""
        if self._forget_after_s > 0 and now_ns is None:
            now_ns = max((o.time_ns for held in self._evidence.values() for o in held), default=0)
        fused = believe(
            self.evidence(object_id),
            self.fusion,
            self._parts(object_id),
            now_ns=now_ns or 0,
            forget_after_s=self._forget_after_s,
        )
        return dataclasses.replace(fused, parts=self._part_names(object_id))

    def _part_names(self, object_id: str) -> tuple[str, ...]:
        return tuple(f"{object_id}{PART}{i + 1}" for i in range(len(self._parts(object_id))))

    def _parts(self, object_id: str) -> tuple[Part, ...]:
        """Of an object; found again where its evidence, which is a list that nobody changes, is another one."""
        items = self._evidence.get(object_id)
        if items is None:
            return ()
        known = self._found.get(object_id)
        if known is None or known[0] is not items:
            self._found[object_id] = known = (items, parts_of(items, self.fusion))
            self._found = {name: found for name, found in self._found.items() if name in self._evidence}
        return known[1]

    def _part(self, name: str) -> Part | None:
        object_id, mark, number = name.rpartition(PART)
        parts = self._parts(object_id) if mark and name not in self._evidence else ()
        index = int(number) - 1 if number.isdecimal() else -1
        return parts[index] if 0 <= index < len(parts) else None

    # ---- what became of objects --------------------------------------------------------------------------
    def retract(self, contact_ids: Collection[str] = (), object_ids: Collection[str] = ()) -> Changed:
        """Take back what was heard in these contacts, and all that is known of these objects, parts or places."""
        taken: dict[str, list[Evidence]] = {}
        of_parts = [o for name in object_ids if (part := self._part(name)) for o in part.evidence]
        for name, items in self._evidence.items():
            wrong = [
                o
                for o in items
                if name in object_ids
                or (o.kind == "heard" and o.key in contact_ids)
                or any(o is one for one in of_parts)
            ]
            if wrong:
                taken[name] = wrong
        for name, wrong in taken.items():
            self._retracted |= {(o.key, o.time_ns): None for o in wrong if o.kind == "heard"}
            self._hold(name, [o for o in self._evidence[name] if not any(o is one for one in wrong)])
        self._retracted = dict(list(self._retracted.items())[-REMEMBERED:])
        count = sum(map(len, taken.values()))
        return self._changed(taken, pieces=count, lost=count)

    def moved(self, object_id: str, position: Sequence[float]) -> Changed:
        """The object lies here now: its contacts go with it, as they lay to each other. What was seen of places without
        a name that lay where it was is of it, and goes as well: whatever comes there later does not inherit it.

        Raises:
            ValueError: the position is not three finite numbers.
        """
        target = _place(position, "position")
        if object_id not in self._evidence:
            return Changed()
        absorbed = self._absorb(object_id)
        items = self._evidence[object_id]
        known = [o.position for o in items if all(map(math.isfinite, o.position))]
        heard = [o.position for o in items if o.kind == "heard" and all(map(math.isfinite, o.position))]
        shift = target - (np.mean(heard or known, axis=0) if known else target)
        if known and np.linalg.norm(shift) < _SAME_PLACE_M:
            return self._changed([object_id] if absorbed else [], pieces=absorbed)

        def there(item: Evidence) -> Evidence:
            old = np.asarray(item.position, np.float64)
            x, y, z = (old + shift if np.isfinite(old).all() else target).tolist()
            return dataclasses.replace(item, position=(x, y, z))

        self._evidence[object_id] = [there(o) for o in items]
        return self._changed([object_id], pieces=len(items))

    def merged(self, object_id: str, others: Collection[str]) -> Changed:
        """The others turned out to be this object: it gets their evidence, and their names stand for it from now on.

        Raises:
            ValueError: no name.
        """
        if not object_id or not all(others):
            raise ValueError(f"object `{object_id}` and others {sorted(others)}: all need a name")
        others = [name for name in dict.fromkeys(others) if name != object_id]
        pieces = 0
        emptied = []
        self._became.pop(object_id, None)
        for name in others:
            self._stands_for(name, (object_id,))
            if name in self._evidence:
                emptied.append(name)
                for item in self._evidence.pop(name):
                    pieces += 1
                    self.add(object_id, item)
        return self._changed([object_id, *emptied] if pieces else [], pieces=pieces)

    def split(self, object_id: str, names: Sequence[str], positions: Sequence[Sequence[float]]) -> Changed:
        """The object turned out to be several: each piece of evidence goes to the nearest of ``positions`` and so to
        the object of that name. Of which one a piece without a place is, nobody knows: it stays with ``object_id``
        where that is among the names, and is lost where not.

        Raises:
            ValueError: fewer than two names, one of them twice or empty, or not a place for each.
        """
        if len(names) < 2 or len(set(names)) < len(names) or not all(names) or len(positions) != len(names):
            raise ValueError(
                f"names are {list(names)} with {len(positions)} positions: two or more different names are needed, "
                "and a place for each"
            )
        targets = np.stack(
            [_place(position, f"position of `{n}`") for n, position in zip(names, positions, strict=True)]
        )
        if object_id not in self._evidence:
            return Changed()
        items = self._evidence.pop(object_id)
        holding, lost = {object_id}, 0
        for item in items:
            place = np.asarray(item.position, np.float64)
            if np.isfinite(place).all():
                name = names[int(np.argmin(np.linalg.norm(targets - place, axis=1)))]
            else:
                name = object_id if object_id in names else ""
            if name:
                self.add(name, item)
                holding.add(name)
            else:
                lost += 1
        for name in names:
            self._became.pop(name, None)
        if object_id not in names:
            self._stands_for(object_id, tuple(names))
        return self._changed(sorted(holding), pieces=len(items), lost=lost)

    def gone(self, object_id: str) -> Changed:
        """The object is not here any more: nothing is said of it, nor of the places without a name that lay where it
        was, and nothing that lies there later inherits from it.
        """
        self._became = {old: new for old, new in self._became.items() if object_id not in (old, *new)}
        if object_id not in self._evidence:
            return Changed()
        names = [object_id, *self._places_at(object_id)]
        count = sum(len(self._evidence.pop(name)) for name in names)
        return self._changed(names, pieces=count, lost=count)

    def _changed(self, names: Collection[str], *, pieces: int = 0, lost: int = 0) -> Changed:
        holding = tuple(name for name in names if name in self._evidence)
        return Changed(holding, tuple(name for name in names if name not in self._evidence), pieces, lost)

    def _hold(self, name: str, items: list[Evidence]) -> None:
        if items:
            self._evidence[name] = items
        else:
            del self._evidence[name]

    # ---- file ------------------------------------------------------------------------------------------
    def save(self, path: Path, *, model_id: str) -> None:
        """Write atomically: a reader finds the old file or the new one, never half of one.

        Raises:
            OSError: the folder is not writable or the disk is full.
        """
        state = State(
            self._evidence, self._named, self._became, tuple(self._retracted), tuple(self.writes.entries())
        )
        write_state(path, state, self.vocabulary, model_id=model_id)

    def restore(self, path: Path, *, model_id: str = "") -> int:
        """Read what :meth:`save` wrote and return the number of objects; all or nothing.

        Raises:
            StateError, OSError: see :func:`store_file.read_state`.
        """
        state = read_state(path, self.vocabulary, model_id=model_id)
        self._evidence, self._named, self._became = state.objects, state.named, state.became
        self._retracted = dict.fromkeys(state.retracted)
        self.writes = WriteLog(state.writes)
        return len(self._evidence)
