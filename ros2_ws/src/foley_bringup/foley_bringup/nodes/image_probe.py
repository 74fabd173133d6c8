"""Images between two processes, as the camera's go: what `foley doctor` runs to see the middleware work.

Started without arguments this process subscribes, starts a second one that publishes, and prints how many of how many
images came through.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image

from foley_ros import qos

COUNT, RATE_HZ, TIMEOUT_S = 60, 30.0, 15.0


def publish(node: Node, topic: str) -> None:
    publisher = node.create_publisher(Image, topic, qos.IMAGE)
    deadline = time.monotonic() + TIMEOUT_S
    while publisher.get_subscription_count() == 0 and time.monotonic() < deadline:
        rclpy.spin_once(node, timeout_sec=0.05)
    message = Image(height=480, width=640, encoding="rgb8", step=1920, data=bytes(640 * 480 * 3))
    start = time.monotonic()
    for index in range(COUNT):
        publisher.publish(message)
        while time.monotonic() < start + (index + 1) / RATE_HZ:
            rclpy.spin_once(node, timeout_sec=0.005)


def subscribe(node: Node, topic: str) -> int:
    received: list[Image] = []
    node.create_subscription(Image, topic, received.append, qos.IMAGE)
    publisher = subprocess.Popen([sys.executable, "-m", "foley_bringup.nodes.image_probe", topic])
    deadline = time.monotonic() + 2 * TIMEOUT_S
    while len(received) < COUNT and publisher.poll() is None and time.monotonic() < deadline:
        rclpy.spin_once(node, timeout_sec=0.1)
    idle_since = time.monotonic()  # the last ones may still be under way
    while len(received) < COUNT and time.monotonic() < idle_since + 1.0:
        rclpy.spin_once(node, timeout_sec=0.1)
    publisher.kill()
    publisher.wait()
    return len(received)


def main() -> int:
    rclpy.init(args=[])
    node = rclpy.create_node(f"foley_image_probe_{os.getpid()}")
    try:
        if len(sys.argv) > 1:
            publish(node, sys.argv[1])
            return 0
        received = subscribe(node, f"foley_image_probe/p{os.getpid()}")
        sys.stdout.write(f"{received} {COUNT}\n")
        return 0 if received else 1
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    sys.exit(main())
