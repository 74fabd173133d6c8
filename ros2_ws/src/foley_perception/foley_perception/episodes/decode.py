"""Messages of a bag to the tracks of an episode.

Sound (sound.py), images (pictures.py), poses and wrenches (decode_motion.py) are read straight from their bytes: they
are many, and their types are frozen. Everything else goes through the definitions that the bag itself carries.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.audit.moving import Count
from foley_perception.contact_event import Contact
from foley_perception.episodes.tracks import (
    EpisodeError,
    Label,
)
from foley_perception.recording.bag import BagMessage, BagTopic
from foley_perception.recording.typed import UnreadableMessage, read_typed, store_of
from foley_perception.recording.void_labels import standing

Messages = Sequence[BagMessage]


class Decoder:
    """Messages as objects, by the definitions inside the bag."""

    def __init__(self, topics: Mapping[str, BagTopic]) -> None:
        self._types = {name: topic.type for name, topic in topics.items()}
        self.unreadable: dict[str, Count] = {}  # by topic, of messages that were left out
        found: dict[str, tuple[str, str]] = {}
        for topic in topics.values():
            if topic.definition:
                found.setdefault(topic.type, (topic.definition, topic.encoding))
        self._store = store_of(tuple((kind, *how) for kind, how in found.items()))

    def read(self, message: BagMessage) -> Any:
        """The message with its fields as attributes.

        Raises:
            EpisodeError: its type is not defined in the bag, or its bytes do not fit the definition.
        """
        try:
            return read_typed(self._store, self._types[message.topic], message.data)
        except UnreadableMessage as error:
            raise EpisodeError(f"{message.topic}: {error}") from error

    def read_all(self, messages: Iterable[BagMessage]) -> Iterator[tuple[BagMessage, Any]]:
        """Messages with what they hold; those that cannot be read are left out and counted."""
        for message in messages:
            try:
                yield message, self.read(message)
            except EpisodeError as error:
                count = self.unreadable.setdefault(message.topic, Count())
                count.add(message.log_time, str(error).removeprefix(f"{message.topic}: "))


def stamp_ns(header: Any) -> int:
    return int(header.stamp.sec) * NS_PER_S + int(header.stamp.nanosec)


def increasing(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices that put times in order and leave out repeated ones."""
    order = np.argsort(times, kind="stable")
    keep = np.ones(order.size, dtype=np.bool_)
    keep[1:] = np.diff(times[order]) > 0
    return np.asarray(order[keep], dtype=np.int64)


# ---- events --------------------------------------------------------------------------------------------
def contacts(messages: Messages, decoder: Decoder) -> list[Contact]:
    found = []
    for _, m in decoder.read_all(messages):
        found.append(
            Contact(
                time_ns=stamp_ns(m.header),
                contact_id=m.contact_id,
                object_id=m.object_id,
                position=(float(m.position.x), float(m.position.y), float(m.position.z)),
                action=int(m.action),
                duration=float(m.duration),
                impulse=float(m.impulse),
                confidence=float(m.confidence),
                plan_id=m.plan_id,
                frame_id=m.header.frame_id,
            )
        )
    return sorted(found, key=lambda c: c.time_ns)


def labels(messages: Messages, decoder: Decoder) -> list[Label]:
    found = []
    for _, m in decoder.read_all(messages):
        start = int(m.start.sec) * NS_PER_S + int(m.start.nanosec)
        end = int(m.end.sec) * NS_PER_S + int(m.end.nanosec)
        found.append(Label(start, end, m.object_id, m.key, m.value))
    return standing(found, dataclasses.astuple)
