"""Transforms as messages into the buffer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.serialization import serialize_message
from tf2_msgs.msg import TFMessage

from foley_common import topics
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer, TransformUnavailable
from foley_perception.ros.tf import TransformListener, without_times
from foley_ros import convert, qos
from foley_ros.faults import Faults


class Node:
    """Stands for node, entities and poller."""

    def __init__(self) -> None:
        self.of: dict[str, Callable[[Any], None]] = {}
        self.entities = self
        self.faults = Faults()
        self.time_ns = 0

    def subscribe(self, topic: topics.Topic, callback: Callable[[Any], None], *, raw: bool = False) -> None:
        self.of[topic.name] = (lambda m: callback(serialize_message(m))) if raw else callback

    def resolve_topic_name(self, name: str) -> str:
        return name

    def get_publishers_info_by_topic(self, name: str) -> list[Any]:
        return []

    def now_ns(self) -> int:
        return self.time_ns

    def report(self, source: str, what: str, *, serious: bool = False) -> None:
        self.faults.report(source, what, self.time_ns, serious=serious)


def made(child: str, length: float = 1.0, time_ns: int = 0, place: float = 1.0) -> Any:
    rotation = np.array([0.0, 0.0, 0.0, length])
    return convert.arrays_to_transform(np.full(3, place), rotation, time_ns, "tool", child)


@pytest.mark.parametrize("w", [0.0, 1e-13, 1e-200, 1e308, float("inf"), float("nan")])
def test_a_transform_without_rotation_is_refused_and_the_rest_is_taken(w: float) -> None:
    node = Node()
    listener = TransformListener(node, node)  # type: ignore[arg-type]
    node.of[topics.TF_STATIC.name](TFMessage(transforms=[made("broken", w), made("tip")]))
    assert listener.buffer.refused == 1 and listener.buffer.frames() == {"tool", "tip"}
    with pytest.raises(TransformUnavailable):
        listener.buffer.lookup("tool", "finger")
    listener.poll()
    assert "1 transforms" in node.faults.standing(0)[0] and "no rotation" in node.faults.standing(0)[0]
    node.of[topics.TF.name](TFMessage(transforms=[made("broken", w), made("finger")]))
    assert listener.buffer.lookup("tool", "finger").translation.tolist() == [1.0, 1.0, 1.0]
    assert listener.buffer.refused == 2 and "broken" not in listener.buffer.frames()


def test_moving_transforms_are_read_when_something_is_looked_up() -> None:
    node = Node()
    listener = TransformListener(node, node)  # type: ignore[arg-type]
    listener.buffer.missed = 1
    listener.poll()
    for i in range(200):
        node.of[topics.TF.name](TFMessage(transforms=[made("a", time_ns=i * 10**6, place=i)]))
    assert listener.buffer.waiting == 200 and listener.received == 200
    assert listener.buffer.known_until_ns("tool", "a") == 199 * 10**6
    assert listener.buffer.lookup("tool", "a", 50_500_000).translation[0] == pytest.approx(50.5)
    assert listener.buffer.waiting == 0


@pytest.mark.nodes
def test_a_second_robots_static_frames_are_told_and_do_not_move_the_firsts(ros_context: Any) -> None:
    from foley_perception.nodes.hand_mapper import HandMapperNode

    node = ros_context.add(HandMapperNode())
    told: list[DiagnosticStatus] = []
    ros_context.helper.create_subscription(
        DiagnosticArray, "/diagnostics", lambda m: told.extend(m.status), 10
    )
    ros_context.transition("hand_mapper", "configure", "activate")

    def robot(name: str, place: float) -> Any:
        publisher = ros_context.create_node("calibration", namespace=name).create_publisher(
            TFMessage, "/tf_static", qos.TF_STATIC
        )
        publisher.publish(TFMessage(transforms=[made("camera_optical", place=place)]))
        return publisher

    robot("/one", 0.1)
    buffer = node._tf.buffer
    ros_context.spin_until(lambda: "camera_optical" in buffer.frames(), 20)
    robot("/two", 0.4)

    def seen() -> list[DiagnosticStatus]:
        return [s for s in told if "lies in `tool`" in s.message]

    ros_context.spin_until(seen, 20)
    status = seen()[-1]
    assert status.level == DiagnosticStatus.ERROR
    for part in ("(0.100, 0.100, 0.100)", "(0.400, 0.400, 0.400)", "/one/calibration, /two/calibration"):
        assert part in status.message
    assert "frame_prefix" in status.message
    assert buffer.lookup("tool", "camera_optical").translation[0] == pytest.approx(0.1)
    ros_context.transition("hand_mapper", "deactivate", "cleanup")  # its worker would outlive the test


def test_what_tf_lacks_is_said_in_the_same_words_at_every_time() -> None:
    buffer = TransformBuffer()
    buffer.add("world", "base", 5, SE3.identity(), static=False)
    said = set()
    for time_ns in (10**9, 2 * 10**9, -(10**9)):
        with pytest.raises(TransformUnavailable, match=f"asked for {time_ns} ns") as refused:
            buffer.lookup("world", "base", time_ns)
        said.add(without_times(refused.value))
    assert said == {"no transform world <- base: world <- base is not known at the time asked for"}
