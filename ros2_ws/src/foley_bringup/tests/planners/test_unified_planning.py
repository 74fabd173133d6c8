"""A real planner: what is not known is observed first, and nothing is grasped on a hope."""

from __future__ import annotations

from typing import Any

import pytest

from foley_bringup.planners.replanning import ReplanningLoop
from foley_bringup.planners.unified_planning import (
    PlanningError,
    contingent_problem,
    determinise,
    plan,
)
from foley_common.predicate_view import Description, Fact, State

shortcuts = pytest.importorskip("unified_planning.shortcuts")
model = pytest.importorskip("unified_planning.model")
pytest.importorskip("up_pyperplan")

METAL = Description("is_made_of_metal", observed_by=("tap",), observation_cost_s=4.0)


def sorting(*objects: str, near: bool = False) -> Any:
    """Metal goes into one bin, the rest into another; with ``near`` the robot has to be there to sense."""
    thing = shortcuts.UserType("thing")
    metal = shortcuts.Fluent("is_made_of_metal", shortcuts.BoolType(), x=thing)
    sorted_ = shortcuts.Fluent("is_sorted", shortcuts.BoolType(), x=thing)
    problem = model.ContingentProblem("sorting") if near else shortcuts.Problem("sorting")
    for fluent in (metal, sorted_):
        problem.add_fluent(fluent, default_initial_value=False)
    problem.add_objects([shortcuts.Object(name, thing) for name in objects])
    for name, condition in (("to_metal", metal), ("to_rest", metal)):
        action = shortcuts.InstantaneousAction(name, x=thing)
        action.add_precondition(
            condition(action.x) if name == "to_metal" else shortcuts.Not(condition(action.x))
        )
        action.add_effect(sorted_(action.x), True)
        problem.add_action(action)
    if near:
        at = shortcuts.Fluent("robot_is_at", shortcuts.BoolType(), x=thing)
        problem.add_fluent(at, default_initial_value=False)
        go = shortcuts.InstantaneousAction("go", x=thing)
        go.add_effect(at(go.x), True)
        sense = model.SensingAction("knock", x=thing)
        sense.add_precondition(at(sense.x))
        sense.add_observed_fluent(metal(sense.x))
        problem.add_actions([go, sense])
    for one in problem.all_objects:
        problem.add_goal(sorted_(one))
    return problem


class World:
    """Objects that are or are not of metal, which only an observation tells; a wrong bin fails the test."""

    def __init__(self, **metal: bool | None) -> None:
        self.metal = metal
        self.known: dict[str, State] = {}
        self.log: list[str] = []

    def facts(self) -> list[Fact]:
        return [Fact("is_made_of_metal", (name,), state) for name, state in self.known.items()]

    def observe(self, predicate: str, arguments: tuple[str, ...]) -> None:
        (name,) = arguments
        self.log.append(f"observe {name}")
        truth = self.metal[name]
        self.known[name] = State.UNKNOWN if truth is None else State.TRUE if truth else State.FALSE

    def act(self, action: str, arguments: tuple[str, ...]) -> bool:
        (name,) = arguments
        self.log.append(f"{action} {name}")
        if action.startswith("to_"):
            assert self.known[name] is not State.UNKNOWN, f"{name} was sorted on a hope"
            assert self.metal[name] is (action == "to_metal"), f"{name} into the wrong bin"
        return True

    def loop(self, problem: Any, **how: Any) -> ReplanningLoop:
        return ReplanningLoop(problem, [METAL], facts=self.facts, act=self.act, observe=self.observe, **how)


def test_what_is_known_is_taken_and_what_is_not_is_hidden_and_sensed() -> None:
    facts = [
        Fact("is_made_of_metal", ("mug",), State.TRUE),
        Fact("is_made_of_metal", ("cup",), State.FALSE),
        Fact("is_hollow", ("mug",), State.TRUE),
    ]
    made = contingent_problem(sorting("mug", "cup", "can"), [METAL, Description("is_hollow")], facts)
    metal = made.fluent("is_made_of_metal")
    value = {name: made.initial_value(metal(made.object(name))).is_true() for name in ("mug", "cup", "can")}
    assert value == {"mug": True, "cup": False, "can": False}
    assert {str(f) for f in made.hidden_fluents} == {"is_made_of_metal(can)", "(not is_made_of_metal(can))"}
    assert "CONTINGENT" in made.kind.features
    assert [a.name for a in made.sensing_actions] == ["observe_is_made_of_metal"]


def test_a_plan_observes_before_it_rests_on_something() -> None:
    made = contingent_problem(sorting("mug"), [METAL], [])
    steps = plan(determinise(made))
    assert steps is not None and len(steps) == 2
    assert steps[0].name == "observe_is_made_of_metal" and steps[0].senses == ("is_made_of_metal", ("mug",))
    assert steps[1].name == ("to_metal" if steps[0].hoped else "to_rest")
    known = contingent_problem(sorting("mug"), [METAL], [Fact("is_made_of_metal", ("mug",), State.FALSE)])
    (only,) = plan(determinise(known)) or ()
    assert (only.name, only.arguments, only.senses) == ("to_rest", ("mug",), None)
    assert plan(determinise(made, [("is_made_of_metal", ("mug",))])) is None, "it cannot be known"


@pytest.mark.parametrize("mug", [True, False])
@pytest.mark.parametrize("cup", [True, False])
def test_the_loop_reaches_the_goal_whatever_is_found(mug: bool, cup: bool) -> None:
    world = World(mug=mug, cup=cup)
    world.known["cup"] = State.TRUE if cup else State.FALSE
    outcome = world.loop(sorting("mug", "cup")).run()
    assert outcome.reached, outcome.why
    assert world.log.count("observe mug") == 1 and "observe cup" not in world.log, (
        "what is known is not touched"
    )
    assert outcome.observations == 1 and len(outcome.steps) == 3
    assert {entry for entry in world.log if entry.startswith("to_")} == {
        f"to_{'metal' if mug else 'rest'} mug",
        f"to_{'metal' if cup else 'rest'} cup",
    }


def test_sensing_actions_of_the_problems_own_and_their_preconditions() -> None:
    world = World(mug=False, cup=True)
    outcome = world.loop(sorting("mug", "cup", near=True)).run()
    assert outcome.reached, outcome.why
    for name in ("mug", "cup"):
        assert world.log.index(f"go {name}") < world.log.index(f"observe {name}")
    assert len([entry for entry in world.log if entry.startswith("go")]) == 2, "where it went it still is"
    assert {step.name for step in outcome.steps} == {"go", "knock", "to_metal", "to_rest"}


def test_what_stays_unknown_ends_the_loop() -> None:
    world = World(mug=None)
    outcome = world.loop(sorting("mug")).run()
    assert not outcome.reached and "observed in vain: is_made_of_metal(mug)" in outcome.why
    assert world.log == ["observe mug"] * 2


def test_a_true_that_ends_before_the_grasp_is_observed_again() -> None:
    world = World(mug=True, cup=True)
    world.known = {"mug": State.TRUE, "cup": State.TRUE}
    acted = world.act

    def act(action: str, arguments: tuple[str, ...]) -> bool:
        other = "cup" if arguments == ("mug",) else "mug"
        if f"to_metal {other}" not in world.log:
            world.known[other] = State.UNKNOWN  # its lease ends while the first is carried
        return acted(action, arguments)

    world.act = act  # type: ignore[method-assign]
    outcome = world.loop(sorting("mug", "cup")).run()
    assert outcome.reached and outcome.observations == 1 and outcome.plans == 3


def test_failures_are_bounded() -> None:
    world = World(mug=True)
    world.act = lambda action, arguments: False  # type: ignore[method-assign]
    outcome = world.loop(sorting("mug"), most_failures=2).run()
    assert not outcome.reached and "3 actions failed, the last one was to_metal(mug)" in outcome.why


def test_refusals() -> None:
    with pytest.raises(PlanningError, match="2 parameters"):
        contingent_problem(
            sorting("mug"), [Description("is_made_of_metal", ("x", "y"), ("object", "object"))], []
        )
    with pytest.raises(PlanningError, match=r"no engine `no_such`: .*planning.txt"):
        plan(determinise(contingent_problem(sorting("mug"), [METAL], [])), engine="no_such")
    several = sorting("mug", near=True)
    several.action("knock").add_observed_fluent(several.fluent("is_sorted")(several.action("knock").x))
    with pytest.raises(PlanningError, match="`knock` observes 2 fluents"):
        determinise(contingent_problem(several, [METAL], []))
