"""What waits for a bag's writer, in the order in which it is to be written."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import NamedTuple

from foley_perception.recording.compression import Encoded
from foley_perception.recording.mcap_records import Attachment
from foley_perception.recording.metadata import TopicInfo


class Item(NamedTuple):
    topic: str
    log_time: int
    publish_time: int
    sequence: int
    data: bytes | Future[Encoded]  # of an image that is being encoded
    size: int  # that it takes in the queue
    raw: tuple[TopicInfo, bytes] | None = None  # topic and message, should it not be possible to encode it


class Registered(NamedTuple):
    info: TopicInfo
    packed: bool


class Record(NamedTuple):
    """A record of metadata."""

    name: str
    items: Mapping[str, str]


class SplitHere(NamedTuple):
    """What follows goes into another file."""


class Barrier(NamedTuple):
    """What follows stands behind everything before it, whichever chunk it goes into."""


Other = Registered | Record | SplitHere | Barrier | Attachment
