"""Predicates as facts of CLIPS, and of the CLIPS-Executive where its PDDL templates are loaded.

    environment.build(templates())
    for text in assertions(client.facts()):
        environment.eval(text)

Rules of one's own look at `(foley-predicate (name ...) (arguments ...) (state TRUE|FALSE|UNKNOWN) ...)`. What is TRUE
:func:`domain_facts` asserts as the `domain-fact` of ROS 2 CLIPS-Executive's PDDL plugin as well. Its closed world has
no third value: a rule that rests on a missing `domain-fact` has to look at `foley-predicate` too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from foley_common.predicate_view import Description, Fact, State

TEMPLATE = "foley-predicate"
_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/-]*")
_STATES = {State.TRUE: "TRUE", State.FALSE: "FALSE", State.UNKNOWN: "UNKNOWN"}


def templates() -> str:
    """The template of :func:`assertions`. `valid-until` is ROS time [s]; `probability` is -1 where nothing is known."""
    return f"""(deftemplate {TEMPLATE}
  "A predicate of Foley. After valid-until [s, ROS time] read the state as UNKNOWN."
  (slot name (type SYMBOL))
  (multislot arguments)
  (slot state (type SYMBOL) (allowed-values TRUE FALSE UNKNOWN) (default UNKNOWN))
  (slot probability (type FLOAT) (default -1.0))
  (slot valid-until (type FLOAT) (default 0.0)))
"""


def retraction() -> str:
    """What takes back all that an earlier snapshot asserted: a snapshot replaces the one before it."""
    return f"(do-for-all-facts ((?f {TEMPLATE})) TRUE (retract ?f))"


def assertions(facts: Iterable[Fact]) -> tuple[str, ...]:
    """`(assert ...)` for each fact, in the state that it has now."""
    return tuple(f"(assert {_own(fact)})" for fact in facts)


def deffacts(facts: Iterable[Fact], *, name: str = "foley-predicates") -> str:
    """All of them for a file, which `(reset)` asserts."""
    return "\n".join([f"(deffacts {name}", *(f"  {_own(fact)}" for fact in facts), ")", ""])


def domain_facts(facts: Iterable[Fact], descriptions: Iterable[Description] = ()) -> tuple[str, ...]:
    """`(assert ...)` with the templates of CLIPS-Executive's PDDL plugin: sensed predicates, and what is TRUE."""
    found = []
    for one in descriptions:
        names, types = (" ".join(map(_value, values)) for values in (one.parameters, one.parameter_types))
        slots = f"(name {_value(one.name)}) (sensed TRUE) (param-names {names}) (param-types {types})"
        found.append(f"(assert (domain-predicate {slots}))")
    found += [
        f"(assert (domain-fact (name {_value(fact.name)}) (param-values {' '.join(map(_value, fact.arguments))})))"
        for fact in facts
        if fact.state is State.TRUE
    ]
    return tuple(found)


def _own(fact: Fact) -> str:
    probability = -1.0 if math.isnan(fact.probability) else fact.probability
    slots = {
        "name": _value(fact.name),
        "arguments": " ".join(map(_value, fact.arguments)),
        "state": _STATES[fact.state],
        "probability": f"{probability:.6f}",
        "valid-until": f"{fact.valid_until_ns / 1e9:.9f}",
    }
    return f"({TEMPLATE} {' '.join(f'({slot} {value})' for slot, value in slots.items())})"


def _value(text: str) -> str:
    """A symbol where a name can be one, else a string: an object that is called `mug 1` stays it."""
    if _SYMBOL.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
