"""What a running system knows at this moment, asked once."""

from __future__ import annotations

import time

import rclpy
from rclpy.executors import SingleThreadedExecutor

from foley_bringup.planners.snapshot_file import Known
from foley_ros.predicate_client import PredicateClient
from foley_ros.questions import AskedError


def known_now(namespace: str = "", *, timeout_s: float = 10.0) -> Known:
    """What there is, and the newest snapshot as it is now; a `material` that is not active yet is waited for.

    Raises:
        foley_ros.questions.AskedError: not in time; with the reason.
    """
    rclpy.init(args=[])
    node = rclpy.create_node("foley_planner_export")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    client = PredicateClient(node, namespace, patience_s=timeout_s)
    deadline = time.monotonic() + timeout_s
    try:
        while True:
            listing = client.list()
            while (
                not listing.done() or client.trouble()
            ):  # also of a snapshot whose lease is over: the next one comes
                executor.spin_once(timeout_sec=0.1)
                if listing.done() and time.monotonic() > deadline:
                    listing.result()
                    raise AskedError(client.trouble())
            try:
                return Known(client.facts(), listing.result())
            except AskedError:
                if time.monotonic() > deadline:
                    raise
    finally:
        client.destroy()
        node.destroy_node()
        executor.shutdown()
        rclpy.try_shutdown()
