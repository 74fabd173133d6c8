"""PDDL out of predicates, and what of somebody's PDDL Foley can find out.

PDDL's closed world takes what is not said for false, and "not touched yet" for "not metal". Three ways out:

| ``Unknown`` | `:init` of an UNKNOWN `p(x)` | for |
| --- | --- | --- |
| ``LITERAL`` | `(unknown_p x)` | classical planners: what needs `(p ?x)` or its negation needs `(not (unknown_p ?x))` |
| ``CONTINGENT`` | `(unknown (p x))` | planners that read `:observe` and `unknown` |
| ``FALSE`` | nothing | who has thought about it |

A predicate that nothing can observe is as UNKNOWN as any other.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from foley_bringup.planners.optional import needed
from foley_bringup.planners.symbols import RESERVED, symbols
from foley_common.predicate_view import Description, Fact, State

UNKNOWN_PREFIX = "unknown_"
OBSERVE_PREFIX = "observe_"


class Unknown(enum.Enum):
    """How PDDL says that it cannot be told."""

    LITERAL = "literal"
    CONTINGENT = "contingent"
    FALSE = "false"


@dataclasses.dataclass(frozen=True)
class Observability:
    """What Foley can tell of a domain's predicates."""

    observable: tuple[str, ...]  # an action brings evidence
    told: tuple[str, ...]  # known of by Foley, but by no action
    other_arity: tuple[str, ...]  # of Foley's name, with another number of arguments: a mistake
    unheard_of: tuple[str, ...]  # the planner's own affair


def domain(
    descriptions: Sequence[Description], *, name: str = "foley", unknown: Unknown = Unknown.LITERAL
) -> str:
    """A domain of types, predicates and sensing actions, to which a planner adds the actions of its robot.

    A sensing action stands for ``Observe``. With ``LITERAL`` it is an action for either outcome, of which the planner
    takes the one that it hopes for, and plans again where it was not so.

    Raises:
        ValueError: a predicate has a name that PDDL, or this domain, has for something else.
    """
    _check_names(descriptions, unknown)
    types = sorted({t for d in descriptions for t in d.parameter_types} - {"object"})
    contingent = " :contingent" if unknown is Unknown.CONTINGENT else ""
    lines = [
        f"(define (domain {name})",
        f"  (:requirements :strips :typing :negative-preconditions{contingent})",
    ]
    lines += [f"  (:types {' '.join(types)} - object)"] if types else []
    lines += ["  (:predicates"]
    for one in descriptions:
        text = " ".join(one.text.split())  # a comment ends with its line
        lines.append(f"    ({_typed(one, one.name)}){'  ; ' + text if text else ''}")
        if unknown is Unknown.LITERAL:
            lines.append(f"    ({_typed(one, UNKNOWN_PREFIX + one.name)})")
    lines.append("  )")
    for one in descriptions:
        if one.observed_by:
            lines += _sensing(one, unknown)
    return "\n".join([*lines, ")", ""])


def problem(
    facts: Iterable[Fact],
    *,
    objects: Iterable[str] = (),
    goal: str = "(and)",
    init: Iterable[str] = (),
    unknown: Unknown = Unknown.LITERAL,
    types: Mapping[str, str] | None = None,
    descriptions: Sequence[Description] = (),
    name: str = "now",
    domain_name: str = "foley",
) -> str:
    """A problem out of what is known now.

    Args:
        facts: as of now: ``PredicateClient.facts()``. Their objects are the problem's.
        objects: further ones. Of each, every predicate of one argument in ``descriptions`` that no fact is about is
            UNKNOWN.
        goal: and ``init``, further atoms: PDDL, with objects as :func:`names` has them.
        types: of objects; `object` of those that it does not name.
    """
    facts = tuple(facts)
    everything = names(facts, objects)
    lines = [f"(define (problem {name})", f"  (:domain {domain_name})", "  (:objects"]
    of_type = types or {}
    lines += [f"    {symbol} - {of_type.get(thing, 'object')}" for thing, symbol in everything.items()]
    lines += ["  )", "  (:init"]
    lines += [f"    {atom}" for atom in init]
    told = {(fact.name, fact.arguments) for fact in facts}
    untold = (
        Fact(one.name, (thing,), State.UNKNOWN)
        for one in descriptions
        for thing in everything
        if len(one.parameters) == 1 and (one.name, (thing,)) not in told
    )
    for fact in (*facts, *untold):
        atom = " ".join((fact.name, *(everything[thing] for thing in fact.arguments)))
        if fact.state is State.TRUE:
            lines.append(f"    ({atom})")
        elif fact.state is State.UNKNOWN and unknown is Unknown.LITERAL:
            lines.append(f"    ({UNKNOWN_PREFIX}{atom})")
        elif fact.state is State.UNKNOWN and unknown is Unknown.CONTINGENT:
            lines.append(f"    (unknown ({atom}))")
    return "\n".join([*lines, "  )", f"  (:goal {goal})", ")", ""])


def names(facts: Iterable[Fact], objects: Iterable[str] = ()) -> Mapping[str, str]:
    """The symbol of each object in a problem; sorted by symbol."""
    found = symbols((*objects, *(argument for fact in facts for argument in fact.arguments)))
    return dict(sorted(found.items(), key=lambda item: item[1]))


def observability(domain_text: str, descriptions: Iterable[Description]) -> Observability:
    """Read somebody's domain (with unified-planning's reader): which of its predicates Foley can find out.

    Raises:
        PlannerMissingError: unified-planning is not installed.
        ValueError: it is no domain that this reader reads.
    """
    known = {one.name: one for one in descriptions}
    kinds: dict[str, list[str]] = {"observable": [], "told": [], "other_arity": [], "unheard_of": []}
    for fluent in _read(domain_text).fluents:
        one = known.get(fluent.name)
        if one is None:
            kinds["unheard_of"].append(fluent.name)
        elif len(one.parameters) != fluent.arity:
            kinds["other_arity"].append(fluent.name)
        else:
            kinds["observable" if one.observed_by else "told"].append(fluent.name)
    return Observability(**{kind: tuple(sorted(found)) for kind, found in kinds.items()})


def wanted(domain_text: str, problem_text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The ground atoms in a problem's goal, sorted: what had better be known. Raises as :func:`observability`."""
    read = _read(domain_text, problem_text)
    atoms = {
        (atom.fluent().name, tuple(str(argument) for argument in atom.args))
        for goal in read.goals
        for atom in read.environment.free_vars_extractor.get(goal)
    }
    return tuple(sorted(atoms))


def _read(domain_text: str, problem_text: str | None = None) -> Any:
    reader = needed("unified_planning.io").PDDLReader()
    try:
        return reader.parse_problem_string(domain_text, problem_text)
    except Exception as error:
        raise ValueError(f"PDDL cannot be read: {type(error).__name__}: {error}") from error


def _check_names(descriptions: Sequence[Description], unknown: Unknown) -> None:
    ours = {UNKNOWN_PREFIX + one.name for one in descriptions} if unknown is Unknown.LITERAL else set()
    for one in descriptions:
        if one.name in RESERVED or one.name in ours:
            raise ValueError(
                f"a predicate is called `{one.name}`, which means something else in PDDL: give it another name, or "
                "remove it (`foley predicate remove`)"
            )


def _typed(one: Description, name: str) -> str:
    arguments = (f"?{p} - {t}" for p, t in zip(one.parameters, one.parameter_types, strict=True))
    return " ".join((name, *arguments))


def _sensing(one: Description, unknown: Unknown) -> list[str]:
    parameters = _typed(one, "").strip()
    atom = " ".join((one.name, *(f"?{p}" for p in one.parameters)))
    head = OBSERVE_PREFIX + one.name
    comment = f"  ; by {', '.join(one.observed_by)}"
    if unknown is not Unknown.LITERAL:
        return [f"  (:action {head}{comment}", f"    :parameters ({parameters})", f"    :observe ({atom}))"]
    lines = []
    for outcome, effect in (("true", f"({atom})"), ("false", f"(not ({atom}))")):
        lines += [
            f"  (:action {head}_{outcome}{comment}",
            f"    :parameters ({parameters})",
            f"    :precondition ({UNKNOWN_PREFIX}{atom})",
            f"    :effect (and {effect} (not ({UNKNOWN_PREFIX}{atom}))))",
        ]
    return lines
