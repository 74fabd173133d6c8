"""All of a topic, however long the bag: every channel of a stretch of sound, and when messages were stamped."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from foley_common.topics import Topic
from foley_perception.episodes.outline import Outline
from foley_perception.episodes.pictures import stamp_of
from foley_perception.episodes.sound import Stream


def every_channel(
    outline: Outline, topic: Topic, stream: Stream, first: int, stop: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """[first, stop) of one stream with all its channels [n, channels], and which samples were received [n]."""
    ranges = stream.index.ranges(first, stop - 1, neighbours=False)
    messages = outline.read({outline.names[topic.role]: ranges})
    return outline.sound(topic).every_channel(messages, stream, first, stop)


def stamps(outline: Outline, wanted: Iterable[Topic]) -> dict[str, NDArray[np.int64]]:
    """When the messages of topics were stamped [n], in the order in which they were written, by role. One pass."""
    roles = {outline.names[topic.role]: topic.role for topic in wanted if outline.has(topic)}
    found = {name: array("q") for name in roles}
    for message in outline.messages_of(set(roles)):
        found[message.topic].append(stamp_of(message))
    return {roles[name]: np.array(times, dtype=np.int64) for name, times in found.items()}
