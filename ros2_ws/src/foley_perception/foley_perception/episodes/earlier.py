"""Messages of a bag with their stamps moved back by the latency of what made them (foley_common/latencies.py)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from foley_common import topics
from foley_common.latencies import Latencies, earlier_bytes
from foley_perception.recording import definitions
from foley_perception.recording.bag import BagMessage, BagTopic


class Earlier:
    """Call it with a message. What is not late comes back as it is.

    Of a message that has no stamp at all its arrival counts, and is moved instead; a stamp of 0 stays.

    Args:
        names: role in the registry -> the bag's topic.
    """

    def __init__(
        self, bag_topics: Mapping[str, BagTopic], names: Mapping[str, str], latencies: Latencies
    ) -> None:
        self._late: dict[
            str, tuple[int, bool, bool]
        ] = {}  # by topic: by how much, /tf, whether it has a stamp
        for role, name in names.items():
            topic = topics.topic(role)
            if late_ns := latencies.ns(topic):
                transforms = topic.reader == "transforms"
                stamped = definitions.stamp_offset(bag_topics[name].definition) is not None
                self._late[name] = late_ns, transforms, stamped

    def __call__(self, message: BagMessage) -> BagMessage:
        if message.topic not in self._late:
            return message
        late_ns, transforms, stamped = self._late[message.topic]
        if not stamped:
            return dataclasses.replace(message, log_time=message.log_time - late_ns)
        return dataclasses.replace(
            message, _fetch=lambda: earlier_bytes(message.data, late_ns, transforms=transforms)
        )
