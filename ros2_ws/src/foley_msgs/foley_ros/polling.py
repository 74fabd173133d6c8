"""Topics of hundreds of messages a second, taken in batches.

rclpy's executor wakes up, builds its wait set and dispatches once per message; at 250 Hz a topic that costs a tenth
of a core before any work is done, and under load the queue grows. Subscriptions made here stay out of the wait
set; a timer takes all that has come, in order, at a few microseconds each. The price is up to one period of delay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.subscription import Subscription

from foley_common.times import NS_PER_S
from foley_common.topics import Topic
from foley_ros.entities import Entities

_MOST = 2000  # messages of one topic taken at a time, so that others have their turn


class UnwatchedGroup(CallbackGroup):
    """The executor leaves entities of this group alone: whoever made them asks them for messages."""

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        pass


class Poller:
    """Take messages of several topics every ``period_s``; callbacks run in the executor's thread, as usual.

    Args:
        after: called each time when all has been taken.
    """

    def __init__(self, entities: Entities, period_s: float, after: Callable[[], None] = lambda: None) -> None:
        self._entities = entities
        self._after = after
        self._group = UnwatchedGroup()
        self._subscriptions: list[Subscription] = []
        self._timer = entities.timer(period_s, self._take)

    def take_every(self, period_s: float) -> None:
        """Another period from now on: a short one while something is waited for."""
        period_ns = round(period_s * NS_PER_S)
        if self._timer.timer_period_ns != period_ns:
            self._timer.timer_period_ns = period_ns
            self._timer.reset()

    def subscribe(self, topic: Topic, callback: Callable[[Any], None], *, raw: bool = False) -> None:
        """Subscribe to an entry of the registry; the depth of its QoS must hold what comes in one period."""
        index = len(self._subscriptions)

        def replaced(subscription: Subscription) -> None:
            self._subscriptions[index] = subscription

        how = {"raw": raw, "callback_group": self._group, "replaced": replaced}
        self._subscriptions.append(self._entities.subscribe(topic, callback, **how))

    def _take(self) -> None:
        for subscription in self._subscriptions:
            callback = subscription.callback  # as `Entities.subscribe` gave it, latencies included
            alone = subscription._callback_type is Subscription.CallbackType.MessageOnly
            with subscription.handle:
                for _ in range(_MOST):
                    try:
                        taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
                        if taken is None:
                            break
                        callback(*taken[:1] if alone else taken)
                    except Exception as error:  # noqa: BLE001 - what comes behind a bad message is still good
                        self._entities.on_error(subscription.topic_name, error)
        self._after()
