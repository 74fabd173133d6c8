"""What a running system knows at this moment, asked once."""

from __future__ import annotations

import time

import rclpy
from rclpy.executors import SingleThreadedExecutor

from foley_bringup.planners.snapshot_file import Known
from foley_common.predicate_view import Description
from foley_ros.predicate_client import PredicateClient
from foley_ros.questions import AskedError


def known_now(namespace: str = "", *, timeout_s: float = 10.0) -> Known:
    """The newest snapshot as it is now, and what there is.

    Where nobody lists predicates, as of an older node, they are described by the facts alone.

    Raises:
        foley_ros.questions.AskedError: no snapshot came in time.
    """
    rclpy.init(args=[])
    node = rclpy.create_node("foley_planner_export")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    client = PredicateClient(node, namespace, patience_s=timeout_s)
    try:
        listing, deadline = client.list(), time.monotonic() + timeout_s
        while client.view.snapshot is None or not listing.done():
            executor.spin_once(timeout_sec=0.1)
            if client.view.snapshot is None and time.monotonic() > deadline:
                raise AskedError(client.trouble())
        facts = client.facts()
        try:
            return Known(facts, listing.result())
        except AskedError:
            arities = {fact.name: len(fact.arguments) for fact in facts}
            told = (
                Description(name, tuple(f"x{i}" for i in range(n)), ("object",) * n)
                for name, n in arities.items()
            )
            return Known(facts, tuple(told))
    finally:
        client.destroy()
        node.destroy_node()
        executor.shutdown()
        rclpy.try_shutdown()
