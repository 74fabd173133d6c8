"""One MCAP file of a bag while it is written: its chunks, and how they come onto the disk.

A topic's messages go into chunks that are compressed (zstd) or into chunks that are not. Both kinds lie in one file:
compression is each chunk's own, so sound can be compressed without loss beside images that would only cost time.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

from mcap._chunk_builder import ChunkBuilder
from mcap.writer import CompressionType, Writer

from foley_perception.recording.errors import BagError
from foley_perception.recording.mcap_records import Attachment
from foley_perception.recording.metadata import SESSION_KEY, BagSummary, TopicInfo

CHUNK_BYTES = 1 << 20
RECORD_BYTES = 31  # of a message in a chunk, beside its data
_KIND = {False: CompressionType.NONE, True: CompressionType.ZSTD}


class WholeFile:
    """An unbuffered file whose writes are whole or raise."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self._at = 0

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            written = os.write(self._fd, view)
            view = view[written:]
            self._at += written
        return len(data)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        """Nothing is held back here."""

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def close(self) -> None:
        os.close(self._fd)


class ChunkedWriter(Writer):  # type: ignore[misc]
    """`mcap`'s writer with two chunks in progress: one that will be compressed, and one that will not.

    The library has one. It keeps the chunk and its compression in two attributes of its own, which are exchanged here
    before anything is added to the other kind.
    """

    _CHUNK, _HOW = "_Writer__chunk_builder", "_Writer__compression"

    def __init__(self, output: WholeFile) -> None:
        super().__init__(cast(IO[Any], output), chunk_size=CHUNK_BYTES, compression=CompressionType.NONE)
        if not {self._CHUNK, self._HOW} <= self.__dict__.keys():
            raise BagError(
                "this release of `mcap` keeps its chunks otherwise; install the one of requirements/base.txt"
            )
        self._packed = False
        self._other: ChunkBuilder | None = None  # of the kind that is not in use now; None: never was

    def use(self, packed: bool) -> None:
        """What is added from now on goes into a chunk of this kind."""
        if packed == self._packed:
            return
        state = self.__dict__
        builder = self._other if self._other is not None else ChunkBuilder()
        self._other, state[self._CHUNK] = state[self._CHUNK], builder
        state[self._HOW] = _KIND[packed]
        self._packed = packed

    @property
    def pending(self) -> int:
        """Bytes in both chunks."""
        builders = (self.__dict__[self._CHUNK], self._other)
        return sum(int(builder.count) for builder in builders if builder is not None)

    def flush(self) -> None:
        """Finish both chunks."""
        super().flush()
        if self._other is not None and self._other.num_messages:
            self.use(not self._packed)
            super().flush()

    def finish(self) -> None:
        self.flush()
        super().finish()


class BagFile:
    """One file of a bag.

    Args:
        session: metadata, put into every file of a bag.

    Raises:
        OSError: it cannot be begun; then it is not there.
    """

    def __init__(self, path: Path, session: Mapping[str, str]) -> None:
        self.path = path
        self.counts: collections.Counter[str] = collections.Counter()
        self.messages = 0
        self.start_ns, self.end_ns = 2**63 - 1, 0
        self.size = 0  # [byte] no less than it has, with what is not on the disk yet
        self._channels: dict[str, tuple[int, bool]] = {}  # topic -> number, and whether it is compressed
        self._schemas: dict[tuple[str, bool], int] = {}
        self._file = WholeFile(path)
        self._open = True
        try:
            self._writer = ChunkedWriter(self._file)
            self._writer.start(profile="ros2", library="foley")
            self._writer.add_metadata(SESSION_KEY, dict(session))
        except OSError:
            self.close()
            path.unlink(missing_ok=True)
            raise

    def register(self, info: TopicInfo, *, packed: bool) -> None:
        """Declare a topic. Its description goes into the chunk of its messages, so that it is read before them."""
        self._writer.use(packed)
        schema = self._schemas.get((info.type, packed))
        if schema is None:
            text = info.definition.encode()
            schema = self._writer.register_schema(info.type, info.definition_encoding, text)
            self._schemas[info.type, packed] = schema
        metadata = {"offered_qos_profiles": info.qos_yaml, "topic_type_hash": info.type_hash}
        number = self._writer.register_channel(info.name, "cdr", schema, metadata)
        self._channels[info.name] = number, packed

    def add(self, topic: str, log_time: int, data: bytes, publish_time: int, sequence: int) -> None:
        channel, packed = self._channels[topic]
        self._writer.use(packed)
        self._writer.add_message(channel, log_time, data, publish_time, sequence)
        self.counts[topic] += 1
        self.messages += 1
        self.size += len(data) + RECORD_BYTES
        if log_time < self.start_ns:
            self.start_ns = log_time
        if log_time > self.end_ns:
            self.end_ns = log_time

    def add_record(self, name: str, items: Mapping[str, str]) -> None:
        self._writer.add_metadata(name, dict(items))

    def add_attachment(self, attachment: Attachment) -> None:
        a = attachment
        self._writer.add_attachment(a.create_time, a.log_time, a.name, a.media_type, a.data)

    def measured(self) -> int:
        """Bytes that it has, with those in the chunks in progress before these are compressed."""
        self.size = self._file.tell() + self._writer.pending
        return self.size

    def tell(self) -> int:
        """Bytes that are in the file."""
        return self._file.tell()

    def flush(self) -> None:
        """Finish the chunks in progress and force them to the disk."""
        self._writer.flush()
        self._file.sync()

    def finish(self) -> None:
        """Write the index, and close."""
        self._writer.finish()
        self._file.sync()
        self.close()

    def close(self) -> None:
        """Leave the file as it is."""
        if self._open:
            self._open = False
            self._file.close()

    def summary(self) -> BagSummary:
        return BagSummary(self.path.name, self.start_ns, self.end_ns, dict(self.counts))
