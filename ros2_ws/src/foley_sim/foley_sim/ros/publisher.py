"""Publishes serialised messages and keeps the account of what was sent."""

from __future__ import annotations

import collections
import threading
from collections.abc import Sequence
from typing import Any

import yaml
from rclpy.node import Node
from std_msgs.msg import String

from foley_sim.ros import topics
from foley_sim.ros.encode import Outgoing
from foley_sim.ros.topics import Topic


class Publisher:
    """All publishers of the simulated robot. Any thread may send."""

    def __init__(self, node: Node, published: Sequence[Topic] = topics.ALL) -> None:
        self._node = node
        self._publishers = {t.name: node.create_publisher(t.type, t.name, t.qos) for t in published}
        self._lock = threading.Lock()
        self._recent: dict[str, collections.deque[int]] = {
            t.name: collections.deque() for t in published if t.counted
        }
        self._settled = dict.fromkeys(self._recent, 0)
        self.sent = dict.fromkeys(self._publishers, 0)

    def send(self, message: Outgoing) -> None:
        self._publishers[message.topic.name].publish(message.data)
        with self._lock:
            self.sent[message.topic.name] += 1
            if message.topic.counted:
                self._recent[message.topic.name].append(message.stamp_ns)

    def account(self, until_ns: int, sim_time_s: float) -> None:
        """Publish on `sim/sent` how many messages with a stamp up to ``until_ns`` were sent on each topic.

        Choose a time so far back that everything stamped before it has left: then a receiver that counts by stamp
        between two accounts finds its losses exactly.
        """
        with self._lock:
            for name, stamps in self._recent.items():
                while stamps and stamps[0] <= until_ns:
                    stamps.popleft()
                    self._settled[name] += 1
            counts = dict(self._settled)
        text = yaml.safe_dump(
            {"time_ns": until_ns, "sim_time_s": round(sim_time_s, 6), "topics": counts}, sort_keys=False
        )
        self._publishers[topics.SENT.name].publish(String(data=text))
        with self._lock:
            self.sent[topics.SENT.name] += 1

    def destroy(self) -> None:
        publishers: list[Any] = list(self._publishers.values())
        self._publishers.clear()
        for publisher in publishers:
            self._node.destroy_publisher(publisher)
