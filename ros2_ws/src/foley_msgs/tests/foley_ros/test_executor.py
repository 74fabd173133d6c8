"""Messages and errors that end no node: what comes after them is still heard."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy")
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, WrenchStamped
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import String

from foley_common import topics
from foley_ros.executor import GuardedExecutor
from foley_ros.node import FoleyNode
from foley_ros.polling import Poller

pytestmark = pytest.mark.nodes


@dataclasses.dataclass(frozen=True)
class NoConfig:
    pass


class Listener(FoleyNode[NoConfig]):
    """Listens to a polled topic and to one of the executor's, both of whose callbacks fail at a word of their own, and
    to a polled one as bytes.
    """

    def __init__(self, **kwargs: Any) -> None:
        self.poses: list[str] = []
        self.robots: list[str] = []
        self.forces: list[float] = []
        self.polls = 0
        super().__init__("listener", NoConfig, **kwargs)

    def setup(self, config: NoConfig) -> None:
        poller = Poller(self.entities, 0.02, after=self._polled)
        poller.subscribe(topics.EE_POSE, lambda m: self._take(self.poses, m.header.frame_id))
        poller.subscribe(topics.WRENCH, self._take_bytes, raw=True)
        self.entities.subscribe(topics.ROBOT_DESCRIPTION, lambda m: self._take(self.robots, m.data))

    def _polled(self) -> None:
        self.polls += 1

    def _take_bytes(self, data: bytes) -> None:
        self.forces.append(deserialize_message(data, WrenchStamped).wrench.force.x)

    def _take(self, heard: list[str], word: str) -> None:
        if word.startswith("bad"):
            raise KeyError(word)
        heard.append(word)


@pytest.fixture
def listener(ros_context: Any) -> Iterator[Listener]:
    """Spun by a guarded executor, in turns with the test's own."""
    node = Listener()
    executor = GuardedExecutor(node.failed)
    executor.add_node(node)
    own = ros_context.executor.spin_once

    def both(timeout_sec: float) -> None:
        executor.spin_once(timeout_sec=0.0)
        own(timeout_sec=0.005)

    ros_context.executor.spin_once = both
    ros_context.transition("listener", "configure", "activate")
    yield node
    ros_context.executor.spin_once = own
    executor.shutdown()
    node.destroy_node()


@pytest.mark.parametrize("polled", [True, False], ids=["polled", "dispatched"])
def test_cut_off_messages_and_failing_callbacks_end_nothing(
    ros_context: Any, listener: Listener, polled: bool
) -> None:
    topic = topics.EE_POSE if polled else topics.ROBOT_DESCRIPTION
    kind, heard = (PoseStamped, listener.poses) if polled else (String, listener.robots)

    def message(word: str) -> Any:
        made = kind()
        if polled:
            made.header.frame_id = word
        else:
            made.data = word
        return made

    statuses: list[Any] = []
    ros_context.helper.create_subscription(
        DiagnosticArray, "/diagnostics", lambda m: statuses.extend(m.status), 10
    )
    publisher = ros_context.helper.create_publisher(kind, topic.name, 10)
    ros_context.spin_until(lambda: publisher.get_subscription_count(), what="the match")
    whole = serialize_message(message("x" * 40))
    for bad in (b"", whole[:3], whole[:10], whole[: len(whole) // 2], whole[:4] + b"\xff" * 12):
        with contextlib.suppress(Exception):  # an empty one is refused by the publisher itself
            publisher.publish(bad)
    publisher.publish(message("bad" + "y" * 5000))
    publisher.publish(message("good"))
    ros_context.spin_until(lambda: heard, what="the good one")
    assert heard[-1] == "good" and listener.callback_errors >= 1
    told = ros_context.spin_until(
        lambda: [s for s in statuses if {"callback_errors"} & {v.key for v in s.values}], what="diagnostics"
    )
    assert topic.name in told[-1].message and "KeyError" in told[-1].message
    assert len(told[-1].message) < 2000, "what was quoted is cut short"
    polls = listener.polls
    ros_context.spin_until(lambda: listener.polls > polls + 3, what="timers that go on")


def test_bytes_that_are_cut_off_are_told_and_the_next_are_read(ros_context: Any, listener: Listener) -> None:
    publisher = ros_context.helper.create_publisher(WrenchStamped, topics.WRENCH.name, 100)
    ros_context.spin_until(lambda: publisher.get_subscription_count(), what="the match")
    message = WrenchStamped()
    message.wrench.force.x = 2.5
    whole = serialize_message(message)
    for length in (3, 10, 20, len(whole) - 9):
        publisher.publish(whole[:length])
    publisher.publish(message)
    ros_context.spin_until(lambda: listener.forces, what="the good one")
    assert listener.forces == [2.5] and listener.callback_errors == 4
    assert listener.faults.standing(listener.now_ns())[0].startswith(f"/{topics.WRENCH.name}: refused")


def test_errors_of_the_worker_are_counted(ros_context: Any, listener: Listener) -> None:
    def fail() -> None:
        raise ZeroDivisionError("no")

    listener.start_worker()
    listener.put(fail)
    ros_context.spin_until(lambda: listener.callback_errors == 1)
    listener._free()
