"""Subscriptions that meet whatever publishers offer."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

pytest.importorskip("rclpy")
from geometry_msgs.msg import PoseStamped
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from foley_common import topics
from foley_ros import qos
from foley_ros.node import FoleyNode
from foley_ros.polling import Poller

pytestmark = pytest.mark.nodes


@dataclasses.dataclass(frozen=True)
class NoConfig:
    pass


class Listener(FoleyNode[NoConfig]):
    """Listens to a polled topic and to a latched one."""

    def __init__(self, **kwargs: Any) -> None:
        self.poses: list[float] = []
        self.robots: list[str] = []
        super().__init__("listener", NoConfig, **kwargs)

    def setup(self, config: NoConfig) -> None:
        Poller(self.entities, 0.02).subscribe(topics.EE_POSE, lambda m: self.poses.append(m.pose.position.x))
        self.entities.subscribe(topics.ROBOT_DESCRIPTION, lambda m: self.robots.append(m.data))


@pytest.mark.parametrize("reliable", [True, False])
def test_reliable_and_best_effort_publishers_are_heard(ros_context: Any, reliable: bool) -> None:
    node = ros_context.add(Listener())
    ros_context.transition("listener", "configure", "activate")
    how = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    pose = ros_context.helper.create_publisher(PoseStamped, "/ee_pose", QoSProfile(depth=10, reliability=how))
    robot = ros_context.helper.create_publisher(
        String, "/robot_description", QoSProfile(depth=1, durability=DurabilityPolicy.VOLATILE)
    )

    def heard() -> bool:
        message = PoseStamped()
        message.pose.position.x = 2.5
        pose.publish(message)
        robot.publish(String(data="<robot/>"))
        return bool(node.poses and node.robots)

    ros_context.spin_until(heard, 20)
    assert node.poses[-1] == 2.5 and node.robots[-1] == "<robot/>"
    assert not node.entities.adapt(), "it fits"


def test_a_profile_that_all_offers_meet() -> None:
    modest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    assert qos.same(qos.fitting(qos.STATE, [qos.STATE]), qos.STATE)
    found = qos.fitting(qos.LATCHED, [qos.LATCHED, modest])
    assert (
        found.reliability == ReliabilityPolicy.BEST_EFFORT and found.durability == DurabilityPolicy.VOLATILE
    )
    assert found.depth == qos.LATCHED.depth
