"""Predicates about one or two objects, and their states over time.

What predicates there are is read from a file (:mod:`foley_synthesis.beliefs.predicates_file`) or learned from labelled
contacts; either may come and go while others are in use.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from foley_common.times import NS_PER_S
from foley_synthesis.beliefs.expressions import Expression, Facts, Source, Use
from foley_synthesis.beliefs.hysteresis import Thresholds, Truth, step

OBJECT = "object"  # the type of every parameter
LOOK = "look"  # what brings evidence without a contact
# Kinds of evidence of one object. `compared` is a predicted sound against the heard one.
HEARD, TAUGHT, COMPARED = "heard", "taught", "compared"
_SHOWN = {COMPARED: HEARD}
_ORDER = (HEARD, "seen", "vision", TAUGHT)
_OBSERVED_BY = {Source.SURPRISE: ("tap",), Source.TAUGHT: ("tap",)}  # where a file does not say
NAN = float("nan")


@dataclasses.dataclass(frozen=True)
class PredicateSpec:
    """One predicate: what it means, how it becomes known, and when it is TRUE."""

    name: str
    expression: Expression
    thresholds: Thresholds = dataclasses.field(default_factory=Thresholds)
    lifetime_s: float = 600.0  # a state holds for this long after its newest evidence
    when_abstaining: bool = False  # True: known even while the material belief abstains
    text: str = ""  # what it means
    observed_by: tuple[str, ...] = ()  # actions, and LOOK; empty: what brings evidence for the expression
    observation_cost_s: float = NAN  # of the cheapest of these; NaN where nobody said
    taught: bool = False  # learned from labelled contacts

    def __post_init__(self) -> None:
        if not self.observed_by:
            object.__setattr__(self, "observed_by", _observed_by(self.expression.uses))

    @property
    def parameters(self) -> tuple[str, ...]:
        """Their names: one, or two."""
        return self.expression.parameters

    @property
    def parameter_types(self) -> tuple[str, ...]:
        return (OBJECT,) * len(self.parameters)


def _observed_by(uses: Iterable[Use]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for use in sorted(uses, key=lambda use: (use.source.value, use.name)):
        told = (use.name,) if use.source is Source.ACTIONS else _OBSERVED_BY.get(use.source, ("tap", LOOK))
        found |= dict.fromkeys(told)
    return tuple(found)


@dataclasses.dataclass(frozen=True)
class Known:
    """What is known of one object, and what that rests on."""

    object_id: str
    facts: Facts
    newest_ns: Mapping[
        str, int
    ]  # kind of evidence -> stamp of the newest piece; without kinds that there are none of
    contacts: int = 0  # that were heard
    calibrations: Mapping[str, str] = dataclasses.field(default_factory=dict)  # see `calibration_of`

    def newest(self, use: Use) -> dict[str, int]:
        """Of the evidence that a value rests on, the stamp of the newest piece of each kind."""
        kinds: Sequence[str]
        if use.source is Source.ACTIONS:
            kinds = (HEARD,)
        elif use.source is Source.SURPRISE:
            kinds = (COMPARED,)
        elif use.source is Source.TAUGHT:
            kinds = (TAUGHT,)
        else:
            kinds = [kind for kind in self.newest_ns if kind not in (TAUGHT, COMPARED)]
        return {kind: self.newest_ns[kind] for kind in kinds if kind in self.newest_ns}


@dataclasses.dataclass(frozen=True)
class PredicateValue:
    """One predicate about its objects at one time: the fields of foley_msgs/Predicate."""

    name: str
    arguments: tuple[str, ...]  # object ids
    probability: float  # NaN: no evidence
    state: Truth
    newest_evidence_ns: int  # of two objects that of the one which was observed longer ago
    valid_until_ns: int
    evidence: str = ""  # kinds joined by `+`
    contacts: int = 0  # heard contacts that it rests on, of all its objects
    calibration_id: str = ""  # empty: nobody has measured what the probability is worth

    def as_sure_as(self, least_confidence: float, greatest_age_s: float, now_ns: int) -> PredicateValue:
        """The same, UNKNOWN where it is less sure or its evidence older than that (0: whatever it is)."""
        sure = self.probability if self.state == Truth.TRUE else 1.0 - self.probability
        old = greatest_age_s > 0 and now_ns - self.newest_evidence_ns > greatest_age_s * NS_PER_S
        if self.state == Truth.UNKNOWN or (not old and sure >= least_confidence):
            return self
        return dataclasses.replace(self, state=Truth.UNKNOWN)


def calibration_of(uses: Iterable[Use], calibrations: Mapping[str, str]) -> str:
    """Which calibration a value has that uses all this; empty where a part of it has none.

    Args:
        calibrations: `probabilities`, `surprise` or `taught:<name>` -> id.
    """
    ids: set[str] = set()
    for use in uses:
        if use.source is not Source.COUNTS:
            key = f"{TAUGHT}:{use.name}" if use.source is Source.TAUGHT else use.source.value
            ids.add(calibrations.get(key, ""))
    return "" if "" in ids else "+".join(sorted(ids))


class _Told(NamedTuple):
    """What was said last, and of what."""

    arguments: tuple[Known, ...]
    value: PredicateValue

    def holds(self, arguments: tuple[Known, ...], now_ns: int) -> bool:
        """Whether it is still to be said: the hysteresis has nothing to add to what does not change."""
        same = all(a is b for a, b in zip(arguments, self.arguments, strict=True))
        return same and (self.value.state == Truth.UNKNOWN or now_ns <= self.value.valid_until_ns)


class PredicateTable:
    """States of all predicates of all objects; remembers them for the hysteresis. Not thread-safe.

    Args:
        most_in_pairs: objects between which predicates of two are told; those with the newest evidence.
    """

    def __init__(self, specs: Sequence[PredicateSpec], *, most_in_pairs: int = 8) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._most_in_pairs = most_in_pairs
        self._told: dict[tuple[str, tuple[str, ...]], _Told] = {}
        self.left_out = 0  # objects that predicates of two were not told of last time

    @property
    def specs(self) -> tuple[PredicateSpec, ...]:
        return tuple(self._specs.values())

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._specs)

    def put(self, specs: Iterable[PredicateSpec]) -> None:
        """Add predicates; one of the same name is replaced, and its states with it. Others stay as they are."""
        for spec in specs:
            self.remove([spec.name])
            self._specs[spec.name] = spec

    def remove(self, names: Iterable[str]) -> None:
        """Take predicates away, with their states. Names that there are not are none."""
        gone = set(names)
        self._specs = {name: spec for name, spec in self._specs.items() if name not in gone}
        self._told = {key: told for key, told in self._told.items() if key[0] not in gone}

    def evaluate(self, objects: Sequence[Known], now_ns: int) -> list[PredicateValue]:
        """All predicates of all these objects; states of others are forgotten.

        A value that changed neither by what is known nor by time is the very same as the last time.
        """
        before, self._told = self._told, {}
        values = []
        for spec, arguments in self._applied(objects):
            key = (spec.name, tuple(known.object_id for known in arguments))
            told = before.get(key)
            if told is None or not told.holds(arguments, now_ns):
                state = told.value.state if told is not None else Truth.UNKNOWN
                told = _Told(arguments, _value(spec, arguments, state, now_ns))
            self._told[key] = told
            values.append(told.value)
        return values

    def _applied(self, objects: Sequence[Known]) -> Iterator[tuple[PredicateSpec, tuple[Known, ...]]]:
        of_one = [spec for spec in self._specs.values() if len(spec.parameters) == 1]
        of_two = [spec for spec in self._specs.values() if len(spec.parameters) == 2]
        for known in objects:
            for spec in of_one:
                yield spec, (known,)
        newest = sorted(
            objects, key=lambda known: (-max(known.newest_ns.values(), default=0), known.object_id)
        )
        paired = newest[: self._most_in_pairs] if of_two else []
        self.left_out = len(objects) - len(paired) if of_two else 0
        for pair in itertools.permutations(paired, 2):
            for spec in of_two:
                yield spec, pair


def _value(spec: PredicateSpec, arguments: tuple[Known, ...], before: Truth, now_ns: int) -> PredicateValue:
    uses = spec.expression.uses
    newest_ns, kinds, contacts = _rests_on(uses, arguments)
    probability = spec.expression(*(known.facts for known in arguments)) if newest_ns > 0 else NAN
    if not math.isnan(probability):
        probability = min(max(probability, 0.0), 1.0)
    valid_until_ns = newest_ns + round(spec.lifetime_s * NS_PER_S) if newest_ns > 0 else 0
    abstaining = any(known.facts.numbers.get("abstain", 1.0) != 0.0 for known in arguments)
    if (abstaining and not spec.when_abstaining) or now_ns > valid_until_ns:
        state = Truth.UNKNOWN
    else:
        state = step(before, probability, spec.thresholds)
    calibrations = [
        calibration_of([use for use in uses if use.parameter == i], known.calibrations)
        for i, known in enumerate(arguments)
    ]
    calibration_id = "" if "" in calibrations else "+".join(sorted(set(calibrations)))
    return PredicateValue(
        spec.name,
        tuple(known.object_id for known in arguments),
        probability,
        state,
        newest_ns,
        valid_until_ns,
        "+".join(kinds),
        contacts,
        calibration_id,
    )


def _rests_on(uses: Iterable[Use], arguments: tuple[Known, ...]) -> tuple[int, list[str], int]:
    """The stamp up to which all its objects were observed (0: one was not at all), the kinds of evidence, and how many
    heard contacts. What uses nothing of an object rests on all that is known of it.
    """
    stamps, kinds, contacts = [], set(), 0
    for index, known in enumerate(arguments):
        own = [use for use in uses if use.parameter == index] or [Use(index, Source.COUNTS)]
        newest: dict[str, int] = {}
        for use in own:
            newest |= known.newest(use)
        stamps.append(max(newest.values(), default=0))
        kinds |= {_SHOWN.get(kind, kind) for kind in newest}
        if set(newest) == {COMPARED}:
            contacts += 1  # the newest alone
        elif newest.keys() & {HEARD, TAUGHT}:
            contacts += known.contacts
    return (
        min(stamps),
        sorted(kinds, key=lambda kind: _ORDER.index(kind) if kind in _ORDER else len(_ORDER)),
        contacts,
    )
