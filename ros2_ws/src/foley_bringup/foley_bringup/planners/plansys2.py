"""What PlanSys2's problem expert has to be told so that it believes what Foley does.

The problem expert holds instances and predicates without probability, lease or third value: what it does not hold is
false. UNKNOWN is therefore a predicate of its own, `unknown_p`, of the domain, which actions need to be false
(:mod:`foley_bringup.planners.pddl` writes such a domain). The order of writes keeps every state in between cautious: an
atom is `unknown` before it ceases to be true, and is no longer so only when all is said.

:mod:`foley_bringup.ros.plansys2` calls the services.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Collection, Iterable, Mapping

from foley_bringup.planners.pddl import UNKNOWN_PREFIX
from foley_bringup.planners.symbols import symbols
from foley_common.predicate_view import Fact, State

Atom = tuple[str, tuple[str, ...]]


class Service(enum.Enum):
    """By their names below `problem_expert/`."""

    ADD_INSTANCE = "add_problem_instance"
    ADD_PREDICATE = "add_problem_predicate"
    REMOVE_PREDICATE = "remove_problem_predicate"


@dataclasses.dataclass(frozen=True)
class Write:
    """One call."""

    service: Service
    name: str  # of an instance, or a predicate
    arguments: tuple[str, ...] = ()  # instances
    types: tuple[str, ...] = ()  # of the instance, or of the arguments

    def __str__(self) -> str:
        return f"{self.service.value} {' '.join((self.name, *self.arguments))}"


@dataclasses.dataclass(frozen=True)
class Writes:
    """What is to be told, in this order, and what cannot be."""

    writes: tuple[Write, ...]
    troubles: tuple[str, ...] = ()


def writes(
    facts: Iterable[Fact],
    domain: Mapping[str, tuple[str, ...]],
    instances: Collection[str],
    predicates: Collection[Atom],
    *,
    owned: Collection[str] = (),
) -> Writes:
    """The calls that bring the problem to what is known now; none where it is so.

    Only predicates of the domain are told, and only what is Foley's is taken away: predicates of the domain that
    ``facts`` or ``owned`` name, whoever added them. Instances are added where they are needed, and never removed.

    Args:
        facts: as of now: ``PredicateClient.facts()``.
        domain: predicates of PlanSys2's domain -> types of their arguments.
        instances: that the problem has.
        predicates: that the problem has.
        owned: names of Foley's predicates, also such that no fact is about at present.
    """
    facts = tuple(facts)
    names = symbols(argument for fact in facts for argument in fact.arguments)
    ours = {name for name in (*owned, *(fact.name for fact in facts)) if name in domain}
    troubles = [
        f"the domain has no predicate {UNKNOWN_PREFIX}{name}: its planner takes an UNKNOWN {name} for false; add it, "
        f"and need it to be false where {name} or its negation is needed"
        for name in sorted(ours)
        if UNKNOWN_PREFIX + name not in domain
    ]
    wanted: set[Atom] = set()
    for fact in facts:
        if fact.name not in ours:
            continue
        if len(fact.arguments) != len(domain[fact.name]):
            troubles.append(
                f"{fact} has {len(fact.arguments)} arguments, in the domain {len(domain[fact.name])}"
            )
            continue
        arguments = tuple(names[argument] for argument in fact.arguments)
        if fact.state is State.TRUE:
            wanted.add((fact.name, arguments))
        elif fact.state is State.UNKNOWN and UNKNOWN_PREFIX + fact.name in domain:
            wanted.add((UNKNOWN_PREFIX + fact.name, arguments))
    mine = ours | {UNKNOWN_PREFIX + name for name in ours}
    held = {atom for atom in predicates if atom[0] in mine}
    # An atom that nobody speaks of any more, as of a publisher that is gone, is UNKNOWN as well.
    told = {(name.removeprefix(UNKNOWN_PREFIX), arguments) for name, arguments in wanted}
    false = {(f.name, tuple(names[a] for a in f.arguments)) for f in facts if f.state is State.FALSE}
    for name, arguments in held:
        plain = (name.removeprefix(UNKNOWN_PREFIX), arguments)
        if plain not in told | false and UNKNOWN_PREFIX + plain[0] in domain:
            wanted.add((UNKNOWN_PREFIX + plain[0], arguments))

    def predicate(service: Service, atoms: Iterable[Atom]) -> list[Write]:
        return [Write(service, name, arguments, domain[name]) for name, arguments in sorted(atoms)]

    def unknown(atoms: Iterable[Atom], yes: bool) -> set[Atom]:
        return {atom for atom in atoms if atom[0].startswith(UNKNOWN_PREFIX) == yes}

    new, gone = wanted - held, held - wanted
    missing = {
        argument: kind
        for name, arguments in sorted(wanted)
        for argument, kind in zip(arguments, domain[name], strict=True)
        if argument not in instances
    }
    return Writes(
        (
            *(Write(Service.ADD_INSTANCE, name, (), (kind,)) for name, kind in sorted(missing.items())),
            *predicate(Service.ADD_PREDICATE, unknown(new, True)),
            *predicate(Service.REMOVE_PREDICATE, unknown(gone, False)),
            *predicate(Service.ADD_PREDICATE, unknown(new, False)),
            *predicate(Service.REMOVE_PREDICATE, unknown(gone, True)),
        ),
        tuple(troubles),
    )
