"""Evidence about objects, put together from what `material` publishes of them.

A contact's own estimate is kept as it was heard. Of a fused belief only the sum is published: what the kept contacts
do not explain of it is taken to come from as many contacts as are missing (this process began later than the other),
or from sight. So the evidence that is returned fuses to the belief that was published.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.belief import UNKNOWN, MaterialBelief
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FLOOR, FusionConfig, fuse
from foley_synthesis.beliefs.outcomes import UNKNOWN_PLACE, FusionWeights, Point

SAME_PLACE_M = 0.01  # places this near to each other are offered once
MOST_PLACES = 6  # of one object, the newest
_MOST_CONTACTS = 64
_MOST_OBJECTS = 256
_ALIKE = 1e-3  # probabilities this near are the same, after their way over the wire


@dataclasses.dataclass(frozen=True)
class ToldBelief:
    """A published belief about one object, or of one contact with it."""

    object_id: str
    time_ns: int  # of the newest contact
    belief: MaterialBelief
    position: Point
    frame_id: str
    contact_id: str = ""  # empty: fused
    heard: int = 0  # contacts
    looked: bool = False  # whether sight is part of it


@dataclasses.dataclass
class _Object:
    contacts: dict[str, Evidence] = dataclasses.field(default_factory=dict)
    fused: ToldBelief | None = None
    newest: str = ""  # contact whose fused belief has not come yet
    frame_id: str = ""


class ToldObjects:
    """Not thread-safe. At most 256 objects, those told of last, with 64 contacts each.

    Args:
        fusion: how `material` adds evidence up.
    """

    def __init__(self, fusion: FusionConfig) -> None:
        self._fusion = fusion
        self._objects: collections.OrderedDict[str, _Object] = collections.OrderedDict()
        self._actions: collections.OrderedDict[str, str] = collections.OrderedDict()

    @property
    def objects(self) -> tuple[str, ...]:
        return tuple(self._objects)

    def act(self, contact_id: str, action: str) -> None:
        """Say what was done in a contact, before or after it is told of."""
        self._actions[contact_id] = action
        while len(self._actions) > _MOST_OBJECTS * 4:
            self._actions.popitem(last=False)

    def tell(self, told: ToldBelief) -> None:
        """Take in what was published."""
        thing = self._objects.setdefault(told.object_id, _Object())
        self._objects.move_to_end(told.object_id)
        while len(self._objects) > _MOST_OBJECTS:
            self._objects.popitem(last=False)
        thing.frame_id = told.frame_id or thing.frame_id
        if told.contact_id:
            thing.newest = told.contact_id
            thing.contacts.pop(told.contact_id, None)
            thing.contacts[told.contact_id] = Evidence(
                "heard", told.contact_id, told.time_ns, told.belief, position=told.position
            )
            while len(thing.contacts) > _MOST_CONTACTS:
                thing.contacts.pop(next(iter(thing.contacts)))
            return
        before, thing.fused = thing.fused, told
        heard = thing.contacts.get(thing.newest)
        if heard is not None and before is not None and heard.belief.unsure:
            same = len(before.belief.probabilities) == len(told.belief.probabilities)
            if same and bool(np.allclose(before.belief.p(), told.belief.p(), atol=1e-6)):
                # It changed nothing: it was not merely unsure, which the message does not say.
                thing.contacts[thing.newest] = dataclasses.replace(
                    heard, belief=heard.belief.abstaining("it told nothing")
                )
        thing.newest = ""

    def forget(self, gone: Iterable[str]) -> None:
        """Objects that there are no longer."""
        for name in gone:
            self._objects.pop(name, None)

    def believed(self, object_id: str) -> MaterialBelief:
        """What is believed now; UNKNOWN of an object that nothing was told of."""
        thing = self._objects.get(object_id)
        return thing.fused.belief if thing is not None and thing.fused is not None else UNKNOWN

    def told(self, object_id: str) -> ToldBelief | None:
        """The newest fused belief, as it was published."""
        thing = self._objects.get(object_id)
        return thing.fused if thing is not None else None

    def frame_of(self, object_id: str) -> str:
        thing = self._objects.get(object_id)
        return thing.frame_id if thing is not None else ""

    def actions(self, object_id: str) -> dict[str, float]:
        """What is known to have been done to it, each with probability 1."""
        thing = self._objects.get(object_id)
        done = (self._actions.get(name, "") for name in thing.contacts) if thing is not None else ()
        return {action: 1.0 for action in done if action}

    def places(self, object_id: str) -> list[Point]:
        """Where it was touched, or seen where a contact was planned; the newest first."""
        thing = self._objects.get(object_id)
        if thing is None:
            return []
        found = [item.position for item in reversed(thing.contacts.values())]
        if thing.fused is not None and not found:
            found = [
                thing.fused.position
            ]  # of a planned contact, or the middle of contacts that were not told of
        kept: list[Point] = []
        for point in found:
            known = all(map(math.isfinite, point))
            if known and all(math.dist(point, other) > SAME_PLACE_M for other in kept):
                kept.append(point)
        return kept[:MOST_PLACES]

    def nearest(self, place: Point, within_m: float) -> str:
        """The object that was touched nearest to a place; empty: none so near."""
        near = [(math.dist(p, place), name) for name in self._objects for p in self.places(name)]
        distance, name = min(near, default=(math.inf, ""))
        return name if distance <= within_m else ""

    def evidence(self, object_id: str) -> list[Evidence]:
        """That fuses to what is believed of it."""
        thing = self._objects.get(object_id)
        if thing is None or thing.fused is None:
            return [] if thing is None else list(thing.contacts.values())
        known, told = list(thing.contacts.values()), thing.fused
        target = told.belief
        if not target.probabilities:
            return known
        missing = max(0, told.heard - len(known))
        if not missing and not told.looked and known:
            p = fuse(known, self._fusion).belief.p()
            if len(p) == len(target.probabilities) and float(np.abs(p - target.p()).max()) < _ALIKE:
                return known
        blank = MaterialBelief(
            tuple(np.full(len(target.probabilities), 1.0 / len(target.probabilities)).tolist())
        )
        kind = "heard" if missing else "seen"
        rest = [
            Evidence(kind, f"untold_{k}", told.time_ns, blank, position=UNKNOWN_PLACE)  # type: ignore[arg-type]
            for k in range(missing or 1)
        ]
        said = _explaining(target, known, rest, self._fusion)
        return [*known, *(dataclasses.replace(item, belief=said) for item in rest)]


def _explaining(
    target: MaterialBelief, known: list[Evidence], rest: list[Evidence], fusion: FusionConfig
) -> MaterialBelief:
    """What each of the rest must say, so that all together fuse to the target."""
    weights = FusionWeights.now(known + rest, fusion)
    floor = FLOOR / len(target.probabilities)

    def log(belief: MaterialBelief) -> NDArray[np.float64]:
        return np.log(np.clip(belief.p(), floor, None))

    left = fusion.temperature * log(target)
    own = 0.0
    for item, weight in zip(weights.used, weights.weight, strict=True):
        if item.key.startswith("untold_"):
            own += float(weight)
        else:
            left = left - weight * log(item.belief)
    score = left / max(own, 1e-6)
    p = np.exp(score - score.max())
    return dataclasses.replace(
        target, probabilities=tuple((p / p.sum()).tolist()), abstain=False, unsure=False, reason=""
    )
