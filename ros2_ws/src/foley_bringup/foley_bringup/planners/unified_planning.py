"""Plans of unified-planning whose actions rest on predicates that may have to be observed first.

A planner's author writes a problem as always: fluents with the names of predicates, objects with the ids of Foley's,
actions whose preconditions name both. :func:`contingent_problem` adds what is known, what is UNKNOWN and an action
that senses it. No engine of contingent planning installs from PyPI, so :func:`determinise` makes a classical problem of
it: a sensing action becomes one action for either outcome, of which the engine takes the one that it hopes for, and
every action waits until what it rests on is known. :mod:`foley_bringup.planners.replanning` executes such plans.

That is optimistic, not optimal: it weighs neither probabilities nor, with an engine that knows none, costs.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from foley_bringup.planners.optional import CURE, needed
from foley_bringup.planners.pddl import OBSERVE_PREFIX, UNKNOWN_PREFIX
from foley_common.predicate_view import Description, Fact, State

Atom = tuple[str, tuple[str, ...]]
"""A predicate and its objects."""
DEFAULT_ENGINE = "pyperplan"
_COMPILED = (
    ("QUANTIFIERS_REMOVING", ("EXISTENTIAL_CONDITIONS", "UNIVERSAL_CONDITIONS")),
    ("CONDITIONAL_EFFECTS_REMOVING", ("CONDITIONAL_EFFECTS",)),
    ("DISJUNCTIVE_CONDITIONS_REMOVING", ("DISJUNCTIVE_CONDITIONS",)),
    ("NEGATIVE_CONDITIONS_REMOVING", ("NEGATIVE_CONDITIONS",)),
)  # what an engine may not know, and what takes it out, in this order


class PlanningError(RuntimeError):
    """A problem that cannot be planned as it stands; the text names what and the cure."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of a plan."""

    name: str  # of the action in the problem; of a sensing one, of that in the contingent problem
    arguments: tuple[str, ...]
    senses: Atom | None = None  # what it finds out
    hoped: bool = True  # the outcome that the plan goes on with
    planned_as: str = ""  # its name in the determinised problem

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.arguments)})"


def contingent_problem(problem: Any, descriptions: Iterable[Description], facts: Iterable[Fact]) -> Any:
    """A ContingentProblem: the problem with what is known now, what is UNKNOWN, and how it is sensed.

    Fluents that have the name of a predicate are as ``facts`` (of ``PredicateClient.facts()``) tell; those of which
    none tells are UNKNOWN, whatever the problem's initial value is. A sensing action without preconditions, called
    `observe_<predicate>`, is added for each that a robot can observe, unless the problem has one of its own.

    Args:
        problem: Problem, or ContingentProblem with SensingActions of its own, such as ones that need the robot near.

    Raises:
        PlanningError: a fluent with a predicate's name has another number of arguments, or is not boolean.
    """
    model = needed("unified_planning.model")
    made = model.ContingentProblem(problem.name, problem.environment)
    for fluent in problem.fluents:
        made.add_fluent(fluent, default_initial_value=problem.fluents_defaults.get(fluent))
    made.add_objects(problem.all_objects)
    made.add_actions([action.clone() for action in problem.actions])
    for expression, value in problem.explicit_initial_values.items():
        made.set_initial_value(expression, value)
    for goal in problem.goals:
        made.add_goal(goal)
    sensed = {
        expression.fluent().name
        for action in made.actions
        if isinstance(action, model.SensingAction)
        for expression in action.observed_fluents
    }
    known = {(fact.name, fact.arguments): fact.state for fact in facts}
    for one in descriptions:
        if not made.has_fluent(one.name):
            continue
        fluent = made.fluent(one.name)
        if fluent.arity != len(one.parameters) or not fluent.type.is_bool_type():
            raise PlanningError(
                f"fluent `{one.name}` is {fluent}, the predicate has {len(one.parameters)} parameters and is true or "
                "false: give the fluent another name or its arguments"
            )
        for objects in groundings(made, fluent):
            state = known.get((one.name, tuple(o.name for o in objects)), State.UNKNOWN)
            if state is State.UNKNOWN:
                made.add_unknown_initial_constraint(fluent(*objects))
            made.set_initial_value(fluent(*objects), state is State.TRUE)
        if one.observed_by and one.name not in sensed:
            parameters = {parameter.name: parameter.type for parameter in fluent.signature}
            action = model.SensingAction(OBSERVE_PREFIX + one.name, parameters, problem.environment)
            action.add_observed_fluent(fluent(*action.parameters))
            made.add_action(action)
    return made


@dataclasses.dataclass(frozen=True)
class Determinised:
    """A classical problem in which sensing has the outcome that is hoped for."""

    problem: Any
    outcomes: Mapping[str, tuple[Any, bool]]  # its action's name -> the sensing action, the outcome

    def step(self, action: Any) -> Step:
        """What an action of a plan means."""
        arguments = tuple(str(argument) for argument in action.actual_parameters)
        if action.action.name not in self.outcomes:
            return Step(action.action.name, arguments, planned_as=action.action.name)
        sensing, hoped = self.outcomes[action.action.name]
        (expression,) = sensing.observed_fluents
        bound = {p.name: a for p, a in zip(sensing.parameters, arguments, strict=True)}
        objects = tuple(bound.get(str(argument), str(argument)) for argument in expression.args)
        return Step(sensing.name, arguments, (expression.fluent().name, objects), hoped, action.action.name)


def determinise(problem: Any, not_to_be_sensed: Iterable[Atom] = ()) -> Determinised:
    """A classical problem out of a contingent one.

    Each fluent p that is sensed, or UNKNOWN of something, gets `unknown_p`. Actions and goals that rest on p need it to
    be False; a sensing action becomes `<action>_true` and `<action>_false`, which make it so.

    Args:
        not_to_be_sensed: atoms that were observed in vain.

    Raises:
        PlanningError: a sensing action observes several fluents at once; `oneof` and `or` constraints over fluents.
    """
    model = needed("unified_planning.model")
    manager = problem.environment.expression_manager
    if problem.oneof_constraints or any(not _is_unknown(constraint) for constraint in problem.or_constraints):
        raise PlanningError("`oneof` and `or` constraints are not read: say `unknown` of each fluent")
    hidden = {e for constraint in problem.or_constraints for e in constraint if e.is_fluent_exp()}
    sensing = [a for a in problem.actions if isinstance(a, model.SensingAction)]
    for action in sensing:
        if len(action.observed_fluents) != 1:
            raise PlanningError(
                f"sensing action `{action.name}` observes {len(action.observed_fluents)} fluents: one action for each"
            )
    names = {e.fluent() for e in hidden} | {a.observed_fluents[0].fluent() for a in sensing}
    unknown = {f: model.Fluent(UNKNOWN_PREFIX + f.name, f.type, f.signature, f.environment) for f in names}
    senseless = {f: model.Fluent(f"not_sensible_{f.name}", f.type, f.signature, f.environment) for f in names}

    made = model.Problem(problem.name, problem.environment)
    for fluent in problem.fluents:
        made.add_fluent(fluent, default_initial_value=problem.fluents_defaults.get(fluent))
    for fluent in sorted((*unknown.values(), *senseless.values()), key=lambda f: str(f.name)):
        made.add_fluent(fluent, default_initial_value=False)
    made.add_objects(problem.all_objects)
    for expression, value in problem.explicit_initial_values.items():
        made.set_initial_value(expression, value)
    for expression in hidden:
        made.set_initial_value(unknown[expression.fluent()](*expression.args), True)
    for name, arguments in not_to_be_sensed:
        objects = [made.object(argument) for argument in arguments]
        made.set_initial_value(senseless[made.fluent(name)](*objects), True)

    def known(expressions: Iterable[Any]) -> list[Any]:
        extract = problem.environment.free_vars_extractor.get
        found = {e for expression in expressions for e in extract(expression)}
        return [
            manager.Not(unknown[e.fluent()](*e.args)) for e in sorted(found, key=str) if e.fluent() in unknown
        ]

    outcomes: dict[str, tuple[Any, bool]] = {}
    for action in problem.actions:
        if action in sensing:
            for hoped in (True, False):
                one = _outcome(action, hoped, unknown, senseless)
                for condition in known(action.preconditions):
                    one.add_precondition(condition)
                made.add_action(one)
                outcomes[one.name] = (action, hoped)
            continue
        one = action.clone()
        read = [
            *action.preconditions,
            *(e.condition for e in action.effects),
            *(e.value for e in action.effects),
        ]
        for condition in known(read):
            one.add_precondition(condition)
        for effect in action.effects:  # what an action makes so is known
            if effect.fluent.fluent() in unknown and not effect.is_conditional():
                one.add_effect(unknown[effect.fluent.fluent()](*effect.fluent.args), False)
        made.add_action(one)
    for goal in (*problem.goals, *known(problem.goals)):
        made.add_goal(goal)
    return Determinised(made, outcomes)


def plan(determinised: Determinised, *, engine: str = DEFAULT_ENGINE) -> tuple[Step, ...] | None:
    """A plan of an engine of unified-planning, by its name; None where there is none.

    What the engine does not know of negative conditions, disjunctions, quantifiers and conditional effects is compiled
    away.

    Raises:
        PlanningError: the engine is not installed, or cannot take the problem.
    """
    shortcuts, exceptions = needed("unified_planning.shortcuts"), needed("unified_planning.exceptions")
    shortcuts.get_environment().credits_stream = None
    try:
        with shortcuts.OneshotPlanner(name=engine) as planner:
            problem, back = _compiled(determinised.problem, type(planner).supported_kind().features)
            result = planner.solve(problem)
    except exceptions.UPNoRequestedEngineAvailableException as error:
        raise PlanningError(f"no engine `{engine}`: {CURE} brings {DEFAULT_ENGINE}") from error
    except exceptions.UPUsageError as error:
        raise PlanningError(f"engine `{engine}` cannot take the problem: {error}") from error
    if result.plan is None:
        return None
    return tuple(
        determinised.step(action)
        for compiled in result.plan.actions
        if (action := functools.reduce(_mapped, reversed(back), compiled)) is not None
    )


def _compiled(problem: Any, known: Iterable[str]) -> tuple[Any, list[Callable[[Any], Any]]]:
    """A problem without features that an engine does not know, and how an action of its plans is taken back."""
    shortcuts, kinds = (
        needed("unified_planning.shortcuts"),
        needed("unified_planning.engines").CompilationKind,
    )
    back = []
    for name, features in _COMPILED:
        if {*features} & {*problem.kind.features} - {*known}:
            with shortcuts.Compiler(problem_kind=problem.kind, compilation_kind=kinds[name]) as compiler:
                result = compiler.compile(problem, kinds[name])
            problem = result.problem
            back.append(result.map_back_action_instance)
    return problem, back


def _mapped(action: Any, take_back: Callable[[Any], Any]) -> Any:
    return None if action is None else take_back(action)


def groundings(problem: Any, fluent: Any) -> Iterator[tuple[Any, ...]]:
    """The objects that a fluent may be about. Raises PlanningError where one of its arguments is no object."""
    for parameter in fluent.signature:
        if not parameter.type.is_user_type():
            raise PlanningError(
                f"fluent `{fluent.name}`: {parameter.name} is {parameter.type}, predicates are about objects"
            )
    return itertools.product(*(problem.objects(parameter.type) for parameter in fluent.signature))


def _is_unknown(constraint: Iterable[Any]) -> bool:
    """Whether an `or` is that of `unknown`: a fluent or its negation."""
    atoms = [e.arg(0) if e.is_not() else e for e in constraint]
    return len(atoms) == 2 and atoms[0] == atoms[1]


def _outcome(sensing: Any, hoped: bool, unknown: Mapping[Any, Any], senseless: Mapping[Any, Any]) -> Any:
    """A classical action that hopes for one outcome of a sensing action."""
    model = needed("unified_planning.model")
    manager = sensing.environment.expression_manager
    (atom,) = sensing.observed_fluents
    name = f"{sensing.name}_{'true' if hoped else 'false'}"
    one = model.InstantaneousAction(name, {p.name: p.type for p in sensing.parameters}, sensing.environment)
    for condition in sensing.preconditions:
        one.add_precondition(condition)
    one.add_precondition(unknown[atom.fluent()](*atom.args))
    one.add_precondition(manager.Not(senseless[atom.fluent()](*atom.args)))
    for effect in sensing.effects:
        one.add_effect(effect.fluent, effect.value, effect.condition)
    one.add_effect(atom, hoped)
    one.add_effect(unknown[atom.fluent()](*atom.args), False)
    return one
