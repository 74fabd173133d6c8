"""One table: a planner's loop that touches what the strategy chooses, learns, plans again, and sorts.

The planner is told UNKNOWN of the one thing that is to be touched next, and of all others what is most probable. Its
plan touches that thing, and then sorts all; what the touch told makes it plan again, until no touch is worth making.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from foley_bringup.examples.sorting.strategies import Choose
from foley_bringup.examples.sorting.task import SortingTask, SortingWorld, likelihood
from foley_bringup.planners.optional import needed
from foley_bringup.planners.replanning import ReplanningLoop
from foley_common.predicate_view import Description, Fact, State

CHOSEN, ENOUGH = "to_be_touched", "touched_enough"
INTO_TRUE, INTO_FALSE = "put_into_first_bin", "put_into_second_bin"
_MOST_FAILURES = 3  # touches in a row that were not made

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Episode:
    """What became of one table."""

    right: int
    wrong: int
    touches: int
    plans: int
    reached: bool  # everything is in a bin
    why: str  # it is not; empty where it is
    score: float

    @property
    def success(self) -> bool:
        """Everything is in its bin."""
        return self.reached and self.wrong == 0


def run_episode(
    world: SortingWorld,
    task: SortingTask,
    choose: Choose,
    *,
    engine: str = "pyperplan",
    say: Say = lambda line: None,
) -> Episode:
    """Sort a table.

    Raises:
        PlannerMissingError: unified-planning is not installed.
        PlanningError: its engine is not.
    """
    robot = _Robot(world, task, choose, say)
    loop = ReplanningLoop(
        sorting_problem(task.predicate, world.things),
        _descriptions(task.predicate),
        facts=robot.facts,
        act=robot.act,
        observe=robot.observe,
        engine=engine,
        most_observations_each=1_000,  # the budget is the strategy's
        most_plans=10 * (len(world.things) + task.touches + 1),
    )
    outcome = loop.run()
    right, wrong = robot.right, len(robot.sorted) - robot.right
    return Episode(
        right,
        wrong,
        robot.touches,
        outcome.plans,
        outcome.reached,
        outcome.why,
        task.score(right, wrong, robot.touches),
    )


def sorting_problem(predicate: str, things: tuple[str, ...]) -> Any:
    """The problem as its author writes it, over unified-planning."""
    up = needed("unified_planning.shortcuts")
    model = needed("unified_planning.model")
    kind = up.UserType("thing")
    holds = up.Fluent(predicate, up.BoolType(), x=kind)
    chosen = up.Fluent(CHOSEN, up.BoolType(), x=kind)
    enough, done = up.Fluent(ENOUGH), up.Fluent("in_a_bin", up.BoolType(), x=kind)
    problem = model.ContingentProblem("sorting")
    for fluent in (holds, chosen, enough, done):
        problem.add_fluent(fluent, default_initial_value=False)
    objects = [up.Object(name, kind) for name in things]
    problem.add_objects(objects)

    touch = model.SensingAction("touch", x=kind)
    thing = touch.parameter("x")
    touch.add_precondition(chosen(thing))
    touch.add_observed_fluent(holds(thing))
    touch.add_effect(enough, True)
    problem.add_action(touch)
    for name, wanted in ((INTO_TRUE, True), (INTO_FALSE, False)):
        put = up.InstantaneousAction(name, x=kind)
        thing = put.parameter("x")
        put.add_precondition(enough)
        put.add_precondition(holds(thing) if wanted else up.Not(holds(thing)))
        put.add_precondition(up.Not(done(thing)))
        put.add_effect(done(thing), True)
        problem.add_action(put)
    for thing in objects:
        problem.add_goal(done(thing))
    return problem


def _descriptions(predicate: str) -> tuple[Description, ...]:
    return (Description(predicate), Description(CHOSEN), Description(ENOUGH, (), ()))


class _Robot:
    """What the loop asks and does."""

    def __init__(self, world: SortingWorld, task: SortingTask, choose: Choose, say: Say) -> None:
        self._world, self._task, self._choose, self._say = world, task, choose, say
        self.touches = self.right = 0
        self._failures = 0
        self.sorted: dict[str, bool] = {}  # thing -> the bin of which predicate's value
        self._next = choose(0)

    def facts(self) -> list[Fact]:
        """What the planner is told."""
        believed = self._world.believed()
        told = [Fact(ENOUGH, (), State.TRUE if self._next is None else State.FALSE)]
        for thing in self._world.things:
            chosen = thing == self._next
            told.append(Fact(CHOSEN, (thing,), State.TRUE if chosen else State.FALSE))
            bet = State.TRUE if self._most_probable(thing, believed.get(thing)) else State.FALSE
            told.append(Fact(self._task.predicate, (thing,), State.UNKNOWN if chosen else bet))
        return told

    def observe(self, predicate: str, arguments: tuple[str, ...]) -> None:
        (thing,) = arguments
        before = likelihood(self._world.believed().get(thing))
        if self._world.touch(thing):
            self.touches += 1
            self._failures = 0
            fact = self._world.believed().get(thing)
            state = fact.state.name if fact is not None else "UNKNOWN"
            self._say(
                f"touch {thing}: {predicate} was {before:.2f} probable, now {likelihood(fact):.2f}, {state}"
            )
        else:
            self._failures += 1
            self._say(f"touch {thing}: not made")
        given_up = self._failures >= _MOST_FAILURES
        self._next = None if given_up else self._choose(self.touches)

    def act(self, name: str, arguments: tuple[str, ...]) -> bool:
        (thing,) = arguments
        into = name == INTO_TRUE
        fits = into == self._world.truth(thing)
        self.sorted[thing] = into
        self.right += fits
        fact = self._world.believed().get(thing)
        known = fact is not None and fact.state is not State.UNKNOWN
        why = "known" if known else f"a bet at {likelihood(fact):.2f}"
        bin_name = ("" if into else "not ") + self._task.predicate
        self._say(f"grasp {thing} for the bin `{bin_name}` ({why}): {'right' if fits else 'WRONG'}")
        return True

    def _most_probable(self, thing: str, fact: Fact | None) -> bool:
        """What is known, else the more probable; once a thing is in a bin, why it went there."""
        if thing in self.sorted:
            return self.sorted[thing]
        if fact is not None and fact.state is not State.UNKNOWN:
            return fact.state is State.TRUE
        return likelihood(fact) >= 0.5
