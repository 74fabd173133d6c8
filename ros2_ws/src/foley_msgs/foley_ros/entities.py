"""What a node makes while it is configured and destroys when it is cleaned up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from foley_common.topics import Topic
from foley_ros import topics


class Entities:
    """Makes publishers, subscriptions, services and timers, and destroys all of them at once."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._inputs: list[Subscription | Service | Timer] = []
        self._outputs: list[Publisher] = []

    def publisher(self, *args: Any, **kwargs: Any) -> Publisher:
        self._outputs.append(self._node.create_publisher(*args, **kwargs))
        return self._outputs[-1]

    def subscription(self, *args: Any, **kwargs: Any) -> Subscription:
        return self._keep(self._node.create_subscription(*args, **kwargs))

    def publish(self, topic: Topic) -> Publisher:
        """A publisher of an entry of the registry."""
        return self.publisher(topics.message_type(topic), topic.name, topics.profile(topic))

    def subscribe(self, topic: Topic, callback: Callable[[Any], None], **kwargs: Any) -> Subscription:
        """A subscription to an entry of the registry."""
        return self.subscription(
            topics.message_type(topic), topic.name, callback, topics.profile(topic), **kwargs
        )

    def unsubscribe(self, subscription: Subscription) -> None:
        """Destroy one subscription before the others."""
        self._inputs.remove(subscription)
        self._node.destroy_subscription(subscription)

    def service(self, *args: Any, **kwargs: Any) -> Service:
        return self._keep(self._node.create_service(*args, **kwargs))

    def timer(self, *args: Any, **kwargs: Any) -> Timer:
        return self._keep(self._node.create_timer(*args, **kwargs))

    def release_inputs(self) -> None:
        """Destroy what calls back; publishers stay, for what is still being worked on."""
        while self._inputs:
            entity = self._inputs.pop()
            if isinstance(entity, Subscription):
                self._node.destroy_subscription(entity)
            elif isinstance(entity, Service):
                self._node.destroy_service(entity)
            else:
                self._node.destroy_timer(entity)

    def release(self) -> None:
        """Destroy everything."""
        self.release_inputs()
        while self._outputs:
            self._node.destroy_publisher(self._outputs.pop())

    def _keep(self, entity: Any) -> Any:
        self._inputs.append(entity)
        return entity
