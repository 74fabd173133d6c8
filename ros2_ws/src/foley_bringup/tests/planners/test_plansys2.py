"""Which calls bring a problem to what is known, in an order in which it is never too sure."""

from __future__ import annotations

import dataclasses

import pytest

from foley_bringup.planners.plansys2 import Atom, Service, Write, writes
from foley_common.predicate_view import Fact, State

DOMAIN = {
    "is_made_of_metal": ("thing",),
    "unknown_is_made_of_metal": ("thing",),
    "is_hollow": ("thing",),
    "robot_at": ("thing",),
}
METAL = Fact("is_made_of_metal", ("Mug 1",), State.TRUE)
FALSE, UNKNOWN = (dataclasses.replace(METAL, state=state) for state in (State.FALSE, State.UNKNOWN))
HELD = {"p": ("is_made_of_metal", ("mug_1",)), "?p": ("unknown_is_made_of_metal", ("mug_1",))}


def told(facts: list[Fact], *held: str) -> list[str]:
    found = writes(facts, DOMAIN, {"mug_1"}, [HELD[h] for h in held], owned=["is_made_of_metal"])
    short = {"is_made_of_metal": "p", "unknown_is_made_of_metal": "?p"}
    sign = {Service.ADD_PREDICATE: "+", Service.REMOVE_PREDICATE: "-"}
    assert not found.troubles
    return [sign[w.service] + short[w.name] for w in found.writes]


@pytest.mark.parametrize(
    ("facts", "held", "expected"),
    [
        ([METAL], (), ["+p"]),
        ([METAL], ("p",), []),
        ([METAL], ("?p",), ["+p", "-?p"]),
        ([UNKNOWN], ("p",), ["+?p", "-p"]),
        ([UNKNOWN], (), ["+?p"]),
        ([FALSE], ("p",), ["-p"]),
        ([FALSE], ("?p",), ["-?p"]),
        ([FALSE], (), []),
        ([], ("p",), ["+?p", "-p"]),  # the publisher is gone
        ([], ("?p",), []),
        ([], (), []),
    ],
)
def test_calls(facts: list[Fact], held: tuple[str, ...], expected: list[str]) -> None:
    assert told(facts, *held) == expected


@pytest.mark.parametrize("before", [(), ("p",), ("?p",)])
@pytest.mark.parametrize("fact", [METAL, FALSE, UNKNOWN])
def test_no_state_in_between_says_more_than_was_or_is_known(fact: Fact, before: tuple[str, ...]) -> None:
    """Each state on the way, read as `unknown_p` first and p then, is that before, that after, or UNKNOWN."""

    def read(held: set[str]) -> str:
        return "?" if "?p" in held else "TRUE" if "p" in held else "FALSE"

    held = set(before)
    seen = [read(held)]
    for call in told([fact], *before):
        (held.add if call[0] == "+" else held.discard)(call[1:])
        seen.append(read(held))
    assert seen[-1] == {State.TRUE: "TRUE", State.FALSE: "FALSE", State.UNKNOWN: "?"}[fact.state]
    assert {*seen} <= {seen[0], seen[-1], "?"}


def test_instances_come_first_and_nothing_of_others_is_touched() -> None:
    others: list[Atom] = [("robot_at", ("dock",)), ("is_hollow", ("vase",))]
    found = writes([METAL, Fact("was_hit", ("Mug 1",), State.TRUE)], DOMAIN, (), others)
    assert found.writes == (
        Write(Service.ADD_INSTANCE, "mug_1", (), ("thing",)),
        Write(Service.ADD_PREDICATE, "is_made_of_metal", ("mug_1",), ("thing",)),
    )


def test_what_the_domain_cannot_say_is_told() -> None:
    hollow = Fact("is_hollow", ("mug",), State.UNKNOWN)
    inside = Fact("robot_at", ("mug", "box"), State.TRUE)
    found = writes([hollow, inside], DOMAIN, ["mug"], [("is_hollow", ("mug",))])
    assert [str(w) for w in found.writes] == ["remove_problem_predicate is_hollow mug"]
    assert "no predicate unknown_is_hollow" in found.troubles[0]
    assert "robot_at(mug, box) has 2 arguments, in the domain 1" in found.troubles[-1]
