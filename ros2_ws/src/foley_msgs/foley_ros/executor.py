"""An executor that a message, a request or an error in a callback cannot end.

rclpy hands whatever a callback raises to whoever spins. Where taking itself fails, as with a message that is cut off,
it also leaves the subscription and its callback group marked as busy: the process lives, and nothing in it runs
any more. Here both end where they begin, and are told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.timer import Timer

OnError = Callable[[str, Exception], None]
TIMER = "timer"  # source of what fails in one


def source_of(entity: Any) -> str:
    """What an entity of rclpy is called in a fault."""
    if isinstance(entity, Subscription):
        return str(entity.topic_name)
    if isinstance(entity, Service):
        return str(entity.srv_name)
    return TIMER if isinstance(entity, Timer) else type(entity).__name__


class GuardedExecutor(SingleThreadedExecutor):
    """Tells errors and goes on.

    Args:
        on_error: called in the executor's thread with what failed and its error.
    """

    def __init__(self, on_error: OnError, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._on_error = on_error

    def _make_handler(self, entity: Any, node: Any, take_from_wait_list: Callable[[Any], Any]) -> Any:
        def take(entity: Any) -> Any:
            try:
                execute = take_from_wait_list(entity)
            except Exception as error:  # noqa: BLE001 - see the module's docstring
                self._on_error(source_of(entity), error)
                return None
            if execute is None:
                return None

            async def guarded() -> None:
                try:
                    await execute()
                except Exception as error:  # noqa: BLE001
                    self._on_error(source_of(entity), error)

            return guarded

        return super()._make_handler(entity, node, take)
