"""Subscriptions that meet whatever publishers offer, and what is said where none can."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

pytest.importorskip("rclpy")
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Pose, TransformStamped
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from foley_common import topics
from foley_ros import qos
from foley_ros.node import FoleyNode
from foley_ros.polling import Poller
from foley_ros.topics import message_type

pytestmark = pytest.mark.nodes

BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
POLLED = (topics.MICROPHONE, topics.EE_POSE, topics.WRENCH, topics.JOINT_STATES, topics.TF)
WATCHED = (topics.TF_STATIC, topics.ROBOT_DESCRIPTION, topics.CAMERA)


@dataclasses.dataclass(frozen=True)
class NoConfig:
    pass


class Listener(FoleyNode[NoConfig]):
    """Listens to a topic of each kind, and publishes what a planner reads."""

    def __init__(self, **kwargs: Any) -> None:
        self.heard: dict[str, list[Any]] = {topic.role: [] for topic in (*POLLED, *WATCHED)}
        super().__init__("listener", NoConfig, **kwargs)

    def setup(self, config: NoConfig) -> None:
        poller = Poller(self.entities, 0.02)
        for topic in POLLED:
            poller.subscribe(topic, self.heard[topic.role].append)
        for topic in WATCHED:
            self.entities.subscribe(topic, self.heard[topic.role].append)
        self.entities.publish(topics.PREDICATES)


@pytest.fixture
def listener(ros_context: Any) -> Listener:
    node: Listener = ros_context.add(Listener())
    ros_context.transition("listener", "configure", "activate")
    return node


def publish_until(
    ros_context: Any, listener: Listener, publishers: dict[str, Any], messages: dict[str, Any]
) -> None:
    """Publish until every one of these topics brought something new."""
    before = {role: len(heard) for role, heard in listener.heard.items()}

    def all_heard() -> bool:
        for role, publisher in publishers.items():
            publisher.publish(messages[role])
        return all(len(listener.heard[role]) > before[role] for role in publishers)

    missing = lambda: [role for role in publishers if len(listener.heard[role]) == before[role]]  # noqa: E731
    ros_context.spin_until(all_heard, 20, f"heard of {missing()}")


def test_every_kind_of_subscription_hears_publishers_that_offer_less_and_follows_when_they_change(
    ros_context: Any, listener: Listener
) -> None:
    all_of_them = (*POLLED, *WATCHED)
    messages = {topic.role: message_type(topic)() for topic in all_of_them}
    helper = ros_context.helper
    for offered in (BEST_EFFORT, RELIABLE):  # the second ones come when the first have gone
        publishers = {
            topic.role: helper.create_publisher(message_type(topic), topic.name, offered)
            for topic in all_of_them
        }
        publish_until(ros_context, listener, publishers, messages)
        for publisher in publishers.values():
            helper.destroy_publisher(publisher)
    assert not listener.entities.incompatible()


def test_latched_and_volatile_publishers_of_one_topic_are_both_heard(
    ros_context: Any, listener: Listener
) -> None:
    def named(frame: str) -> TFMessage:
        message = TFMessage()
        message.transforms.append(TransformStamped())
        message.transforms[0].header = Header(frame_id=frame)
        return message

    def frames() -> set[str]:
        return {m.transforms[0].header.frame_id for m in listener.heard["tf_static"]}

    helper = ros_context.helper
    volatile = helper.create_publisher(TFMessage, "/tf_static", BEST_EFFORT)

    def volatile_is_heard() -> bool:
        volatile.publish(named("volatile"))
        return "volatile" in frames()

    ros_context.spin_until(volatile_is_heard, 20)
    # It says it once, before anybody can have met it; a volatile subscription would not get it.
    latched = helper.create_publisher(TFMessage, "/tf_static", LATCHED)
    latched.publish(named("latched"))
    ros_context.spin_until(lambda: "latched" in frames(), 20)
    listener.heard["tf_static"].clear()
    ros_context.spin_until(volatile_is_heard, 20, "both are heard")


def test_a_planner_that_asks_for_more_than_is_offered_and_a_publisher_of_another_type_are_told(
    ros_context: Any, listener: Listener
) -> None:
    told: list[str] = []
    helper = ros_context.helper
    helper.create_subscription(
        DiagnosticArray, "/diagnostics", lambda m: told.append(m.status[0].message), qos.DIAGNOSTICS
    )
    stranger = Context()  # a participant of its own: within one, a topic has one type
    rclpy.init(context=stranger)
    planner = rclpy.create_node("planner", namespace="/robot", context=stranger)
    predicates = message_type(topics.PREDICATES)
    asked = QoSProfile(depth=1, deadline=Duration(seconds=2))
    subscription = planner.create_subscription(predicates, "/predicates", lambda m: None, asked)
    planner.create_publisher(Pose, "/ee_pose", RELIABLE)

    def both_told() -> bool:
        return any("/predicates" in said and "/ee_pose" in said for said in told)

    ros_context.spin_until(both_told, 20)
    said = next(s for s in told if "/predicates" in s and "/ee_pose" in s)
    assert "/robot/planner subscribes with deadline of 2 s, none is offered: it receives nothing" in said
    assert (
        "/robot/planner publishes geometry_msgs/msg/Pose, geometry_msgs/msg/PoseStamped is expected" in said
    )
    planner.destroy_subscription(subscription)
    told.clear()
    ros_context.spin_until(lambda: told and "/predicates" not in told[-1], 20, "it is over")
    planner.destroy_node()
    rclpy.shutdown(context=stranger)


def test_a_profile_that_all_offers_meet() -> None:
    modest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    assert qos.same(qos.fitting(qos.STATE, [qos.STATE]), qos.STATE)
    found = qos.fitting(qos.LATCHED, [qos.LATCHED, modest])
    assert (
        found.reliability == ReliabilityPolicy.BEST_EFFORT and found.durability == DurabilityPolicy.VOLATILE
    )
    assert found.depth == qos.LATCHED.depth


def test_who_comes_late_gets_the_newest_of_what_is_latched(listener: Listener, ros_context: Any) -> None:
    publisher = listener.entities.publish(topics.PREDICATES)
    for sequence in range(1, 5):
        publisher.publish(message_type(topics.PREDICATES)(sequence=sequence))
    got: list[int] = []
    helper = ros_context.create_node("late")
    helper.create_subscription(
        message_type(topics.PREDICATES), "predicates", lambda m: got.append(m.sequence), qos.LATCHED
    )
    ros_context.spin_until(lambda: bool(got), 20, "a snapshot")
    assert got == [4], "not those before it, whose leases are over"


def test_profiles_that_together_hear_all_publishers() -> None:
    assert len(qos.covering(qos.AUDIO, [RELIABLE, BEST_EFFORT])) == 1, "heard twice, samples would be doubled"
    assert [qos.same(found, qos.TF_STATIC) for found in qos.covering(qos.TF_STATIC, [LATCHED])] == [True]
    both = qos.covering(qos.TF_STATIC, [LATCHED, BEST_EFFORT])
    assert qos.same(both[0], LATCHED) and qos.same(both[1], BEST_EFFORT)


@pytest.mark.parametrize(
    ("offered", "asked", "why"),
    [
        (RELIABLE, BEST_EFFORT, ""),
        (BEST_EFFORT, RELIABLE, "reliability reliable, best_effort is offered"),
        (RELIABLE, LATCHED, "durability transient_local, volatile is offered"),
        (LATCHED, RELIABLE, ""),
        (RELIABLE, QoSProfile(depth=1, deadline=Duration(seconds=1)), "deadline of 1 s, none is offered"),
        (QoSProfile(depth=1, deadline=Duration(seconds=1)), RELIABLE, ""),
    ],
)
def test_why_an_offer_does_not_meet_a_request(offered: QoSProfile, asked: QoSProfile, why: str) -> None:
    assert qos.unmet(offered, asked) == why
