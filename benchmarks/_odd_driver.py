"""A robot's drivers: a recording published again, with one of the odd choices. Run by ``benchmarks.odd_drivers``.

    python -m benchmarks._odd_driver BAG CHOICE

Prints a line of JSON when it begins, with what has to be added to times of the recording, and one at its end.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message

from benchmarks._odd_choices import CHOICES, MIC, Event, Events
from foley_common import topics
from foley_common.times import NS_PER_S
from foley_perception.recording.bag import Bag
from foley_ros import qos
from foley_ros.topics import message_class

_SIM = ("/sim/",)
_LATCHED = {"/" + t.name.lstrip("/") for t in topics.TOPICS if t.qos in ("latched", "tf_static")}


def recorded(path: str) -> Events:
    """Messages of the robot, in order of time."""
    bag, events = Bag(path), []
    for message in bag.messages():
        if not message.topic.startswith(_SIM):
            kind = message_class(bag.topics[message.topic].type)
            events.append(
                Event(message.log_time, message.topic, deserialize_message(bytes(message.data), kind))
            )
    bag.close()
    return sorted(events, key=lambda e: e.time_ns)


def moved(message: Any, by_ns: int) -> bytes:
    """A message in serialised form, with stamps moved; those that are 0 stay."""
    if hasattr(message, "transforms"):
        for transform in message.transforms:
            _move(transform.header.stamp, by_ns)
        return bytes(serialize_message(message))
    data = bytearray(serialize_message(message))
    if hasattr(message, "header"):
        seconds, nanoseconds = struct.unpack_from("<iI", data, 4)
        if seconds or nanoseconds:
            struct.pack_into("<iI", data, 4, *divmod(seconds * NS_PER_S + nanoseconds + by_ns, NS_PER_S))
    return bytes(data)


def _move(stamp: Any, by_ns: int) -> None:
    if stamp.sec or stamp.nanosec:
        stamp.sec, stamp.nanosec = divmod(stamp.sec * NS_PER_S + stamp.nanosec + by_ns, NS_PER_S)


def profile(event: Event) -> QoSProfile:
    latched = event.topic in _LATCHED and event.reliable
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=qos.STATE.depth if event.topic != MIC else qos.AUDIO.depth,
        reliability=ReliabilityPolicy.RELIABLE if event.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def main() -> int:
    path, name = sys.argv[1:3]
    choice = next(c for c in CHOICES if c.name == name)
    events = sorted(choice.change(recorded(path)), key=lambda e: e.time_ns)
    rclpy.init()
    nodes: dict[int, Node] = {}
    publishers: dict[tuple[str, int], Any] = {}
    for event in events:
        key = event.topic, event.driver
        if key not in publishers:
            if event.driver not in nodes:
                nodes[event.driver] = Node(f"driver_{event.driver}")
            publishers[key] = nodes[event.driver].create_publisher(
                type(event.message), event.topic, profile(event)
            )
    matched = publishers[MIC, 0]
    waited = time.monotonic()
    while matched.get_subscription_count() < 1 and time.monotonic() - waited < 20.0:
        time.sleep(0.05)
    time.sleep(1.0)  # the others' discovery, as a robot's drivers run before anybody listens
    begin_ns = time.time_ns() + NS_PER_S
    by_ns = begin_ns - events[0].time_ns
    sys.stdout.write(
        json.dumps({"by_ns": by_ns, "seconds": (events[-1].time_ns - events[0].time_ns) / NS_PER_S}) + "\n"
    )
    sys.stdout.flush()
    worst = 0.0
    for event in events:
        data, due_ns = moved(event.message, by_ns), event.time_ns + by_ns
        wait_s = (due_ns - time.time_ns()) / NS_PER_S
        if wait_s > 0:
            time.sleep(wait_s)
        worst = max(worst, (time.time_ns() - due_ns) / NS_PER_S)
        publishers[event.topic, event.driver].publish(data)
    time.sleep(2.0)
    sys.stdout.write(json.dumps({"sent": len(events), "latest_ms": round(1e3 * worst, 1)}) + "\n")
    for node in nodes.values():
        node.destroy_node()
    rclpy.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
