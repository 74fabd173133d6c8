"""Callbacks that are handed messages whose stamps were moved back by the latency of what made them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from foley_common.latencies import Latencies, earlier, earlier_bytes
from foley_common.times import NS_PER_S
from foley_common.topics import Topic


@dataclasses.dataclass(frozen=True)
class LatencyConfig:
    """The parameter that every node has."""

    latencies: tuple[str, ...] = dataclasses.field(
        default=(),
        metadata={
            "doc": "by how much stamps are late, as `device=seconds` (microphone=0.012): they are moved back by it"
        },
    )


def corrected(
    latencies: Latencies, topic: Topic, callback: Callable[[Any], None], *, raw: bool
) -> Callable[[Any], None]:
    """A topic's callback; itself where nothing is to be moved. See ``foley_common.latencies``.

    Args:
        raw: it takes serialised messages.
    """
    late_ns = latencies.ns(topic)
    if not late_ns:
        return callback
    transforms = topic.reader == "transforms"

    def of_bytes(data: bytes) -> None:
        callback(earlier_bytes(data, late_ns, transforms=transforms))

    def of_message(message: Any) -> None:
        for stamped in message.transforms if transforms else (message,):
            stamp = stamped.header.stamp
            moved = earlier(stamp.sec * NS_PER_S + stamp.nanosec, late_ns)
            stamp.sec, stamp.nanosec = divmod(moved, NS_PER_S)
        callback(message)

    return of_bytes if raw else of_message
