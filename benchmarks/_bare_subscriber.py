"""The floor of the recording benchmark: a process that takes every message as bytes and throws it away.

    python -m benchmarks._bare_subscriber polled|executor

``polled`` takes what has come every 20 ms, as the recorder does; ``executor`` has rclpy call a function for each
message. It prints "ready", and how many bytes came when its input ends.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import Any

from benchmarks._sensor_source import SENSORS


def main() -> int:
    import rclpy
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

    from foley_perception.ros.raw_subscriptions import _PROFILES
    from foley_ros.polling import UnwatchedGroup
    from foley_ros.topics import message_class

    polled = sys.argv[1] == "polled"
    rclpy.init()
    node = rclpy.create_node("bare_subscriber")
    got = 0

    def take(data: bytes) -> None:
        nonlocal got
        got += len(data)

    group = UnwatchedGroup() if polled else None
    subscriptions: list[Any] = []
    for sensor in SENSORS.values():
        kind, profile = sensor.entry.split()[:2]
        subscriptions.append(
            node.create_subscription(
                message_class(kind), sensor.topic, take, _PROFILES[profile], raw=True, callback_group=group
            )
        )

    def poll() -> None:
        for one in subscriptions:
            with one.handle:
                while (taken := one.handle.take_message(one.msg_type, True)) is not None:
                    take(taken[0])

    if polled:
        node.create_timer(0.02, poll)
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def end() -> None:
        sys.stdin.read()
        rclpy.try_shutdown()

    threading.Thread(target=end, daemon=True).start()
    print("ready", flush=True)
    with contextlib.suppress(ExternalShutdownException):
        executor.spin()
    print(got, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
