"""What a planner may believe of the snapshots of predicates that it receives: TRUE, FALSE, or that it cannot be told.

Snapshots are plain data, so that nothing here needs ROS; ``foley_ros.predicate_client`` makes them of messages::

    view = PredicateView()
    view.take(snapshot, now_ns)
    view.holds("is_made_of_metal", "mug", now_ns=now_ns)  # True, False, or None

None is all that is not known: no snapshot, nothing said of this object, UNKNOWN, a lease that ended, evidence that is
too old or too weak for the question, a publisher that is gone, a clock that was set back. A TRUE is never older than
its lease.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Iterator, Mapping

from foley_common.times import NS_PER_S

CLOCKS_APART_NS = NS_PER_S
"""By which a snapshot's stamp may lie after now: clocks of two machines. Further, and time was set back."""


class State(enum.IntEnum):
    """The states of a predicate: constants of foley_msgs/Predicate."""

    UNKNOWN = 0
    TRUE = 1
    FALSE = 2


@dataclasses.dataclass(frozen=True)
class Fact:
    """One predicate about its arguments as a snapshot has it: the fields of foley_msgs/Predicate."""

    name: str
    arguments: tuple[str, ...]
    state: State
    probability: float = math.nan  # that it holds; NaN: no evidence
    newest_evidence_ns: int = 0  # 0: none
    valid_until_ns: int = 0
    evidence: str = ""
    contacts: int = 0
    calibration_id: str = ""

    @property
    def confidence(self) -> float:
        """Of its state: the probability of a TRUE, its complement of a FALSE, NaN otherwise."""
        if self.state is State.UNKNOWN:
            return math.nan
        return self.probability if self.state is State.TRUE else 1 - self.probability

    def state_at(self, now_ns: int, *, least_confidence: float = 0.0, greatest_age_s: float = 0.0) -> State:
        """UNKNOWN after its lease, or where it is less sure or older than was asked for (0: any)."""
        if self.state is State.UNKNOWN or now_ns > self.valid_until_ns:
            return State.UNKNOWN
        if least_confidence > 0 and not self.confidence >= least_confidence:
            return State.UNKNOWN
        if greatest_age_s > 0 and not 0 < self.newest_evidence_ns >= now_ns - greatest_age_s * NS_PER_S:
            return State.UNKNOWN
        return self.state

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.arguments)})"


@dataclasses.dataclass(frozen=True)
class Description:
    """What one predicate is, and how it becomes known: the fields of foley_msgs/PredicateDescription."""

    name: str
    parameters: tuple[str, ...] = ("x",)
    parameter_types: tuple[str, ...] = ("object",)
    text: str = ""
    expression: str = ""
    observed_by: tuple[str, ...] = ()  # actions; empty: nothing that a robot does brings evidence of it
    observation_cost_s: float = math.nan
    true_above: float = math.nan
    false_below: float = math.nan
    lifetime_s: float = math.nan
    taught: bool = False
    calibration_id: str = ""

    def __post_init__(self) -> None:
        if len(self.parameters) != len(self.parameter_types):
            raise ValueError(
                f"predicate `{self.name}` has {len(self.parameters)} parameters and "
                f"{len(self.parameter_types)} parameter_types: each parameter has one type"
            )


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """All predicates at one time; what is not among them is UNKNOWN.

    Raises:
        ValueError: a predicate is told twice of the same arguments.
    """

    sequence: int  # from 1 at every start of the publisher
    stamp_ns: int
    facts: tuple[Fact, ...]

    def __post_init__(self) -> None:
        if len(self.by_key) < len(self.facts):
            told = [str(fact) for fact in self.facts]
            twice = sorted({text for text in told if told.count(text) > 1})
            raise ValueError(f"the snapshot tells {', '.join(twice)} twice: of which is its publisher sure?")

    @property
    def by_key(self) -> dict[tuple[str, tuple[str, ...]], Fact]:
        return {(fact.name, fact.arguments): fact for fact in self.facts}

    @property
    def objects(self) -> tuple[str, ...]:
        """Every object that is an argument, sorted."""
        return tuple(sorted({argument for fact in self.facts for argument in fact.arguments}))


class PredicateView:
    """The newest snapshot, and what of it holds now.

    The snapshot is replaced as a whole, so that other threads may ask while one takes.

    Attributes:
        restarts: how often a snapshot began to count anew: its publisher was started again.
        ignored: snapshots that were older than the one that is held.
    """

    def __init__(self) -> None:
        self.restarts = 0
        self.ignored = 0
        self._held: tuple[Snapshot, Mapping[tuple[str, tuple[str, ...]], Fact]] | None = None

    @property
    def snapshot(self) -> Snapshot | None:
        """As it came: its states may be over; :meth:`facts` are as of now."""
        held = self._held
        return held[0] if held else None

    def take(self, snapshot: Snapshot, now_ns: int) -> bool:
        """Hold a snapshot, unless it is older than the one that is held. Whether it is held now.

        A number that is not greater is of a publisher that was started again if it is later by its stamp, or if the
        clock was set back; otherwise it is an old message.
        """
        held = self.snapshot
        if held is not None and (snapshot.stamp_ns, snapshot.sequence) <= (held.stamp_ns, held.sequence):
            set_back = held.stamp_ns > now_ns + CLOCKS_APART_NS >= snapshot.stamp_ns
            if not set_back:
                self.ignored += 1
                return False
        if held is not None and snapshot.sequence <= held.sequence:
            self.restarts += 1
        self._held = snapshot, snapshot.by_key
        return True

    def lost(self) -> None:
        """The publisher is gone: nothing is known until a snapshot comes."""
        self._held = None

    def fact(self, name: str, *arguments: str) -> Fact | None:
        """As the newest snapshot tells it, whether or not that is over."""
        held = self._held
        return held[1].get((name, arguments)) if held else None

    def state(
        self,
        name: str,
        *arguments: str,
        now_ns: int,
        least_confidence: float = 0.0,
        greatest_age_s: float = 0.0,
    ) -> State:
        """As of now; UNKNOWN where it is less sure or its evidence is older than was asked for (0: any)."""
        held = self._held
        found = held[1].get((name, arguments)) if held else None
        if held is None or found is None or held[0].stamp_ns > now_ns + CLOCKS_APART_NS:
            return State.UNKNOWN
        return found.state_at(now_ns, least_confidence=least_confidence, greatest_age_s=greatest_age_s)

    def holds(
        self,
        name: str,
        *arguments: str,
        now_ns: int,
        least_confidence: float = 0.0,
        greatest_age_s: float = 0.0,
    ) -> bool | None:
        """:meth:`state` as True, False, or None for what cannot be told."""
        found = self.state(
            name,
            *arguments,
            now_ns=now_ns,
            least_confidence=least_confidence,
            greatest_age_s=greatest_age_s,
        )
        return None if found is State.UNKNOWN else found is State.TRUE

    def facts(self, now_ns: int) -> Iterator[Fact]:
        """All of the newest snapshot, each in the state that it has now."""
        held = self.snapshot
        for fact in held.facts if held else ():
            now = self.state(fact.name, *fact.arguments, now_ns=now_ns)
            yield fact if now is fact.state else dataclasses.replace(fact, state=now)

    def trouble(self, now_ns: int) -> str:
        """Why nothing is known, with the cure; empty where something may be."""
        held = self.snapshot
        if held is None:
            return "no snapshot of predicates: is `material` active (`foley up`), and is this its namespace and domain?"
        ahead_s = (held.stamp_ns - now_ns) / NS_PER_S
        if held.stamp_ns > now_ns + CLOCKS_APART_NS:
            return (
                f"the newest snapshot is stamped {ahead_s:.1f} s after now: let planner and `material` have one clock "
                "(use_sim_time, NTP)"
            )
        known = [fact for fact in held.facts if fact.state is not State.UNKNOWN]
        if known and all(fact.state_at(now_ns) is State.UNKNOWN for fact in known):
            return (
                f"every lease of the newest snapshot, {-ahead_s:.1f} s old, is over: `material` is gone or hangs, or "
                "its clock is behind (NTP)"
            )
        return ""
