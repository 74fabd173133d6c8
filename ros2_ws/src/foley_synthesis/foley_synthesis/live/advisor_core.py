"""What a further contact would tell of the objects that `material` tells of, and which contacts to make. No middleware.

It suggests no place that nobody knows to be a surface: an object is touched where it was touched before, or where a
contact with it was planned and its picture looked at. Surfaces are taken to face up unless somebody says otherwise.
All public methods may be called from any thread.
"""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Mapping, Sequence

from foley_common.predicate_view import Fact, PredicateView, Snapshot, State
from foley_synthesis.beliefs.belief import MaterialBelief, unknown_belief
from foley_synthesis.beliefs.contact_bank import ContactBank
from foley_synthesis.beliefs.contact_choice import Candidate, ContactCosts, Suggestion, suggest
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FusionConfig, fuse
from foley_synthesis.beliefs.information import (
    ContactWorth,
    PredicateGain,
    material_gain,
    predicate_gain,
)
from foley_synthesis.beliefs.outcomes import Point
from foley_synthesis.beliefs.predicates import PredicateSpec
from foley_synthesis.live.asked_predicates import AskedPredicates, UnknownObject
from foley_synthesis.live.told_objects import ToldBelief, ToldObjects

NAN = float("nan")
NEAR_M = 0.06  # a place this near to a known contact belongs to that object
MOST_CANDIDATES = 400


@dataclasses.dataclass(frozen=True)
class Advice:
    """Contacts, the best first, and what is to be said of them."""

    contacts: tuple[Suggestion, ...]  # of unknown gain: NaN
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Weighed:
    """What one contact would be worth."""

    object_id: str  # empty: of none that is known
    gain: float  # [nat]; NaN where nobody has measured what contacts say of it
    cost_s: float
    believed: MaterialBelief  # now
    told: ToldBelief | None  # as it was published
    predicate: PredicateGain | None  # of the predicate that was asked about


class AdvisorCore:
    """Everything that the advisor knows.

    Args:
        bank: None: nobody has measured what hearing says of contacts; contacts are then suggested without their worth.
        fusion: how `material` adds evidence up.
        specs: its predicates.
    """

    def __init__(
        self,
        labels: Sequence[str],
        bank: ContactBank | None,
        fusion: FusionConfig,
        specs: Sequence[PredicateSpec],
        costs: ContactCosts,
    ) -> None:
        self.labels, self.bank = tuple(labels), bank
        self.view = PredicateView()
        self._fusion, self._costs = fusion, costs
        self._told = ToldObjects(fusion)
        self._asked = AskedPredicates(self.labels, specs, self._told, self.view)
        self._last: Point | None = None  # place of the newest contact
        self._heard: dict[str, tuple[int, int]] = {}  # object -> newest contact, and when that was told [ns]
        self._lock = threading.RLock()

    # ---- what is told --------------------------------------------------------------------------------------
    def tell(self, told: ToldBelief, now_ns: int) -> None:
        """A belief that was published."""
        with self._lock:
            self._told.tell(told)
            if told.contact_id:
                newest = max(told.time_ns, self._heard.get(told.object_id, (0, 0))[0])
                self._heard[told.object_id] = newest, now_ns
                if all(map(math.isfinite, told.position)):
                    self._last = told.position

    def act(self, contact_id: str, action: str) -> None:
        """What was done in a contact."""
        with self._lock:
            self._told.act(contact_id, action)

    def take(self, snapshot: Snapshot, now_ns: int) -> None:
        """A snapshot of predicates; objects that it no longer speaks of are forgotten."""
        with self._lock:
            before = self.view.snapshot
            if self.view.take(snapshot, now_ns) and before is not None and snapshot.facts:
                gone = set(before.objects) - set(snapshot.objects)
                self._told.forget(gone)
                for name in gone:
                    self._heard.pop(name, None)

    def newest_ns(self, object_id: str) -> int:
        """Stamp of the newest contact with it that was heard; 0: none."""
        with self._lock:
            return self._heard.get(object_id, (0, 0))[0]

    def heard_since(self, object_id: str, time_ns: int) -> bool:
        """Whether a contact with it after this time was heard, and the newest snapshot rests on it."""
        with self._lock:
            newest_ns, arrival_ns = self._heard.get(object_id, (0, 0))
            snapshot, told = self.view.snapshot, self._told.told(object_id)
        if newest_ns < time_ns or snapshot is None or told is None or told.time_ns < newest_ns:
            return False
        rests_on = [fact.contacts for fact in snapshot.facts if fact.arguments == (object_id,)]
        # The snapshot of a contact may have been taken before its belief arrived here.
        return snapshot.stamp_ns >= arrival_ns or max(rests_on, default=0) >= told.heard > 0

    # ---- answers -------------------------------------------------------------------------------------------
    @property
    def objects(self) -> tuple[str, ...]:
        with self._lock:
            return self._told.objects

    def fact(self, predicate: str, arguments: Sequence[str]) -> Fact | None:
        """As the newest snapshot tells it."""
        return self.view.fact(predicate, *arguments)

    def check(self, predicate: str, arguments: Sequence[str] | None = None) -> None:
        """Raises UnknownName, UnknownObject, or ValueError where the number of arguments is not the predicate's."""
        self._asked.check(predicate)
        if arguments is None:
            return
        wanted = self._asked.count(predicate)
        if len(arguments) != wanted:
            raise ValueError(f"`{predicate}` is about {wanted} objects, {len(arguments)} were named")
        snapshot = self.view.snapshot
        for name in arguments:
            if name not in self.objects and (snapshot is None or name not in snapshot.objects):
                raise UnknownObject(f"nothing was seen or heard of `{name}`; known are {self._known()}")

    def suggest(
        self,
        predicate: str,
        objects: Sequence[str],
        actions: Sequence[str],
        *,
        budget_s: float = math.inf,
        most: int = 8,
        least_confidence: float = 0.0,
    ) -> Advice:
        """The contacts that tell most for their time.

        Args:
            predicate: empty: the material is to be known.
            objects: that may be touched; none: all that are known. Of a predicate about two objects its two arguments.
            least_confidence: of the answer; 0: the predicate's own thresholds.

        Raises:
            UnknownName, UnknownObject: see there.
        """
        with self._lock:
            if predicate:
                self.check(predicate)
            names = list(dict.fromkeys(objects)) or list(self._told.objects)
            for name in names:
                if name not in self._told.objects:
                    raise UnknownObject(f"no place of `{name}` is known; known are {self._known()}")
            candidates = [
                Candidate(name, place, action)
                for name in names
                for place in self._told.places(name)
                for action in actions
            ]
            if not candidates:
                raise UnknownObject(
                    f"no place of {', '.join(names) or 'any object'} is known: touch it once by hand"
                )
            about = self._asked.questions(predicate, names, least_confidence) if predicate else None
            evidence = {name: self._told.evidence(name) for name in names}
            start, dropped = self._last, max(0, len(candidates) - MOST_CANDIDATES)
        candidates = candidates[:MOST_CANDIDATES]
        note = f"{dropped} further places and actions were not weighed" if dropped else ""
        if self.bank is None or (predicate and not about):
            why = "nobody has measured what contacts say" + (
                f" of `{predicate}`" if self.bank is not None else ""
            )
            return Advice(
                self._cheapest(candidates, evidence, start, budget_s, most), f"{why}: the cheapest come first"
            )
        worth = ContactWorth(evidence, self.bank, self._fusion, about)
        found = suggest(candidates, worth, self._costs, start=start, budget_s=budget_s, most=most)
        if not found:
            note = note or "no contact is expected to tell more within the budget"
        return Advice(tuple(found), note)

    def weigh(
        self, object_id: str, place: Point, action: str, predicate: str, look: Evidence | None = None
    ) -> Weighed:
        """What a contact there would tell.

        Args:
            object_id: empty: the one at that place, if any is known.
            look: what sight says of the place; counts where nothing else is known of it.

        Raises:
            UnknownName, UnknownObject: see there.
            ValueError: the predicate is about two objects, or neither object nor place is known.
        """
        with self._lock:
            known = all(map(math.isfinite, place))
            if predicate:
                self.check(predicate)
                if self._asked.count(predicate) != 1:
                    raise ValueError(f"`{predicate}` is about two objects: ask for suggestions in its place")
            if object_id and object_id not in self._told.objects:
                raise UnknownObject(f"nothing was seen or heard of `{object_id}`; known are {self._known()}")
            if not object_id and not known:
                raise ValueError("the contact names neither an object nor a place")
            name = object_id or self._told.nearest(place, NEAR_M)
            evidence = self._told.evidence(name) if name else []
            told, cost = self._told.told(name), self._costs.of(action, place, self._last)
            question = self._asked.questions(predicate, [name], 0.0).get(name) if predicate else None
        if not evidence and look is not None:
            evidence = [look]
        believed = told.belief if told is not None else fuse(evidence, self._fusion).belief
        if not believed.probabilities:
            believed = unknown_belief(self.labels, "nothing was seen or heard of it")
        if self.bank is None:
            return Weighed(name, NAN, cost, believed, told, None)
        outcomes = ContactWorth({name: evidence}, self.bank, self._fusion).outcomes(name, action, place)
        if not predicate:
            return Weighed(name, material_gain(outcomes), cost, believed, told, None)
        if question is None:
            return Weighed(name, NAN, cost, believed, told, None)
        gain = predicate_gain(outcomes, action, self.labels, question)
        return Weighed(name, gain.information, cost, believed, told, gain)

    def places(self, object_id: str) -> list[Point]:
        """Where it may be touched, the newest first."""
        with self._lock:
            return self._told.places(object_id)

    def frame_of(self, object_id: str) -> str:
        """Of its places."""
        with self._lock:
            return self._told.frame_of(object_id)

    # ---- inside --------------------------------------------------------------------------------------------
    def _known(self) -> str:
        return ", ".join(self._told.objects) or "none"

    def _cheapest(
        self,
        candidates: Sequence[Candidate],
        evidence: Mapping[str, Sequence[Evidence]],
        start: Point | None,
        budget_s: float,
        most: int,
    ) -> tuple[Suggestion, ...]:
        """One contact for each object and action, those with the least heard of first, then the cheapest."""
        rated = []
        seen: set[tuple[str, str]] = set()
        for c in candidates:
            if (c.object_id, c.action) not in seen:
                seen.add((c.object_id, c.action))
                heard = sum(item.kind == "heard" for item in evidence[c.object_id])
                rated.append((heard, self._costs.of(c.action, c.place, start), c))
        rated.sort(key=lambda entry: entry[:2])
        found, left = [], budget_s
        for _, cost, candidate in rated[:most]:
            if cost <= left:
                found.append(Suggestion(candidate, NAN, cost))
                left -= cost
        return tuple(found)


def known_surely(
    fact: Fact | None, now_ns: int, *, least_confidence: float = 0.0, greatest_age_s: float = 0.0
) -> bool:
    """Whether it is TRUE or FALSE by this fact, as surely and as freshly as asked."""
    return fact is not None and (
        fact.state_at(now_ns, least_confidence=least_confidence, greatest_age_s=greatest_age_s)
        is not State.UNKNOWN
    )
