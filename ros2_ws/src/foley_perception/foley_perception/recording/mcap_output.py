"""One MCAP file of a bag while it is written: its chunks, and how they come onto the disk.

A topic's messages go into chunks that are compressed (zstd) or into chunks that are not. Both kinds lie in one file:
compression is each chunk's own, so sound can be compressed without loss beside images that would only cost time.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from foley_perception.recording.mcap_records import Attachment
from foley_perception.recording.mcap_writer import McapWriter
from foley_perception.recording.metadata import SESSION_KEY, BagSummary, TopicInfo

CHUNK_BYTES = 1 << 20
RECORD_BYTES = 31  # of a message in a chunk, beside its data
_MOST_PIECES = 512  # that the system takes at once
_PAGE = 1 << 16  # [bytes] a multiple of the size of any page


class WholeFile:
    """An unbuffered file whose writes are whole or raise."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self._at = self._synced = 0

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            written = os.write(self._fd, view)
            view = view[written:]
            self._at += written
        return len(data)

    def write_pieces(self, pieces: Sequence[bytes | bytearray]) -> None:
        left = collections.deque(memoryview(piece) for piece in pieces if piece)
        while left:
            written = os.writev(self._fd, [*itertools.islice(left, _MOST_PIECES)])
            self._at += written
            while left and written >= len(left[0]):
                written -= len(left.popleft())
            if written:
                left[0] = left[0][written:]

    def tell(self) -> int:
        return self._at

    def sync(self) -> None:
        """Force all to the disk, and keep nothing of it in memory: the system would fill all memory with pictures that
        nobody reads again, and finding a new page for each costs more than writing does."""
        os.fdatasync(self._fd)
        with contextlib.suppress(OSError):  # an advice, which not every file system takes
            os.posix_fadvise(self._fd, self._synced, self._at - self._synced, os.POSIX_FADV_DONTNEED)
        self._synced = self._at - self._at % _PAGE

    def close(self) -> None:
        os.close(self._fd)


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
            self._writer = McapWriter(self._file, chunk_bytes=CHUNK_BYTES)
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
        self._writer.add_attachment(attachment)

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
