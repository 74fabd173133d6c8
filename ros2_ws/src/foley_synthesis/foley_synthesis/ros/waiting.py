"""Waiting inside a coroutine of the executor, for what other callbacks or threads bring about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from rclpy.clock import Clock, ClockType
from rclpy.task import Future

from foley_ros.node import FoleyNode

Value = TypeVar("Value")
CHECK_PERIOD_S = 0.02


async def until(
    node: FoleyNode[Any], look: Callable[[], Value | None], period_s: float = CHECK_PERIOD_S
) -> Value:
    """What ``look`` returns as soon as that is something; it is called in the executor's thread, by steady time."""
    first = look()
    if first is not None:
        return first
    done: Future = Future(executor=node.executor)

    def check() -> None:
        if not done.done():
            try:
                found = look()
            except Exception as error:  # noqa: BLE001 - whoever waits has to be told
                done.set_exception(error)
                return
            if found is not None:
                done.set_result(found)

    timer = node.create_timer(period_s, check, clock=Clock(clock_type=ClockType.STEADY_TIME))
    try:
        result: Value = await done
    finally:
        node.destroy_timer(timer)
    return result


async def worked(
    node: FoleyNode[Any], job: Callable[[], Value], given_up: Callable[[], bool]
) -> Value | None:
    """What a job returns that the node's worker does; None where it was given up before. Raises what the job raises."""
    results: list[tuple[Value | None, Exception | None]] = []

    def work() -> None:
        try:
            results.append((job(), None))
        except Exception as error:  # noqa: BLE001 - raised again in the executor's thread
            results.append((None, error))

    node.put(work)
    finished = await until(node, lambda: bool(results) or (False if given_up() else None))
    if not finished:
        return None
    value, error = results[0]
    if error is not None:
        raise error
    return value
