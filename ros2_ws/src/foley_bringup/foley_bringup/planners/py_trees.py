"""Conditions and observations for behaviour trees of py_trees.

    is_metal = holds(client, "is_made_of_metal", "mug")
    known = Selector("known", memory=False, children=[is_metal, observe(client, "is_made_of_metal", "mug")])
    tree = Sequence("clear the table", memory=False, children=[known, grasp])

A tick only reads what the client holds, so that a tree that ticks late misses nothing: `predicates` is latched, and
nothing that is read is older than its lease. ``client`` is a ``foley_ros.predicate_client.PredicateClient``, or what
answers ``holds`` and ``observe`` as that does.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, Protocol

from foley_bringup.planners.optional import needed


class Holds(Protocol):
    """What a condition asks."""

    def holds(self, name: str, *arguments: str, **bounds: float) -> bool | None: ...


class Observes(Holds, Protocol):
    """What an observation asks; it returns a future."""

    def observe(self, predicate: str, *arguments: str, **how: Any) -> Any: ...


def holds(
    client: Holds,
    name: str,
    *arguments: str,
    expected: bool = True,
    unknown: str = "FAILURE",
    latch_s: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
    **bounds: float,
) -> Any:
    """A behaviour that succeeds while the predicate is ``expected`` and fails while it is the opposite.

    Args:
        unknown: FAILURE or RUNNING, while it cannot be told.
        latch_s: for which a success outlasts UNKNOWN, as when an object is out of reach for a moment; the opposite
            ends it at once, and so does a parent that stops the behaviour. 0: not at all.
        clock: in seconds.
        bounds: ``least_confidence``, ``greatest_age_s``: what is less sure or older is UNKNOWN.

    Raises:
        PlannerMissingError: py_trees is not installed.
        ValueError: ``unknown`` is none of these.
    """
    if unknown not in ("FAILURE", "RUNNING"):
        raise ValueError(f"unknown is {unknown!r}, must be FAILURE or RUNNING")
    condition, _ = _classes()
    return condition(client, name, arguments, expected, unknown, latch_s, clock, bounds)


def observe(client: Observes, name: str, *arguments: str, expected: bool | None = True, **how: Any) -> Any:
    """A behaviour that has the predicate observed: RUNNING meanwhile, then SUCCESS if it is ``expected``.

    With ``expected`` None it succeeds if it is known at all. What is told already is not observed anew by Foley, so
    that it may stand in a tree as it is. A parent that stops it ends the observation.

    Args:
        how: as ``PredicateClient.observe`` takes it: ``least_confidence``, ``budget_s``, ...

    Raises:
        PlannerMissingError: py_trees is not installed.
    """
    _, observation = _classes()
    return observation(client, name, arguments, expected, how)


@functools.cache
def _classes() -> tuple[Any, Any]:
    behaviour: Any = needed("py_trees.behaviour").Behaviour
    status = needed("py_trees.common").Status

    class Condition(behaviour):  # type: ignore[misc]
        def __init__(
            self,
            client: Holds,
            name: str,
            arguments: tuple[str, ...],
            expected: bool,
            unknown: str,
            latch_s: float,
            clock: Callable[[], float],
            bounds: dict[str, float],
        ) -> None:
            super().__init__(f"{'' if expected else 'not '}{name}({', '.join(arguments)})")
            self._client, self._predicate, self._arguments, self._bounds = client, name, arguments, bounds
            self._expected, self._unknown = expected, status[unknown]
            self._latch_s, self._clock = latch_s, clock
            self._succeeded: float | None = None

        def update(self) -> Any:
            found = self._client.holds(self._predicate, *self._arguments, **self._bounds)
            if found is self._expected:
                self._succeeded = self._clock()
                self.feedback_message = "holds"
                return status.SUCCESS
            if found is not None:
                self._succeeded = None
                self.feedback_message = "is the opposite"
                return status.FAILURE
            since = self._succeeded
            if since is not None and self._clock() - since <= self._latch_s and self._latch_s > 0:
                self.feedback_message = f"held {self._clock() - since:.1f} s ago, UNKNOWN now"
                return status.SUCCESS
            self.feedback_message = "UNKNOWN"
            return self._unknown

        def terminate(self, new_status: Any) -> None:
            if new_status == status.INVALID:
                self._succeeded = None

    class Observation(behaviour):  # type: ignore[misc]
        def __init__(
            self,
            client: Observes,
            name: str,
            arguments: tuple[str, ...],
            expected: bool | None,
            how: dict[str, Any],
        ) -> None:
            super().__init__(f"observe {name}({', '.join(arguments)})")
            self._client, self._asked, self._how = client, (name, *arguments), how
            self._expected = expected
            self._future: Any = None

        def initialise(self) -> None:
            self._future = self._client.observe(*self._asked, **self._how)

        def update(self) -> Any:
            if not self._future.done():
                self.feedback_message = "is being observed"
                return status.RUNNING
            if (error := self._future.exception()) is not None:
                self.feedback_message = str(error)
                return status.FAILURE
            observed = self._future.result()
            self.feedback_message = f"{observed.fact.state.name} after {observed.contacts} contacts"
            if observed.error_msg:
                self.feedback_message += f": {observed.error_msg}"
            told = {"TRUE": True, "FALSE": False}.get(observed.fact.state.name)
            reached = told is not None and self._expected in (None, told)
            return status.SUCCESS if reached else status.FAILURE

        def terminate(self, new_status: Any) -> None:
            if new_status == status.INVALID and self._future is not None and not self._future.done():
                self._future.cancel()

    return Condition, Observation
