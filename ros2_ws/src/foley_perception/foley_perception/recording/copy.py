"""A bag once more, with a topic that was made from it. The first one stays as it was recorded."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from foley_perception.recording.bag import Bag, BagMessage
from foley_perception.recording.errors import BagError
from foley_perception.recording.metadata import BagSummary, TopicInfo
from foley_perception.recording.session import dump_value, load_session
from foley_perception.recording.writer import BagWriter

_QUEUED_BYTES = 32 << 20


@dataclasses.dataclass(frozen=True)
class Copied:
    """A bag that was written."""

    summary: BagSummary
    problems: tuple[str, ...]  # of the bag that it was written from

    @property
    def messages(self) -> int:
        return sum(self.summary.counts.values())


def copy_with(
    source: Path,
    out: Path,
    topic: TopicInfo,
    added: Sequence[tuple[int, bytes]],
    *,
    replace: bool = False,
    notes: dict[str, str] | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Copied:
    """Write a new bag: every message of an old one as it is, and those of one more topic at their times.

    Args:
        out: folder, must not exist.
        topic: that is added.
        added: times [ns] and serialised messages, in order of time.
        replace: leave out messages of an old topic of the same name.
        notes: more metadata of the session.

    Returns:
        What is in the copy, and what was wrong with the old bag: of one that was cut off, what can be read is copied.

    Raises:
        BagError: the old bag cannot be read, or the new one cannot be written.
    """
    bag = Bag(source)
    _exhaust(bag.messages())  # then all topics and the session's metadata are known
    writer = BagWriter(out, session=session_texts(bag.session | (notes or {})))
    try:
        for info in (*(t for t in topic_infos(bag) if t.name != topic.name), topic):
            writer.add_topic(info)
        put_rest(writer, bag)
        waiting = list(reversed(added))
        for done, message in enumerate(bag.messages(), start=1):
            while waiting and waiting[-1][0] <= message.log_time:
                _put(writer, topic.name, *waiting.pop())
            if not (replace and message.topic == topic.name):
                put_message(writer, message)
            progress(done)
        for time_ns, data in reversed(waiting):
            _put(writer, topic.name, time_ns, data)
        summary = writer.close()
        if writer.failure is not None:
            raise writer.failure
    except BaseException:
        # A part of a copy looks like a whole one; the old bag has everything.
        writer.close()
        shutil.rmtree(out, ignore_errors=True)
        raise
    finally:
        bag.close()
    return Copied(summary, tuple(dict.fromkeys(bag.problems)))


def topic_infos(bag: Bag) -> list[TopicInfo]:
    """The topics of a bag that was read, as they are written."""
    return [
        TopicInfo(t.name, t.type, t.definition, t.encoding or "ros2msg", t.type_hash, t.qos)
        for t in bag.topics.values()
    ]


def session_texts(session: Mapping[str, Any]) -> dict[str, str]:
    """Metadata of a session as they are stored, so that they are read as they were."""
    return {key: _text(key, value) for key, value in session.items()}


def put_rest(writer: BagWriter, bag: Bag) -> None:
    """Write what a bag that was read has beside messages: records of metadata and attachments of others.

    Raises:
        BagError: it cannot be written.
    """
    for name, items in bag.foreign_metadata:
        writer.add_record(name, items)
    for attachment in bag.attachments():
        _wait(writer)
        writer.add_attachment(attachment)


def put_message(writer: BagWriter, message: BagMessage) -> None:
    """Write a message of another bag as it is, waiting for the disk.

    Raises:
        BagError: it cannot be written.
    """
    _put(writer, message.topic, message.log_time, bytes(message.data), message.publish_time, message.sequence)


def _put(
    writer: BagWriter, topic: str, time_ns: int, data: bytes, published: int | None = None, sequence: int = 0
) -> None:
    """Wait for the disk rather than drop."""
    _wait(writer)
    if not writer.put(topic, time_ns, data, publish_time=published, sequence=sequence):
        raise writer.failure or BagError(f"{writer.folder}: a message of {topic} is too large for the queue")


def _wait(writer: BagWriter) -> None:
    while writer.queued_bytes > _QUEUED_BYTES and writer.failure is None:
        time.sleep(0.005)


def _text(key: str, value: Any) -> str:
    """As it is stored, so that it is read as it was."""
    return value if isinstance(value, str) and load_session({key: value})[key] == value else dump_value(value)


def _exhaust(messages: Iterable[object]) -> None:
    for _ in messages:
        pass
