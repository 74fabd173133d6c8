"""The last seconds of everything that arrives, kept in memory until somebody asks for them."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import NamedTuple

from foley_common.times import NS_PER_S
from foley_perception.recording.recording import LatchedStore, RawMessage, TopicSpec


class Kept(NamedTuple):
    """What a snapshot holds."""

    start_ns: int  # arrival of the first message, or as far back as was asked for
    end_ns: int
    latched: list[tuple[str, RawMessage]]  # what held before the start
    messages: list[tuple[str, RawMessage]]  # in order of arrival

    @property
    def bytes(self) -> int:
        return sum(len(message.data) for _, message in (*self.latched, *self.messages))


class MessageRing:
    """Bounded in time and in memory; the bytes are shared with whoever writes them.

    Args:
        specs: of the topics, as they are known when a message is added.
        seconds: how much is kept.
        most_bytes: of messages; beyond it the oldest go sooner.
    """

    def __init__(self, specs: Mapping[str, TopicSpec], seconds: float, most_bytes: int) -> None:
        self._specs = specs
        self._length_ns, self._most = round(seconds * NS_PER_S), most_bytes
        self._kept: collections.deque[tuple[str, RawMessage]] = collections.deque()
        self._before = LatchedStore()  # what held when the oldest of them came
        self.bytes = 0

    def add(self, topic: str, message: RawMessage) -> None:
        """The newest message."""
        kept = self._kept
        if kept and message.arrival_ns < kept[-1][1].arrival_ns - self._length_ns:
            self.clear()  # time was set back
        kept.append((topic, message))
        self.bytes += len(message.data)
        oldest = message.arrival_ns - self._length_ns
        while kept and (kept[0][1].arrival_ns < oldest or self.bytes > self._most):
            name, old = kept.popleft()
            self.bytes -= len(old.data)
            if (spec := self._specs.get(name)) is not None and spec.latched:
                self._before.keep(name, spec, old)

    def clear(self) -> None:
        """Forget what came; what is latched still holds."""
        for topic, message in self._kept:
            if (spec := self._specs.get(topic)) is not None:
                self._before.keep(topic, spec, message)
        self._kept.clear()
        self.bytes = 0

    def seconds(self, now_ns: int) -> float:
        """How far back it goes [s]."""
        return max(now_ns - self._kept[0][1].arrival_ns, 0) / NS_PER_S if self._kept else 0.0

    def last(self, seconds: float, now_ns: int) -> Kept | None:
        """What came in the last seconds (0: all that is kept) of topics that are still recorded; None: nothing."""
        first = now_ns - round(seconds * NS_PER_S) if seconds else -(2**63)
        held = LatchedStore()
        for topic, message in self._before.items():
            if topic in self._specs:
                held.keep(topic, self._specs[topic], message)
        messages = []
        for topic, message in self._kept:
            if topic not in self._specs:
                continue
            if message.arrival_ns >= first:
                messages.append((topic, message))
            else:
                held.keep(topic, self._specs[topic], message)
        if not messages:
            return None
        start_ns = messages[0][1].arrival_ns
        return Kept(start_ns, max(now_ns, start_ns), list(held.items()), messages)
