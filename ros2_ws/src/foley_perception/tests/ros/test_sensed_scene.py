"""What is sensed beside sound, without middleware: messages in, histories and problems out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.serialization import serialize_message
from sensor_msgs.msg import JointState
from tf2_msgs.msg import TFMessage

from foley_common import topics
from foley_perception.geometry.se3 import SE3
from foley_perception.ros.sensed_scene import SensedScene
from foley_perception.scene.sensing import SensingConfig
from foley_ros import convert
from foley_ros.faults import Faults

S = 1_000_000_000
MS = S // 1000
T0 = 10 * S
UPRIGHT = np.array([0.0, 0.0, 0.0, 1.0])


class Node:
    """Stands for node, entities and poller: whoever subscribes is handed what :meth:`send` is given."""

    def __init__(self, **config: Any) -> None:
        self.entities = self
        self.time_ns = T0
        self.logged: list[str] = []
        self.faults = Faults(self.logged.append)
        self.published: set[str] = set()
        self._callbacks: dict[str, Callable[[Any], None]] = {}
        self.scene = SensedScene(self, self, SensingConfig(**config))  # type: ignore[arg-type]

    def subscribe(self, topic: topics.Topic, callback: Callable[[Any], None], *, raw: bool = False) -> str:
        self._callbacks[topic.name] = (lambda m: callback(serialize_message(m))) if raw else callback
        return topic.name

    def unsubscribe(self, subscription: str) -> None:
        del self._callbacks[subscription]

    def resolve_topic_name(self, topic: str, *, only_expand: bool = False) -> str:
        return f"/robot/{topic}"

    def count_publishers(self, topic_name: str) -> int:
        return int(topic_name in self.published)

    def now_ns(self) -> int:
        return self.time_ns

    def report(self, source: str, what: str) -> None:
        self.faults.report(source, what, self.time_ns)

    def send(self, topic: topics.Topic, message: Any) -> None:
        self._callbacks[topic.name](message)

    def pose(self, time_ns: int, frame: str = "world") -> None:
        message: PoseStamped = convert.pose_stamped(np.array([0.0, 0.0, 0.5]), UPRIGHT, time_ns, frame)
        self.send(topics.EE_POSE, message)

    def joints(self, time_ns: int, **positions: float) -> None:
        message = JointState(header=convert.header(time_ns, ""), name=list(positions))
        message.position = list(positions.values())
        self.send(topics.JOINT_STATES, message)

    def transform(self, topic: topics.Topic, parent: str, child: str, time_ns: int, height: float) -> None:
        place = np.array([0.0, 0.0, height])
        made = convert.arrays_to_transform(place, UPRIGHT, time_ns, parent, child)
        self.send(topic, TFMessage(transforms=[made]))


def test_the_width_is_known_where_arm_and_gripper_publish_apart() -> None:
    node = Node(gripper=True)
    # The arm at 500 Hz comes after 1 ms, the gripper at 50 Hz after 4 ms.
    sent = [(t + MS, t, "arm") for t in range(T0, T0 + S, 2 * MS)]
    sent += [(t + 4 * MS, t, "gripper_width") for t in range(T0, T0 + S, 20 * MS)]
    for _, time_ns, name in sorted(sent):
        node.joints(time_ns, **{name: 0.02})
    times, widths = node.scene.widths.all()
    assert times.tolist() == list(range(T0, T0 + S, 20 * MS))
    np.testing.assert_allclose(np.stack(widths), 0.02)


def test_a_width_that_nobody_tells_is_a_problem() -> None:
    node = Node(gripper=True)

    def told() -> bool:
        said = "joint `gripper_width` of the hand `parallel_gripper` was "
        return any(said in problem for problem in node.scene.problems())

    for i in range(300):
        node.time_ns = T0 + i * 10 * MS
        node.joints(node.time_ns, arm=0.1)
    assert told()
    node.joints(node.time_ns, arm=0.1, gripper_width=0.02)
    assert not told()
    node.time_ns += 3 * S
    assert told(), "it ceased"
    blind = Node(gripper=False)
    blind.time_ns += 10 * S
    assert not any("width" in problem for problem in blind.scene.problems()), "who needs none"


def test_a_tip_that_comes_late_leaves_no_step_in_the_motion() -> None:
    node = Node()
    for i in range(100):
        node.time_ns = T0 + i * 4 * MS
        node.pose(node.time_ns)
        if i == 50:
            heights = node.scene.tips.series(T0, node.time_ns)[1][:, 2]
            assert (heights == 0.5).all() and any("tool point" in p for p in node.scene.problems())
        if i == 60:
            node.transform(topics.TF_STATIC, "tool", "tip", T0, 0.15)
    heights = node.scene.tips.series(T0, node.time_ns)[1][:, 2]
    assert len(heights) == 100 and (heights == 0.5 + 0.15).all()


def test_poses_looked_at_before_their_frame_was_known_are_not_lost_and_do_not_flood_the_log() -> None:
    node = Node()
    node.transform(topics.TF_STATIC, "tool", "tip", T0, 0.0)
    for i in range(100):
        node.pose(T0 + i * 4 * MS, "base")
    for _ in range(3):
        assert not len(node.scene.tips.series(T0, T0 + S)[0])
    node.scene.poll()  # tf was asked in vain: it is listened to from now on
    node.transform(topics.TF, "world", "base", T0 - S, 0.2)  # known, but of another time
    assert not len(node.scene.tips.series(T0, T0 + S)[0])
    assert len(node.logged) == 2, "one for each reason: not connected, and not at that time"
    assert all("world <- base" in line for line in node.logged)
    for i in range(100):
        node.transform(topics.TF, "world", "base", T0 + i * 4 * MS, 0.2)
    tips = node.scene.tips.series(T0, T0 + S)[1]
    assert len(tips) == 100
    np.testing.assert_allclose(tips[:, 2], 0.7)


def test_another_thread_is_never_told_a_tip_that_is_still_being_looked_up(monkeypatch: Any) -> None:
    node = Node()
    node.transform(topics.TF_STATIC, "tool", "tip", T0, 0.15)
    lookup, looking, go_on = node.scene.lookup, threading.Event(), threading.Event()

    def slow(*args: Any) -> SE3:
        if threading.current_thread() is not threading.main_thread():
            looking.set()
            assert go_on.wait(20.0)
        return lookup(*args)

    monkeypatch.setattr(node.scene, "lookup", slow)
    other = threading.Thread(target=node.scene.tx_tool_tip)
    other.start()
    try:
        assert looking.wait(20.0)
        assert node.scene.tx_tool_tip().translation[2] == 0.15
    finally:
        go_on.set()
        other.join()
