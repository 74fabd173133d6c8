"""PlanSys2's problem expert believes what Foley does, over real middleware and with the fields of its own services.

Expert and mirror are processes of their own, in an overlay that holds the definitions (`foreign_overlay`).
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")
from std_msgs.msg import String

from foley_bringup.planners.optional import PlannerMissingError
from foley_common import topics
from foley_msgs.msg import Predicate, PredicateArray
from foley_ros import qos
from foley_ros.convert import to_stamp
from foley_ros.topics import profile

pytestmark = pytest.mark.nodes
HERE = Path(__file__).parent


def _overlay() -> Any:
    spec = importlib.util.spec_from_file_location("foreign_overlay", HERE / "foreign_overlay.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def processes(ros_context: Any) -> Iterator[list[subprocess.Popen[bytes]]]:
    try:
        environment = _overlay().environment("plansys2")
    except (RuntimeError, FileNotFoundError) as error:
        pytest.skip(f"the overlay cannot be built: {str(error)[:300]}")
    running = [
        subprocess.Popen([sys.executable, str(HERE / "fake_problem_expert.py"), what], env=environment)
        for what in ("expert", "mirror")
    ]
    yield running
    for process in running:
        process.kill()
        process.wait(60)


@pytest.mark.long
def test_the_problem_follows_what_is_known(
    ros_context: Any, processes: list[subprocess.Popen[bytes]]
) -> None:
    node = ros_context.create_node("material")
    publisher = node.create_publisher(PredicateArray, "predicates", profile(topics.PREDICATES))
    heard: dict[str, Any] = {}
    for name in ("problem", "report"):
        node.create_subscription(
            String, name, lambda m, name=name: heard.__setitem__(name, json.loads(m.data)), qos.LATCHED
        )
    sequence = 0

    def publish(lease_s: float = 1e4, **states: int) -> None:
        nonlocal sequence
        sequence += 1
        now_ns = node.get_clock().now().nanoseconds
        message = PredicateArray(sequence=sequence)
        message.header.stamp = to_stamp(now_ns)
        for name, state in states.items():
            one = Predicate(name=name, arguments=["Mug 1"], state=state, probability=0.9)
            one.valid_until = to_stamp(now_ns + round(lease_s * 1e9))
            message.predicates.append(one)
        publisher.publish(message)

    def holds(*predicates: str) -> None:
        wanted = sorted((*predicates, "robot_at dock"))
        ros_context.spin_until(
            lambda: heard.get("problem", {}).get("predicates") == wanted, 30, f"{wanted}, {heard}"
        )

    publish(is_made_of_metal=Predicate.TRUE, was_hit=Predicate.TRUE)
    holds("is_made_of_metal mug_1")
    assert heard["problem"]["instances"] == {"mug_1": "thing"}
    publish(is_made_of_metal=Predicate.UNKNOWN)
    holds("unknown_is_made_of_metal mug_1")
    publish(is_made_of_metal=Predicate.FALSE)
    holds()
    publish(is_made_of_metal=Predicate.TRUE, lease_s=1.5)
    holds("is_made_of_metal mug_1")
    holds("unknown_is_made_of_metal mug_1")  # its lease ended, and nobody published again
    assert heard["problem"]["history"] == [
        "begin",
        "add mug_1",
        "add is_made_of_metal mug_1",
        "add unknown_is_made_of_metal mug_1",
        "remove is_made_of_metal mug_1",
        "remove unknown_is_made_of_metal mug_1",
        "add is_made_of_metal mug_1",
        "add unknown_is_made_of_metal mug_1",
        "remove is_made_of_metal mug_1",
    ], "each is told once"
    publish(is_made_of_metal=Predicate.FALSE, is_hollow=Predicate.TRUE)
    holds("is_hollow mug_1")
    ros_context.spin_until(lambda: any("unknown_is_hollow" in t for t in heard["report"][1]), 30)


def test_without_plansys2_the_cure_is_told(ros_context: Any) -> None:
    from foley_bringup.ros.plansys2 import ProblemExpert
    from foley_ros.predicate_client import PredicateClient

    if importlib.util.find_spec("plansys2_msgs") is not None:
        pytest.skip("plansys2_msgs is installed here")
    node = ros_context.create_node("planner")
    with pytest.raises(PlannerMissingError, match="ros-jazzy-plansys2-msgs"):
        ProblemExpert(node, PredicateClient(node))
