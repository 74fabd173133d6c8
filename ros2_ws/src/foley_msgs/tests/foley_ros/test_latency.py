"""Stamps of what a node is handed, moved back by the latency of what made it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

pytest.importorskip("rclpy")
from geometry_msgs.msg import PoseStamped, TransformStamped, WrenchStamped
from rclpy.parameter import Parameter
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from foley_common import topics
from foley_ros import qos
from foley_ros.node import FoleyNode
from foley_ros.polling import Poller
from foley_ros.raw import stamp_ns

pytestmark = pytest.mark.nodes


@dataclasses.dataclass(frozen=True)
class NoConfig:
    pass


class Listener(FoleyNode[NoConfig]):
    """Listens in each way in which nodes do."""

    def __init__(self, **kwargs: Any) -> None:
        self.raw: list[int] = []
        self.polled: list[int] = []
        self.frames: list[int] = []
        super().__init__("listener", NoConfig, **kwargs)

    def setup(self, config: NoConfig) -> None:
        poller = Poller(self.entities, 0.02)
        poller.subscribe(topics.EE_POSE, lambda m: self.raw.append(stamp_ns(m)), raw=True)
        poller.subscribe(topics.WRENCH, lambda m: self.polled.append(_ns(m.header)))
        self.entities.subscribe(topics.TF, lambda m: self.frames.append(_ns(m.transforms[0].header)))


def _ns(header: Header) -> int:
    return int(header.stamp.sec * 10**9 + header.stamp.nanosec)


def _header(sec: int, nanosec: int) -> Header:
    header = Header(frame_id="world")
    header.stamp.sec, header.stamp.nanosec = sec, nanosec
    return header


def test_stamps_come_earlier_by_the_latency_of_their_device(ros_context: Any) -> None:
    given = Parameter("latencies", value=["arm=0.25", "wrench=-0.002"])
    node = ros_context.add(Listener(parameter_overrides=[given]))
    ros_context.transition("listener", "configure", "activate")
    pose = ros_context.helper.create_publisher(PoseStamped, "/ee_pose", qos.STATE)
    wrench = ros_context.helper.create_publisher(WrenchStamped, "/wrench", qos.STATE)
    tf = ros_context.helper.create_publisher(TFMessage, "/tf", qos.STATE)

    def heard() -> bool:
        pose.publish(PoseStamped(header=_header(100, 50_000_000)))
        pose.publish(PoseStamped(header=_header(0, 0)))
        wrench.publish(WrenchStamped(header=_header(100, 50_000_000)))
        tf.publish(TFMessage(transforms=[TransformStamped(header=_header(100, 50_000_000))]))
        return bool(len(node.raw) > 3 and node.polled and node.frames)

    ros_context.spin_until(heard, 20)
    assert set(node.raw) == {99_800_000_000, 0}, "a stamp of 0 says that there is none"
    assert set(node.polled) == {100_052_000_000}
    assert set(node.frames) == {99_800_000_000}


def test_a_device_that_is_not_known_is_refused_with_the_known_ones(ros_context: Any) -> None:
    node = ros_context.add(Listener(parameter_overrides=[Parameter("latencies", value=["mic=0.1"])]))
    with pytest.raises(AssertionError):
        ros_context.transition("listener", "configure")
    assert "`mic` is no device; known are microphone" in node._failure
