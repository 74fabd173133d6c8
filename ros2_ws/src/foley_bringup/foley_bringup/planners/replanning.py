"""Plan, act, observe, plan again: until the goal is reached, or what is not known keeps it out of reach.

    loop = ReplanningLoop(problem, descriptions, facts=client.facts, act=robot.act, observe=robot.observe)
    outcome = loop.run()

Before every step what is believed is looked at again: a TRUE whose lease ended, or that became FALSE, stakes no
grasp. An atom that was observed and is still UNKNOWN is given up after a few times, and there are bounds for the rest,
so that a loop ends.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from foley_bringup.planners.optional import needed
from foley_bringup.planners.unified_planning import (
    DEFAULT_ENGINE,
    Atom,
    Step,
    contingent_problem,
    determinise,
    groundings,
    plan,
)
from foley_common.predicate_view import Description, Fact, State


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a problem."""

    reached: bool
    why: str  # it was not; empty where it was
    steps: tuple[Step, ...]  # that were executed
    plans: int
    observations: int


class ReplanningLoop:
    """One problem, from now until its end.

    Args:
        problem: of unified-planning, Problem or ContingentProblem; see
            :func:`foley_bringup.planners.unified_planning.contingent_problem`.
        facts: what is believed now: ``PredicateClient.facts``.
        act: executes an action by its name and objects; whether it was done. What it changes of fluents that are no
            predicates is taken from its effects.
        observe: has an atom observed; returns when ``facts`` tell what came of it.
        most_observations_each: of one atom; what is UNKNOWN after them is taken for not to be known.
        most_failures: of actions, all together.
        most_plans: all together.
    """

    def __init__(
        self,
        problem: Any,
        descriptions: Iterable[Description],
        *,
        facts: Callable[[], Iterable[Fact]],
        act: Callable[[str, tuple[str, ...]], bool],
        observe: Callable[[str, tuple[str, ...]], object],
        engine: str = DEFAULT_ENGINE,
        most_observations_each: int = 2,
        most_failures: int = 3,
        most_plans: int = 100,
    ) -> None:
        self._problem = problem.clone()
        self._descriptions = tuple(descriptions)
        self._facts, self._act, self._observe = facts, act, observe
        self._engine = engine
        self._most_each, self._most_failures, self._most_plans = (
            most_observations_each,
            most_failures,
            most_plans,
        )
        self._names = {one.name for one in self._descriptions}
        self._done: list[Step] = []
        self._observed: dict[Atom, int] = {}
        self._failures = 0

    def run(self) -> Outcome:
        """Raises :class:`foley_bringup.planners.unified_planning.PlanningError` where the problem cannot be planned."""
        for plans in range(1, self._most_plans + 1):
            believed = self._believed()
            in_vain = [atom for atom, times in self._observed.items() if times >= self._most_each]
            contingent = contingent_problem(self._problem, self._descriptions, self._facts_of(believed))
            determinised = determinise(contingent, in_vain)
            steps = plan(determinised, engine=self._engine)
            if steps is None:
                return self._outcome(plans, self._no_plan(in_vain))
            if not steps:
                return self._outcome(plans, "")
            self._follow(steps, determinised.problem, believed)
            if self._failures > self._most_failures:
                return self._outcome(
                    plans, f"{self._failures} actions failed, the last one was {self._done[-1]}"
                )
        return self._outcome(self._most_plans, f"not reached after {self._most_plans} plans")

    def _follow(self, steps: Iterable[Step], problem: Any, believed: dict[Atom, State]) -> None:
        """Execute a plan until its end, a failure, or something is believed that it did not hope for."""
        with needed("unified_planning.shortcuts").SequentialSimulator(problem) as simulator:
            state = simulator.get_initial_state()
            for step in steps:
                if self._believed() != believed or not self._execute(step):
                    return
                objects = [problem.object(argument) for argument in step.arguments]
                state = simulator.apply(state, problem.action(step.planned_as), objects)
                self._take_over(state)
                if step.senses is not None:
                    believed[step.senses] = State.TRUE if step.hoped else State.FALSE

    def _execute(self, step: Step) -> bool:
        """Whether it was done."""
        self._done.append(step)
        if step.senses is not None:
            self._observed[step.senses] = self._observed.get(step.senses, 0) + 1
            self._observe(*step.senses)
            return True
        done = self._act(step.name, step.arguments)
        self._failures += not done
        return done

    def _take_over(self, state: Any) -> None:
        """Start the next plan from what the actions so far made so, but for predicates, which are observed."""
        for fluent in self._problem.fluents:
            if fluent.name not in self._names:
                for objects in groundings(self._problem, fluent):
                    self._problem.set_initial_value(fluent(*objects), state.get_value(fluent(*objects)))

    def _believed(self) -> dict[Atom, State]:
        """Of every predicate that the problem has a fluent for, what is known now."""
        known = {(fact.name, fact.arguments): fact.state for fact in self._facts()}
        return {
            atom: known.get(atom, State.UNKNOWN)
            for fluent in self._problem.fluents
            if fluent.name in self._names
            for atom in (
                (fluent.name, tuple(o.name for o in objects)) for objects in groundings(self._problem, fluent)
            )
        }

    @staticmethod
    def _facts_of(believed: dict[Atom, State]) -> list[Fact]:
        return [Fact(name, arguments, state) for (name, arguments), state in believed.items()]

    def _no_plan(self, in_vain: Iterable[Atom]) -> str:
        told = ", ".join(f"{name}({', '.join(arguments)})" for name, arguments in in_vain)
        return f"no plan reaches the goal{f'; observed in vain: {told}' if told else ''}"

    def _outcome(self, plans: int, why: str) -> Outcome:
        return Outcome(not why, why, tuple(self._done), plans, sum(self._observed.values()))
