"""Predicates for a planner's own node: what holds now, what there is, and having it found out.

    client = PredicateClient(node)                     # or PredicateClient(node, "/left_robot")
    client.holds("is_made_of_metal", "mug")            # True, False, or None: it cannot be told
    future = client.observe("is_made_of_metal", "mug") # the robot touches it until that is known
    rclpy.spin_until_future_complete(node, future)
    future.result().fact.state

Everything happens in the executor that spins the node. :meth:`PredicateClient.holds` only reads and may be called from
any thread; every other answer is a future, which a coroutine may await and ``spin_until_future_complete`` may wait for.
A future that fails holds a :class:`foley_ros.questions.AskedError`, whose text says what to do.

None is never mistaken for False, and no True outlives its lease: not when the publisher is killed, hangs or is cut off,
nor when time is set back or, with use_sim_time, stands still.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from rclpy.action import ActionClient
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.task import Future

from foley_common import topics as registry
from foley_common.predicate_view import Fact, PredicateView, State
from foley_msgs.action import Observe
from foley_msgs.msg import PredicateArray
from foley_msgs.srv import GetPredicates, ListPredicates
from foley_ros import qos, topics
from foley_ros.predicates import description_of, fact_of, snapshot_of
from foley_ros.questions import AskedError, Questions, fail, over

TICK_S = 0.1  # so often leases and deadlines are looked at
Changed = Callable[[tuple[Fact, ...]], None]


@dataclasses.dataclass(frozen=True)
class Observed:
    """What came of an observation; the fact is UNKNOWN where the contacts that it had did not suffice."""

    fact: Fact
    contacts: int
    duration_s: float
    error_msg: str  # why it is still UNKNOWN; empty otherwise


@dataclasses.dataclass
class _Awaited:
    """Somebody who waits for a state."""

    future: Future
    name: str
    arguments: tuple[str, ...]
    wanted: tuple[bool | None, ...]
    bounds: dict[str, float]
    deadline_s: float


class PredicateClient:
    """Reads the latched snapshots of one robot, and asks its nodes.

    Args:
        namespace: of the robot; relative to the node's own, or absolute with a leading `/`.
        clock_stall_s: after ROS time stood still for so long, as when a simulator ended, nothing is known.
        patience_s: for which a server is waited for, and then again for its answer, but for that of an observation.

    Attributes:
        view: the newest snapshot.
    """

    def __init__(
        self, node: Node, namespace: str = "", *, clock_stall_s: float = 3.0, patience_s: float = 5.0
    ) -> None:
        self.view = PredicateView()
        self._node = node
        self._prefix = f"{namespace.rstrip('/')}/" if namespace else ""
        self._clock_stall_s = clock_stall_s
        self._questions = Questions(node, patience_s)
        self._lock = threading.RLock()
        self._changed: list[Changed] = []
        self._told: dict[tuple[str, tuple[str, ...]], Fact] = {}
        self._awaited: list[_Awaited] = []
        self._broken = ""  # what the newest message was refused for
        self._clock = (self._ros_ns(), time.monotonic())  # ROS time, and when it began to be so
        topic = registry.PREDICATES
        self._subscription = node.create_subscription(
            topics.message_type(topic),
            self._prefix + topic.name,
            self._on_snapshot,
            topics.profile(topic),
            event_callbacks=SubscriptionEventCallbacks(matched=self._on_matched),
        )
        self._list = node.create_client(ListPredicates, f"{self._prefix}material/list_predicates")
        self._get = node.create_client(GetPredicates, f"{self._prefix}material/get_predicates")
        self._observe = ActionClient(node, Observe, f"{self._prefix}contact_advisor/observe")
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(TICK_S, self._tick, clock=steady)

    def destroy(self) -> None:
        """Take everything out of the node; futures that wait fail."""
        self._questions.give_up("the client was destroyed")
        with self._lock:
            awaited, self._awaited = self._awaited, []
        for one in awaited:
            fail(one.future, AskedError("the client was destroyed"))
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._subscription)
        self._node.destroy_client(self._list)
        self._node.destroy_client(self._get)
        self._observe.destroy()

    # ---- what is known -------------------------------------------------------------------------------------
    def state(self, name: str, *arguments: str, **bounds: float) -> State:
        """As of now; the bounds are those of :meth:`holds`."""
        now_ns = self._now_ns()
        return State.UNKNOWN if now_ns is None else self.view.state(name, *arguments, now_ns=now_ns, **bounds)

    def holds(self, name: str, *arguments: str, **bounds: float) -> bool | None:
        """Whether it holds; None where that cannot be told.

        Args:
            bounds: ``least_confidence`` in [0, 1] of its state, ``greatest_age_s`` of its newest evidence; 0: any.
        """
        found = self.state(name, *arguments, **bounds)
        return None if found is State.UNKNOWN else found is State.TRUE

    def facts(self) -> tuple[Fact, ...]:
        """All of the newest snapshot, each in the state that it has now."""
        now_ns = self._now_ns()
        if now_ns is not None:
            return tuple(self.view.facts(now_ns))
        held = self.view.snapshot
        return tuple(dataclasses.replace(f, state=State.UNKNOWN) for f in held.facts) if held else ()

    def on_change(self, callback: Changed) -> None:
        """Have ``callback`` told of the facts whose state changed, be it by a snapshot or by the end of a lease."""
        self._changed.append(callback)

    def trouble(self) -> str:
        """Why nothing is known or may be trusted, with the cure; empty where all is well."""
        now_ns = self._now_ns()
        if now_ns is None:
            return (
                f"ROS time stands still since {time.monotonic() - self._clock[1]:.1f} s: is the simulator that sends "
                "/clock gone? Without one set use_sim_time to false"
            )
        if self._broken:
            return self._broken
        name = self._subscription.topic_name
        offers = self._node.get_publishers_info_by_topic(name)
        if len(offers) > 1:
            nodes = ", ".join(sorted(topics.node_of(offer) for offer in offers))
            return (
                f"{name} has {len(offers)} publishers ({nodes}): one per namespace may speak; end the others"
            )
        for offer in offers:
            if why := qos.unmet(offer.qos_profile, topics.profile(registry.PREDICATES)):
                return f"{name}: {topics.node_of(offer)} offers less than is needed ({why}): nothing of it is received"
        return self.view.trouble(now_ns)

    def wait_for(
        self,
        name: str,
        *arguments: str,
        wanted: Iterable[bool | None] = (True,),
        timeout_s: float = float("inf"),
        **bounds: float,
    ) -> Future:
        """A future of what :meth:`holds` says once that is among ``wanted``, or when the time is over."""
        future = Future(executor=self._node.executor)
        deadline = time.monotonic() + timeout_s
        with self._lock:
            self._awaited.append(_Awaited(future, name, arguments, tuple(wanted), bounds, deadline))
        self._settle()
        return future

    # ---- what nodes are asked ------------------------------------------------------------------------------
    def list(self, *names: str) -> Future:
        """A future of the :class:`Description` of each predicate of these names; without any, of all."""
        request = ListPredicates.Request(names=list(names))
        return self._questions.call(
            self._list, request, lambda response: tuple(map(description_of, response.predicates))
        )

    def get(
        self,
        names: Iterable[str] = (),
        arguments: Iterable[str] = (),
        *,
        least_confidence: float = 0.0,
        greatest_age_s: float = 0.0,
    ) -> Future:
        """A future of a :class:`Snapshot` of predicates by name and by object; without any, of all.

        Args:
            least_confidence, greatest_age_s: what is less sure, or rests on older evidence, is UNKNOWN in it; 0: any.
        """
        request = GetPredicates.Request(
            names=list(names),
            arguments=list(arguments),
            least_confidence=least_confidence,
            greatest_age=greatest_age_s,
        )
        return self._questions.call(self._get, request, lambda response: snapshot_of(response.predicates))

    def observe(
        self,
        predicate: str,
        *arguments: str,
        least_confidence: float = 0.0,
        greatest_age_s: float = 0.0,
        most_contacts: int = 0,
        budget_s: float = 0.0,
        actions: Iterable[int] = (),
        feedback: Callable[[Observe.Feedback], None] | None = None,
    ) -> Future:
        """A future of what is :class:`Observed`: contacts are made until the predicate is known surely enough.

        To cancel the future ends the observation. The bounds are those of foley_msgs/action/Observe.
        """
        goal = Observe.Goal(
            predicate=predicate,
            arguments=list(arguments),
            least_confidence=least_confidence,
            greatest_age=greatest_age_s,
            most_contacts=most_contacts,
            budget=budget_s,
            actions=list(actions),
        )
        future = Future(executor=self._node.executor)

        def accepted(goal_future: Future) -> None:
            handle = goal_future.result()
            if not handle.accepted:
                fail(future, AskedError(f"{predicate}: the goal was rejected: {server} is not active"))
                return
            future.add_done_callback(lambda done: handle.cancel_goal_async() if done.cancelled() else None)
            handle.get_result_async().add_done_callback(finished)

        def finished(result_future: Future) -> None:
            result = result_future.result().result
            if result.error_code not in (Observe.Result.ERROR_NONE, Observe.Result.ERROR_BUDGET):
                fail(future, AskedError(result.error_msg, int(result.error_code)))
            elif not over(future):
                fact = fact_of(result.predicate)
                told = Observed(fact, int(result.contacts), float(result.duration), result.error_msg)
                future.set_result(told)

        def send() -> None:
            heard = (lambda message: feedback(message.feedback)) if feedback else None
            self._observe.send_goal_async(goal, feedback_callback=heard).add_done_callback(accepted)

        server = f"{self._prefix}contact_advisor/observe"
        self._questions.ask(future, server, self._observe.server_is_ready, send, answers_late=True)
        return future

    # ---- in the executor -----------------------------------------------------------------------------------
    def _on_snapshot(self, message: PredicateArray) -> None:
        try:
            self.view.take(snapshot_of(message), self._ros_ns())
            self._broken = ""
        except ValueError as error:
            self.view.lost()
            self._broken = f"{self._subscription.topic_name}: {error}"
            self._node.get_logger().error(self._broken, throttle_duration_sec=10.0)
        self._tell()

    def _on_matched(self, status: Any) -> None:
        if status.current_count == 0:
            self.view.lost()
            self._tell()

    def _tick(self) -> None:
        self._tell()
        self._questions.look()

    def _tell(self) -> None:
        """Callbacks of what changed, and futures of those who wait."""
        present = {(fact.name, fact.arguments): fact for fact in self.facts()}
        before, self._told = self._told, present
        changed = [
            fact
            for key, fact in present.items()
            if fact.state is not getattr(before.get(key), "state", State.UNKNOWN)
        ]
        changed += [
            dataclasses.replace(fact, state=State.UNKNOWN)
            for key, fact in before.items()
            if key not in present and fact.state is not State.UNKNOWN
        ]
        if changed:
            for callback in self._changed:
                callback(tuple(changed))
        self._settle()

    def _settle(self) -> None:
        with self._lock:
            awaited, self._awaited = self._awaited, []
            for one in awaited:
                found = self.holds(one.name, *one.arguments, **one.bounds)
                if not over(one.future) and (found in one.wanted or time.monotonic() > one.deadline_s):
                    one.future.set_result(found)
            self._awaited += [one for one in awaited if not over(one.future)]

    def _ros_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _now_ns(self) -> int | None:
        """ROS time; None where it stands still."""
        now_ns, now = self._ros_ns(), time.monotonic()
        if now_ns != self._clock[0]:
            self._clock = (now_ns, now)
        return now_ns if now - self._clock[1] <= self._clock_stall_s else None
