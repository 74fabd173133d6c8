"""A publisher of one TRUE predicate with a lease, in a process of its own, so that it can be killed.

python predicate_publisher.py LEASE_S
"""

from __future__ import annotations

import sys

import rclpy

from foley_common import topics
from foley_msgs.msg import Predicate, PredicateArray
from foley_ros.convert import to_stamp
from foley_ros.topics import profile


def main() -> None:
    lease_ns = round(float(sys.argv[1]) * 1e9)
    rclpy.init()
    node = rclpy.create_node("material")
    publisher = node.create_publisher(PredicateArray, "predicates", profile(topics.PREDICATES))
    sequence = 0

    def publish() -> None:
        nonlocal sequence
        sequence += 1
        now_ns = node.get_clock().now().nanoseconds
        metal = Predicate(name="is_made_of_metal", arguments=["mug"], probability=0.9, state=Predicate.TRUE)
        metal.newest_evidence, metal.valid_until = to_stamp(now_ns), to_stamp(now_ns + lease_ns)
        message = PredicateArray(sequence=sequence, predicates=[metal])
        message.header.stamp = to_stamp(now_ns)
        publisher.publish(message)

    node.create_timer(lease_ns / 4e9, publish)
    rclpy.spin(node)


if __name__ == "__main__":
    main()
