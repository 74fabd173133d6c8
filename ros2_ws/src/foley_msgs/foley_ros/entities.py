"""What a node makes in setup and destroys in teardown."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.timer import Timer


class Owned:
    """Makes publishers, subscriptions, services and timers, and destroys all of them at once."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._entities: list[Publisher | Subscription | Service | Timer] = []

    def publisher(self, *args: Any, **kwargs: Any) -> Publisher:
        return self._keep(self._node.create_publisher(*args, **kwargs))

    def subscription(self, *args: Any, **kwargs: Any) -> Subscription:
        return self._keep(self._node.create_subscription(*args, **kwargs))

    def service(self, *args: Any, **kwargs: Any) -> Service:
        return self._keep(self._node.create_service(*args, **kwargs))

    def timer(self, *args: Any, **kwargs: Any) -> Timer:
        return self._keep(self._node.create_timer(*args, **kwargs))

    def release(self) -> None:
        while self._entities:
            entity = self._entities.pop()
            if isinstance(entity, Subscription):
                self._node.destroy_subscription(entity)
            elif isinstance(entity, Publisher):
                self._node.destroy_publisher(entity)
            elif isinstance(entity, Service):
                self._node.destroy_service(entity)
            else:
                self._node.destroy_timer(entity)

    def _keep(self, entity: Any) -> Any:
        self._entities.append(entity)
        return entity
