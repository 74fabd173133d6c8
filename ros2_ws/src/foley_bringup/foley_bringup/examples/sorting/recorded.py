"""Tables of recorded touches: real sounds and pictures of scenes that no model has met, heard and seen by the models.

Beliefs and predicates are those of the node `material`: the same store, fusion, predicates file and hysteresis. A touch
is the next recorded contact with that thing, in an order that the seed draws, blows before strokes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from foley_bringup.examples.sorting.task import SortingTask
from foley_common.predicate_view import Fact, State
from foley_common.times import NS_PER_S
from foley_synthesis.beliefs import predicates_file
from foley_synthesis.beliefs.contact_bank import ContactBank
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.beliefs.information import PredicateGain, Question, predicate_gain
from foley_synthesis.beliefs.outcomes import possible_outcomes
from foley_synthesis.beliefs.predicates import PredicateSpec, PredicateTable, PredicateValue
from foley_synthesis.beliefs.store import BeliefStore
from foley_synthesis.live.known_objects import KnownObjects

STROKES = ("scratch", "rub")
TOUCH_S = 2.0  # from one touch to the next
START_NS = NS_PER_S


@dataclasses.dataclass(frozen=True)
class RecordedThing:
    """One thing, and its contacts in time."""

    scene: str
    name: str
    truth: bool  # of the predicate
    seen: tuple[Evidence | None, ...]  # of the plan that led to each contact
    heard: tuple[Evidence, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Models:
    """What says what evidence means."""

    labels: tuple[str, ...]
    fusion: FusionConfig
    bank: ContactBank

    def spec(self, predicate: str) -> PredicateSpec:
        """The predicate of the file that ships. Raises ValueError for another one, or one of two things."""
        specs = {s.name: s for s in predicates_file.load(predicates_file.default_path(), self.labels)}
        spec = specs.get(predicate)
        if spec is None or len(spec.parameters) != 1:
            one = ", ".join(name for name, s in specs.items() if len(s.parameters) == 1)
            raise ValueError(f"predicate is `{predicate}`, known of one thing are {one}")
        return spec


class RecordedWorld:
    """One table.

    Args:
        things: of one scene.
        seed: draws the order of each thing's contacts.

    Raises:
        ValueError: an unknown predicate.
    """

    def __init__(self, things: Sequence[RecordedThing], models: Models, task: SortingTask, seed: int) -> None:
        self._recorded = {f"thing_{i}": thing for i, thing in enumerate(things, start=1)}
        self._models, self._spec = models, models.spec(task.predicate)
        self._store = BeliefStore(models.labels, models.fusion)
        self._known = KnownObjects(self._store)
        self._predicates = PredicateTable([self._spec])
        rng = np.random.default_rng([0x7AB1, seed])
        self._left = {name: _order(thing, rng) for name, thing in self._recorded.items()}
        self._now_ns = START_NS
        for name, thing in self._recorded.items():
            if self._left[name]:  # what the plan that would lead to the first contact sees
                self._see(name, thing.seen[self._left[name][0]])
        self._values: dict[str, PredicateValue] = {}
        self._evaluate()

    @property
    def things(self) -> tuple[str, ...]:
        return tuple(self._recorded)

    def believed(self) -> Mapping[str, Fact]:
        return {
            name: Fact(v.name, v.arguments, State(int(v.state)), v.probability)
            for name, v in self._values.items()
        }

    def touchable(self) -> tuple[str, ...]:
        return tuple(name for name in self.things if self._left[name])

    def touch(self, thing: str) -> bool:
        if not self._left[thing]:
            return False
        row = self._left[thing].pop(0)
        self._now_ns += round(TOUCH_S * NS_PER_S)
        recorded = self._recorded[thing]
        self._see(thing, recorded.seen[row])
        self._store.add(thing, dataclasses.replace(recorded.heard[row], time_ns=self._now_ns))
        self._evaluate()
        return True

    def suggested(self) -> str | None:
        """The thing of which a touch is expected to tell most about the predicate."""
        gains = {name: gain.information for name, gain in self._gains().items()}
        best = max(gains, key=lambda name: gains[name], default=None)
        return best if best is not None and gains[best] > 0.0 else None

    def savings(self) -> Mapping[str, float]:
        saved = {}
        for name, gain in self._gains().items():
            after = sum(w * _risk(p) for w, p in zip(gain.weights, gain.outcomes, strict=True))
            saved[name] = _risk(gain.probability) - after
        return saved

    def _gains(self) -> Mapping[str, PredicateGain]:
        """What the next touch of each thing is expected to tell."""
        gains = {}
        for name in self.touchable():
            facts = self._known.known(name, self._now_ns).facts
            spec, state = self._spec, self._values[name].state
            question = Question(spec.expression, spec.thresholds, spec.when_abstaining, state, facts)
            contact = self._recorded[name].heard[self._left[name][0]]
            outcomes = possible_outcomes(
                self._store.evidence(name),
                contact.action,
                contact.position,
                self._models.bank,
                self._models.fusion,
            )
            gains[name] = predicate_gain(outcomes, contact.action, self._models.labels, question)
        return gains

    def truth(self, thing: str) -> bool:
        return self._recorded[thing].truth

    def _see(self, name: str, look: Evidence | None) -> None:
        if look is not None:
            self._store.add(name, dataclasses.replace(look, time_ns=self._now_ns))

    def _evaluate(self) -> None:
        known = [self._known.known(name, self._now_ns) for name in self.things]
        self._values = {v.arguments[0]: v for v in self._predicates.evaluate(known, self._now_ns)}


def _risk(p: float) -> float:
    """Of a wrong grasp, where the more probable bin is chosen."""
    return 0.5 if math.isnan(p) else min(p, 1.0 - p)


def _order(thing: RecordedThing, rng: np.random.Generator) -> list[int]:
    """Contacts in the order in which they are made: a robot that may choose taps."""
    drawn = rng.permutation(len(thing.heard)).tolist()
    return sorted(drawn, key=lambda row: thing.heard[row].action in STROKES)
