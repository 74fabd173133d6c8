"""Tables of recorded touches: real sounds and pictures of scenes that no model has met, heard and seen by the models.

Beliefs and predicates are those of the node `material`: the same store, fusion, predicates file and hysteresis. A touch
is the next recorded contact with that thing, in an order that the seed draws, blows before strokes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from foley_bringup.examples.sorting.task import SortingTask
from foley_common.predicate_view import Fact, State
from foley_common.times import NS_PER_S
from foley_synthesis.beliefs import predicates_file
from foley_synthesis.beliefs.contact_bank import ContactBank
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.beliefs.information import ContactWorth, Question
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
        names = self.touchable()
        known = {name: self._known.known(name, self._now_ns) for name in names}
        about = {
            name: Question(
                self._spec.expression,
                self._spec.thresholds,
                self._spec.when_abstaining,
                self._values[name].state,
                known[name].facts,
            )
            for name in names
        }
        worth = ContactWorth(
            {name: self._store.evidence(name) for name in names},
            self._models.bank,
            self._models.fusion,
            about,
        )
        gains = {}
        for name in names:
            contact = self._recorded[name].heard[self._left[name][0]]
            gains[name] = worth.gain(name, contact.action, contact.position)
        best = max(gains, key=lambda name: gains[name], default=None)
        return best if best is not None and gains[best] > 0.0 else None

    def truth(self, thing: str) -> bool:
        return self._recorded[thing].truth

    def _see(self, name: str, look: Evidence | None) -> None:
        if look is not None:
            self._store.add(name, dataclasses.replace(look, time_ns=self._now_ns))

    def _evaluate(self) -> None:
        known = [self._known.known(name, self._now_ns) for name in self.things]
        self._values = {v.arguments[0]: v for v in self._predicates.evaluate(known, self._now_ns)}


def _order(thing: RecordedThing, rng: np.random.Generator) -> list[int]:
    """Contacts in the order in which they are made: a robot that may choose taps."""
    drawn = rng.permutation(len(thing.heard)).tolist()
    return sorted(drawn, key=lambda row: thing.heard[row].action in STROKES)
