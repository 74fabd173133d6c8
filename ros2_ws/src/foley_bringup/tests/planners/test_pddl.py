"""PDDL as a reader of somebody else reads it: what is UNKNOWN is not false, and what Foley can find out."""

from __future__ import annotations

import pytest

from foley_bringup.planners import pddl
from foley_bringup.planners.optional import PlannerMissingError
from foley_bringup.planners.pddl import Unknown
from foley_bringup.planners.symbols import symbols
from foley_common.predicate_view import Description, Fact, State

METAL = Description("is_made_of_metal", text="Metal.", observed_by=("tap",))
HOLLOW = Description("is_hollow")
INSIDE = Description("rattles_in", ("x", "y"), ("object", "container"), observed_by=("tap", "shake"))
FACTS = (
    Fact("is_made_of_metal", ("Mug 1",), State.TRUE),
    Fact("is_made_of_metal", ("mug_1",), State.FALSE),
    Fact("is_made_of_metal", ("7up",), State.UNKNOWN),
    Fact("rattles_in", ("7up", "box"), State.TRUE),
)


def read(domain: str, problem: str | None = None):  # type: ignore[no-untyped-def]
    return pytest.importorskip("unified_planning.io").PDDLReader().parse_problem_string(domain, problem)


def initially_true(problem) -> set[str]:  # type: ignore[no-untyped-def]
    return {str(atom) for atom, value in problem.initial_values.items() if value.is_true()}


def test_names_of_objects_that_are_none() -> None:
    found = symbols(["Mug 1", "mug_1", "MUG 1", "7up", "object", "teapot-2"])
    assert found["mug_1"] == "mug_1" and found["teapot-2"] == "teapot-2", "what is a symbol stays"
    assert {found["Mug 1"], found["MUG 1"]} == {"mug_1_2", "mug_1_3"}
    assert found["7up"] == "o_7up" and found["object"] == "o_object"
    assert symbols(reversed(list(found))) == found


def test_names_that_pddl_has_for_something_else_and_texts_of_several_lines() -> None:
    for bad in (Description("and"), Description("unknown_is_hollow")):
        with pytest.raises(ValueError, match=rf"a predicate is called `{bad.name}`.*another name"):
            pddl.domain([HOLLOW, bad])
    assert "(unknown_is_hollow ?x" in pddl.domain([Description("unknown_is_hollow")], unknown=Unknown.FALSE)
    made = read(pddl.domain([Description("is_full", text="Water (or grain)\n) is in it.")]))
    assert {fluent.name for fluent in made.fluents} == {"is_full", "unknown_is_full"}


def test_unknown_is_a_literal_of_its_own() -> None:
    domain = pddl.domain([METAL, HOLLOW, INSIDE])
    made = read(domain, pddl.problem(FACTS, types={"box": "container"}, goal="(is_made_of_metal o_7up)"))
    assert initially_true(made) == {
        "is_made_of_metal(mug_1_2)",
        "unknown_is_made_of_metal(o_7up)",
        "rattles_in(o_7up, box)",
    }
    assert {a.name for a in made.actions} == {
        "observe_is_made_of_metal_true",
        "observe_is_made_of_metal_false",
        "observe_rattles_in_true",
        "observe_rattles_in_false",
    }
    sensing = made.action("observe_is_made_of_metal_false")
    assert [str(p) for p in sensing.preconditions] == ["unknown_is_made_of_metal(x)"]
    assert {str(e) for e in sensing.effects} == {
        "is_made_of_metal(x) := false",
        "unknown_is_made_of_metal(x) := false",
    }


def test_contingent_planners_get_sensing_actions_and_hidden_fluents() -> None:
    made = read(
        pddl.domain([METAL], unknown=Unknown.CONTINGENT),
        pddl.problem(FACTS[:3], unknown=Unknown.CONTINGENT),
    )
    (sensing,) = made.actions
    assert type(sensing).__name__ == "SensingAction"
    assert [str(f) for f in sensing.observed_fluents] == ["is_made_of_metal(x)"]
    assert {str(f) for f in made.hidden_fluents} == {
        "is_made_of_metal(o_7up)",
        "(not is_made_of_metal(o_7up))",
    }
    assert initially_true(made) == {"is_made_of_metal(mug_1_2)"}


def test_a_closed_world_only_for_who_asks_for_it() -> None:
    made = read(pddl.domain([METAL], unknown=Unknown.FALSE), pddl.problem(FACTS[:3], unknown=Unknown.FALSE))
    assert initially_true(made) == {"is_made_of_metal(mug_1_2)"} and "unknown" not in str(made)


def test_objects_of_which_nothing_is_said_are_unknown() -> None:
    text = pddl.problem(FACTS[:1], objects=["cup"], descriptions=[METAL, HOLLOW, INSIDE])
    made = read(pddl.domain([METAL, HOLLOW, INSIDE]), text)
    assert initially_true(made) == {
        "is_made_of_metal(mug_1)",
        "unknown_is_made_of_metal(cup)",
        "unknown_is_hollow(cup)",
        "unknown_is_hollow(mug_1)",
    }


DOMAIN = """(define (domain kitchen)
  (:requirements :strips :typing :negative-preconditions)
  (:predicates (is_made_of_metal ?x - object) (is_hollow ?x ?y - object) (rattles_in ?x ?y - object)
    (clean ?x - object))
  (:action wash :parameters (?x - object) :precondition (not (clean ?x)) :effect (clean ?x)))"""


def test_what_foley_can_tell_of_somebodys_domain() -> None:
    pytest.importorskip("unified_planning")
    told = pddl.observability(DOMAIN, [METAL, HOLLOW, Description("rattles_in", ("x", "y"), ("object",) * 2)])
    assert told.observable == ("is_made_of_metal",)
    assert told.told == ("rattles_in",), "known of, but by no action"
    assert told.other_arity == ("is_hollow",)
    assert told.unheard_of == ("clean",)


def test_what_a_goal_rests_on() -> None:
    pytest.importorskip("unified_planning")
    problem = """(define (problem p) (:domain kitchen) (:objects mug cup - object) (:init (clean cup))
      (:goal (and (not (is_made_of_metal mug)) (or (clean mug) (is_made_of_metal cup)))))"""
    assert pddl.wanted(DOMAIN, problem) == (
        ("clean", ("mug",)),
        ("is_made_of_metal", ("cup",)),
        ("is_made_of_metal", ("mug",)),
    )


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("unified_planning")
    with pytest.raises(ValueError, match="cannot be read"):
        pddl.observability("(define (domain", [METAL])
    monkeypatch.setitem(__import__("sys").modules, "unified_planning.io", None)
    with pytest.raises(PlannerMissingError, match=r"requirements/planning\.txt"):
        pddl.observability(DOMAIN, [METAL])
