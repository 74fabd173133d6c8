"""Watching a running system: every topic that could be of use, as its publishers offer it, for some seconds."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription

from foley_perception.recording import definitions
from foley_perception.robot.facts import LOOKED_INTO
from foley_perception.robot.seen import Offer
from foley_perception.robot.watch import Watch, Watched
from foley_ros import qos
from foley_ros.polling import UnwatchedGroup
from foley_ros.topics import message_class

_POLL_S = 0.01
_LOOK_S = 0.5  # between looks at the graph
_DISCOVERY_S = 4.0  # until all publishers are known


def watch_graph(
    seconds: float, *, use_sim_time: bool = False, told: Callable[[float], None] = lambda seconds: None
) -> Watched:
    """What is published now; ends ``seconds`` after the first message, and after the last topic that was found.

    Args:
        use_sim_time: stamps are held against /clock.
        told: is called with the seconds that have passed.
    """
    context = rclpy.Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    try:
        arguments = ["--ros-args", "-p", "use_sim_time:=true"] if use_sim_time else []
        node = Node("foley_robot", context=context, cli_args=arguments, start_parameter_services=False)
        graph = _Graph(node)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        began = since = time.monotonic()
        heard, looked = False, 0.0
        while True:
            now = time.monotonic()
            if now - looked >= _LOOK_S:
                looked = now
                if graph.look():
                    since = now
            if graph.poll() and not heard:
                heard, since = True, now
            late = now - began >= _DISCOVERY_S  # nothing will come any more
            if (now - since >= seconds and (heard or late)) or now - began >= 3 * seconds + _DISCOVERY_S:
                break
            told(now - since)
            executor.spin_once(timeout_sec=_POLL_S)
        result = graph.result(seconds)
        executor.shutdown()
        node.destroy_node()
        return result
    finally:
        rclpy.try_shutdown(context=context)


class _Graph:
    """Topics of the graph, subscribed to as raw bytes."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._watch = Watch()
        self._group = UnwatchedGroup()
        self._subscriptions: dict[str, list[Subscription]] = {}
        self._classes: dict[str, Any] = {}
        self._offers: dict[str, list[Offer]] = {}
        self._silent: dict[str, tuple[str, bool]] = {}
        # Where ROS time is simulated the middleware's own times mean nothing.
        self._system_time = not node.get_parameter("use_sim_time").value

    def look(self) -> bool:
        """Subscribe to what is new, and anew where publishers offer less than was asked for. Whether there was any."""
        new = False
        for name, kinds in self._node.get_topic_names_and_types():
            publishers = self._node.get_publishers_info_by_topic(name)
            if not publishers:
                continue
            kind = publishers[0].topic_type or kinds[0]
            profiles = [p.qos_profile for p in publishers]
            self._offers[name] = [
                Offer(p.reliability.name.lower(), p.durability.name.lower()) for p in profiles
            ]
            self._silent.setdefault(name, (kind, kind not in LOOKED_INTO or self._class(kind) is not None))
            if kind not in LOOKED_INTO or self._class(kind) is None:
                continue
            # As much as any offers: a reliable or latched one beside others is heard by what all meet.
            wanted = QoSProfile(
                history=HistoryPolicy.KEEP_LAST,
                depth=200,
                reliability=ReliabilityPolicy.RELIABLE,
                durability=DurabilityPolicy.TRANSIENT_LOCAL,
            )
            fitting = qos.covering(wanted, profiles)
            before = self._subscriptions.get(name, [])
            if len(before) == len(fitting) and all(
                qos.same(profile, one.qos_profile) for profile, one in zip(fitting, before, strict=True)
            ):
                continue
            for one in before:
                self._node.destroy_subscription(one)
            if not self._watch.knows(name):
                self._watch.add_topic(name, kind, definitions.find(kind).text)
            new = True
            self._subscriptions[name] = [
                self._node.create_subscription(
                    self._class(kind), name, _never_called, profile, raw=True, callback_group=self._group
                )
                for profile in fitting
            ]
        return new

    def poll(self) -> int:
        """Take what has come."""
        taken = 0
        now = int(self._node.get_clock().now().nanoseconds)
        for name, subscription in [(n, s) for n, each in self._subscriptions.items() for s in each]:
            with subscription.handle:
                while (message := subscription.handle.take_message(subscription.msg_type, True)) is not None:
                    data, info = message
                    arrival = int(info["received_timestamp"] or now) if self._system_time else now
                    kind = subscription.msg_type
                    self._watch.add(name, data, arrival, functools.partial(deserialize_message, data, kind))
                    taken += 1
        return taken

    def result(self, seconds: float) -> Watched:
        return self._watch.result(
            "the running system", seconds, offers=self._offers, silent=self._silent, live=True
        )

    def _class(self, kind: str) -> Any:
        """The class of a message type; None where it is not installed."""
        if kind not in self._classes:
            try:
                self._classes[kind] = message_class(kind)
                definitions.find(kind)
            except (ModuleNotFoundError, AttributeError, ValueError):
                self._classes[kind] = None
        return self._classes[kind]


def _never_called(data: bytes) -> None:
    """The callback of a subscription that is polled."""
