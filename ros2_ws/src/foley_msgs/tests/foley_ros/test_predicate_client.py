"""A planner's client over real middleware: nothing stale is TRUE, whatever becomes of the publisher."""

from __future__ import annotations

import concurrent.futures
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")
import rclpy
from action_msgs.msg import GoalStatus
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.task import Future
from rosgraph_msgs.msg import Clock

from foley_common import topics
from foley_common.predicate_view import State
from foley_msgs.action import Observe
from foley_msgs.msg import Predicate, PredicateArray, PredicateDescription
from foley_msgs.srv import GetPredicates, ListPredicates
from foley_ros.convert import to_stamp
from foley_ros.predicate_client import PredicateClient
from foley_ros.questions import AskedError, answer
from foley_ros.topics import profile

pytestmark = pytest.mark.nodes

S = 1_000_000_000
METAL = ("is_made_of_metal", "mug")


def array(sequence: int, now_ns: int, *, lease_s: float = 1e4, state: int = Predicate.TRUE) -> PredicateArray:
    metal = Predicate(name=METAL[0], arguments=[METAL[1]], probability=0.9, state=state)
    metal.newest_evidence = to_stamp(now_ns)
    metal.valid_until = to_stamp(now_ns + round(lease_s * S))
    message = PredicateArray(sequence=sequence, predicates=[metal])
    message.header.stamp = to_stamp(now_ns)
    return message


def now_ns(node: Any) -> int:
    return int(node.get_clock().now().nanoseconds)


@pytest.fixture
def publisher(ros_context: Any) -> Any:
    """Of a node of its own, as `material` has it."""
    node = ros_context.create_node("material")
    return node.create_publisher(PredicateArray, "predicates", profile(topics.PREDICATES))


@pytest.fixture
def client(ros_context: Any) -> Iterator[PredicateClient]:
    made = PredicateClient(ros_context.create_node("planner"), patience_s=30.0)
    yield made
    made.destroy()


@pytest.fixture
def start_publisher() -> Iterator[Callable[[float], subprocess.Popen[bytes]]]:
    running = []

    def start(lease_s: float) -> subprocess.Popen[bytes]:
        script = Path(__file__).with_name("predicate_publisher.py")
        running.append(subprocess.Popen([sys.executable, str(script), str(lease_s)]))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait(60)


def test_who_comes_late_gets_the_latched_snapshot(ros_context: Any, publisher: Any) -> None:
    publisher.publish(array(41, now_ns(ros_context.helper)))
    client = PredicateClient(ros_context.create_node("planner"))
    ros_context.spin_until(lambda: client.holds(*METAL), what=client.trouble())
    assert client.view.snapshot is not None and client.view.snapshot.sequence == 41
    assert client.trouble() == ""


def test_a_killed_publisher_means_unknown_within_its_lease_and_its_successor_is_heard(
    ros_context: Any, client: PredicateClient, start_publisher: Any
) -> None:
    lease_s = 2.0
    process = start_publisher(lease_s)
    ros_context.spin_until(lambda: client.view.snapshot and client.view.snapshot.sequence > 3, 30)
    assert client.holds(*METAL) is True
    process.kill()
    process.wait(60)
    killed_ns = now_ns(ros_context.helper)
    stale = []

    def unknown() -> bool:
        asked_ns = now_ns(ros_context.helper)  # before the question, so that a slow machine is not to blame
        holds = client.holds(*METAL)
        if holds is not None and asked_ns > killed_ns + lease_s * S:
            stale.append(asked_ns - killed_ns)
        return holds is None

    ros_context.spin_until(unknown, 20)
    assert not stale
    assert "is over" in client.trouble() or "no snapshot" in client.trouble()
    start_publisher(lease_s)
    ros_context.spin_until(lambda: client.holds(*METAL), 30)
    assert client.view.snapshot is not None and client.view.snapshot.stamp_ns > killed_ns


def test_a_publisher_that_leaves_is_seen_before_its_lease_ends(
    ros_context: Any, client: PredicateClient
) -> None:
    node = ros_context.create_node("material")
    publisher = node.create_publisher(PredicateArray, "predicates", profile(topics.PREDICATES))
    publisher.publish(array(9, now_ns(node)))
    ros_context.spin_until(lambda: client.holds(*METAL))
    node.destroy_publisher(publisher)
    ros_context.spin_until(lambda: client.holds(*METAL) is None, what="that it left")
    again = node.create_publisher(PredicateArray, "predicates", profile(topics.PREDICATES))
    again.publish(array(1, now_ns(node)))
    ros_context.spin_until(lambda: client.holds(*METAL), what="a successor that counts from 1")


def test_changes_are_told_once_and_so_is_the_end_of_a_lease(
    ros_context: Any, client: PredicateClient, publisher: Any
) -> None:
    told: list[State] = []
    client.on_change(lambda facts: told.extend(fact.state for fact in facts))
    for sequence in (1, 2):
        publisher.publish(array(sequence, now_ns(ros_context.helper)))
    ros_context.spin_until(lambda: client.view.snapshot and client.view.snapshot.sequence == 2)
    assert told == [State.TRUE]
    publisher.publish(array(3, now_ns(ros_context.helper), lease_s=0.5, state=Predicate.FALSE))
    ros_context.spin_until(lambda: State.UNKNOWN in told)
    assert told in ([State.TRUE, State.FALSE, State.UNKNOWN], [State.TRUE, State.UNKNOWN])


def test_waiting(ros_context: Any, client: PredicateClient, publisher: Any) -> None:
    until_true = client.wait_for(*METAL)
    until_known = client.wait_for(*METAL, wanted=(True, False))
    at_once = client.wait_for(*METAL, wanted=(None,))
    in_vain = client.wait_for("is_hollow", "mug", timeout_s=0.0)
    assert at_once.done() and at_once.result() is None
    ros_context.spin_until(in_vain.done)
    assert in_vain.result() is None and not until_true.done()
    publisher.publish(array(1, now_ns(ros_context.helper), state=Predicate.FALSE))
    ros_context.spin_until(until_known.done)
    assert until_known.result() is False and not until_true.done()
    publisher.publish(array(2, now_ns(ros_context.helper)))
    ros_context.spin_until(until_true.done)
    assert until_true.result() is True


def test_time_that_stands_still_or_is_not_there(ros_context: Any, publisher: Any) -> None:
    ticking = ros_context.create_node("clock")
    clock = ticking.create_publisher(Clock, "/clock", 10)
    node = ros_context.create_node("planner", parameter_overrides=[Parameter("use_sim_time", value=True)])
    client = PredicateClient(node, clock_stall_s=1.0)
    time_ns = [100 * S]

    def tick() -> None:
        time_ns[0] += S // 100
        clock.publish(Clock(clock=to_stamp(time_ns[0])))

    publisher.publish(array(1, time_ns[0]))
    ros_context.spin_until(lambda: client.view.snapshot)
    assert client.holds(*METAL) is None, "a planner without /clock lives in 1970"

    def holds() -> bool:
        tick()
        return client.holds(*METAL) is True

    ros_context.spin_until(holds)
    ros_context.spin_until(
        lambda: client.holds(*METAL) is None, what="the simulator ended, and /clock with it"
    )
    assert "stands still" in client.trouble()
    assert [fact.state for fact in client.facts()] == [State.UNKNOWN]
    ros_context.spin_until(holds)


def test_a_snapshot_that_contradicts_itself_is_not_believed(
    ros_context: Any, client: PredicateClient, publisher: Any
) -> None:
    message = array(1, now_ns(ros_context.helper))
    message.predicates = [*message.predicates, *message.predicates]
    publisher.publish(message)
    ros_context.spin_until(lambda: "twice" in client.trouble())
    assert client.holds(*METAL) is None
    publisher.publish(array(2, now_ns(ros_context.helper)))
    ros_context.spin_until(lambda: client.holds(*METAL))
    assert client.trouble() == ""


def test_publishers_that_cannot_be_trusted_are_named(
    ros_context: Any, client: PredicateClient, publisher: Any
) -> None:
    bag = ros_context.create_node("player").create_publisher(
        PredicateArray, "predicates", QoSProfile(depth=5)
    )
    ros_context.spin_until(lambda: "2 publishers (/material, /player)" in client.trouble())
    assert bag.get_subscription_count() == 0, "volatile, so that nothing of it is received"
    next(n for n in ros_context.nodes if n.get_name() == "material").destroy_publisher(publisher)
    ros_context.spin_until(lambda: "/player offers less" in client.trouble(), what=client.trouble())


def test_lists_and_questions_and_refusals(ros_context: Any, client: PredicateClient) -> None:
    node = ros_context.create_node("material")
    asked: list[Any] = []

    def listed(request: Any, response: Any) -> Any:
        asked.append(request)
        if "no_such" in request.names:
            response.error_code = ListPredicates.Response.ERROR_UNKNOWN_NAME
            response.error_msg = "no predicate is called no_such"
        response.predicates = [
            PredicateDescription(
                name="is_hollow",
                parameters=["x"],
                parameter_types=["object"],
                observed_by=["tap"],
                observation_cost=4.0,
            )
        ]
        return response

    def got(request: Any, response: Any) -> Any:
        asked.append(request)
        response.predicates = array(5, now_ns(node))
        return response

    node.create_service(ListPredicates, "material/list_predicates", listed)
    node.create_service(GetPredicates, "material/get_predicates", got)
    future = client.list()
    ros_context.spin_until(future.done)
    (told,) = future.result()
    assert (told.name, told.parameters, told.parameter_types) == ("is_hollow", ("x",), ("object",))
    assert told.observed_by == ("tap",) and told.observation_cost_s == 4.0
    refused = client.list("no_such")
    ros_context.spin_until(refused.done)
    with pytest.raises(AskedError, match="no_such") as caught:
        refused.result()
    assert caught.value.code == ListPredicates.Response.ERROR_UNKNOWN_NAME
    future = client.get([METAL[0]], [METAL[1]], least_confidence=0.5, greatest_age_s=60.0)
    ros_context.spin_until(future.done)
    (fact,) = future.result().facts
    assert fact.state is State.TRUE and fact.confidence == pytest.approx(0.9)
    assert asked[-1].least_confidence == pytest.approx(0.5) and asked[-1].greatest_age == 60.0
    assert client.view.snapshot is None, "an answer to a question is no snapshot"


def test_a_planners_own_thread_waits_for_answers(
    ros_context: Any, client: PredicateClient, publisher: Any
) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(lambda: answer(client.wait_for(*METAL), 100.0))
        in_vain = client.wait_for("is_hollow", "mug")
        with pytest.raises(AskedError, match="another thread"):
            answer(in_vain, 0.05)
        in_vain.cancel()
        with pytest.raises(AskedError, match="cancelled"):
            answer(in_vain, 30.0)
        publisher.publish(array(1, now_ns(ros_context.helper)))
        ros_context.spin_until(waiting.done)
        assert waiting.result() is True


def test_nobody_there(ros_context: Any) -> None:
    client = PredicateClient(ros_context.create_node("planner"), "/elsewhere", patience_s=0.3)
    future = client.list()
    ros_context.spin_until(future.done)
    with pytest.raises(AskedError, match="/elsewhere/material/list_predicates is not there"):
        future.result()


def test_observing(ros_context: Any, client: PredicateClient) -> None:
    goals: list[Any] = []

    def execute(handle: Any) -> Any:
        goals.append(handle)
        if handle.is_cancel_requested:
            handle.canceled()
            return Observe.Result(error_code=Observe.Result.ERROR_CANCELLED, error_msg="cancelled")
        handle.publish_feedback(Observe.Feedback(stage="touching", contacts=1))
        handle.succeed()
        if handle.request.predicate == "is_hollow":
            return Observe.Result(
                error_code=Observe.Result.ERROR_NO_ROBOT, error_msg="nobody serves make_contact"
            )
        result = Observe.Result(contacts=2, duration=1.5)
        result.predicate = array(1, now_ns(ros_context.helper)).predicates[0]
        if handle.request.most_contacts == 1:
            result.error_code, result.error_msg = Observe.Result.ERROR_BUDGET, "1 contact was not enough"
            result.predicate.state = Predicate.UNKNOWN
        return result

    server = ActionServer(
        ros_context.create_node("contact_advisor"),
        Observe,
        "contact_advisor/observe",
        execute,
        cancel_callback=lambda goal: CancelResponse.ACCEPT,
        goal_callback=lambda goal: GoalResponse.REJECT if not goal.predicate else GoalResponse.ACCEPT,
    )
    try:
        stages: list[str] = []
        future = client.observe(
            *METAL, least_confidence=0.8, budget_s=9.0, feedback=lambda f: stages.append(f.stage)
        )
        ros_context.spin_until(lambda: future.done() and stages)
        observed = future.result()
        assert (observed.fact.state, observed.contacts, observed.duration_s) == (State.TRUE, 2, 1.5)
        assert stages == ["touching"] and goals[0].request.budget == 9.0
        assert list(goals[0].request.arguments) == ["mug"]
        in_vain = client.observe(*METAL, most_contacts=1)
        ros_context.spin_until(in_vain.done)
        assert in_vain.result().fact.state is State.UNKNOWN and "not enough" in in_vain.result().error_msg
        for predicate, text in (("is_hollow", "make_contact"), ("", "rejected")):
            failed = client.observe(predicate, "mug")
            ros_context.spin_until(failed.done)
            with pytest.raises(AskedError, match=text):
                failed.result()
    finally:
        server.destroy()


def test_who_cancels_the_future_ends_the_observation(ros_context: Any, client: PredicateClient) -> None:
    began, gate = [], Future()

    async def execute(handle: Any) -> Any:
        began.append(handle)
        await gate
        handle.canceled()
        return Observe.Result(error_code=Observe.Result.ERROR_CANCELLED, error_msg="cancelled")

    def cancel(handle: Any) -> CancelResponse:
        gate.set_result(None)
        return CancelResponse.ACCEPT

    server = ActionServer(
        ros_context.create_node("contact_advisor"),
        Observe,
        "contact_advisor/observe",
        execute,
        cancel_callback=cancel,
    )
    try:
        future = client.observe(*METAL)
        ros_context.spin_until(lambda: began)
        future.cancel()
        ros_context.spin_until(gate.done)
        ros_context.spin_until(lambda: began[0].status == GoalStatus.STATUS_CANCELED)
        assert future.cancelled() and not future.done()
    finally:
        server.destroy()


def test_a_server_that_does_not_answer(ros_context: Any) -> None:
    client = PredicateClient(ros_context.create_node("planner"), patience_s=0.3)
    never_spun = rclpy.create_node("material")
    try:
        never_spun.create_service(
            ListPredicates, "material/list_predicates", lambda request, response: response
        )
        future = client.list()
        ros_context.spin_until(future.done)
        with pytest.raises(AskedError, match=r"list_predicates (does not answer|is not there)"):
            future.result()
    finally:
        never_spun.destroy_node()
        client.destroy()
