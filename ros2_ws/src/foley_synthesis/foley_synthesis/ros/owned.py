"""Publishers, subscriptions, services and timers that are made in setup and destroyed in teardown."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.timer import Timer


class Owned:
    """Makes a node's entities and remembers them, so that all can be destroyed at once."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._entities: list[Any] = []

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
            match entity:
                case Publisher():
                    self._node.destroy_publisher(entity)
                case Subscription():
                    self._node.destroy_subscription(entity)
                case Service():
                    self._node.destroy_service(entity)
                case Timer():
                    self._node.destroy_timer(entity)
                case _:
                    entity.destroy()

    def _keep(self, entity: Any) -> Any:
        self._entities.append(entity)
        return entity
