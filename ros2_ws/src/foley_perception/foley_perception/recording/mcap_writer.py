"""An MCAP file as it is recorded, whose large messages are not copied.

A writer that builds each chunk in memory copies every picture six times before the system gets it. Here a chunk is a
list of pieces: small messages are gathered, large ones stay where they came to lie, and the system takes all of them at
once (``writev``). What the summary needs of each chunk is kept as the bytes that will stand there, so that hours of
recording stay small. Everything but chunks and their indexes is written by `mcap`'s own records.
"""

from __future__ import annotations

import collections
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Protocol

from mcap import records
from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode

from foley_perception.recording.mcap_records import MAGIC, MESSAGE, MESSAGE_INDEX, PREFIX, Attachment

_MESSAGE = struct.Struct("<BQHIQQ")  # opcode, length, channel, sequence, log time, publish time
_INDEX = struct.Struct("<BQHI")  # opcode, length, channel, bytes of entries
_CHUNK = struct.Struct("<BQQQQI")  # opcode, length, first and last time, size, checksum
_LARGE = 1 << 15  # [bytes] copying less than this is cheaper than a piece more


class Sink(Protocol):
    """Where the file goes."""

    def write(self, data: bytes) -> int: ...

    def write_pieces(self, pieces: Sequence[bytes | bytearray]) -> None:
        """Write all of them, one behind the other."""

    def tell(self) -> int: ...


class _Chunk:
    """A chunk in progress: pieces of its content, and where its messages lie."""

    def __init__(self) -> None:
        self._whole: list[bytes | bytearray] = []
        self._gathered = bytearray()
        self.size = 0
        self.entries: dict[int, list[int]] = {}  # channel -> log time, offset, log time, ...
        self.first, self.last = 2**64 - 1, 0

    @property
    def pieces(self) -> list[bytes | bytearray]:
        return [*self._whole, self._gathered]

    def gather(self, data: bytes) -> None:
        self._gathered += data
        self.size += len(data)

    def add(self, channel: int, log_time: int, data: bytes, publish_time: int, sequence: int) -> None:
        entries = self.entries.get(channel)
        if entries is None:
            entries = self.entries[channel] = []
        entries += (log_time, self.size)
        if log_time < self.first:
            self.first = log_time
        if log_time > self.last:
            self.last = log_time
        self._gathered += _MESSAGE.pack(MESSAGE, 22 + len(data), channel, sequence, log_time, publish_time)
        self.size += _MESSAGE.size + len(data)
        if len(data) < _LARGE:
            self._gathered += data
        else:
            self._whole += (self._gathered, data)
            self._gathered = bytearray()

    def indexes(self, at: int) -> tuple[bytes, dict[int, int]]:
        """Message indexes that begin at this byte of the file, and where in it each channel's lies."""
        found, offsets = bytearray(), {}
        for channel, entries in self.entries.items():
            offsets[channel] = at + len(found)
            found += _INDEX.pack(MESSAGE_INDEX, 6 + 8 * len(entries), channel, 8 * len(entries))
            found += struct.pack(f"<{len(entries)}Q", *entries)
        return bytes(found), offsets


class McapWriter:
    """Writes one file: what :class:`mcap.writer.Writer` writes, but with two chunks in progress, one of which will be
    compressed (zstd). :meth:`use` says into which goes what is added; compression is each chunk's own in MCAP.

    Args:
        chunk_bytes: a chunk ends with the message that makes it longer than this.

    Raises:
        OSError: by every method, of the sink.
    """

    def __init__(self, sink: Sink, *, chunk_bytes: int = 1 << 20) -> None:
        self._sink = sink
        self._chunk_bytes = chunk_bytes
        self._packed = False
        self._open = {False: _Chunk(), True: _Chunk()}  # compressed or not -> its chunk in progress
        self._chunk = self._open[False]
        self._schemas: list[records.Schema] = []
        self._channels: list[records.Channel] = []
        self._attachments: list[records.AttachmentIndex] = []
        self._metadata: list[records.MetadataIndex] = []
        self._chunk_indexes = bytearray()  # as they will stand in the summary
        self._chunks = 0
        self._counts: collections.Counter[int] = collections.Counter()
        self._first, self._last = 2**64 - 1, 0
        sink.write(MAGIC + _bytes(records.Header("ros2", "foley")))

    # ---- what is in the file -----------------------------------------------------------------------------
    def use(self, packed: bool) -> None:
        """What is added from now on goes into a chunk that will be compressed, or into one that will not."""
        self._packed, self._chunk = packed, self._open[packed]

    def register_schema(self, name: str, encoding: str, data: bytes) -> int:
        """Its number, from 1."""
        schema = records.Schema(id=len(self._schemas) + 1, name=name, encoding=encoding, data=data)
        self._schemas.append(schema)
        self._chunk.gather(_bytes(schema))
        return len(self._schemas)

    def register_channel(self, topic: str, encoding: str, schema_id: int, metadata: Mapping[str, str]) -> int:
        """Its number, from 1."""
        channel = records.Channel(
            id=len(self._channels) + 1,
            topic=topic,
            message_encoding=encoding,
            schema_id=schema_id,
            metadata=dict(metadata),
        )
        self._channels.append(channel)
        self._chunk.gather(_bytes(channel))
        return len(self._channels)

    def add_message(self, channel: int, log_time: int, data: bytes, publish_time: int, sequence: int) -> None:
        """One serialised message; times in ns."""
        self._counts[channel] += 1
        self._chunk.add(channel, log_time, data, publish_time, sequence)
        if self._chunk.size > self._chunk_bytes:
            self._end_chunk()

    def add_metadata(self, name: str, items: Mapping[str, str]) -> None:
        record = _bytes(records.Metadata(name=name, metadata=dict(items)))
        self._metadata.append(records.MetadataIndex(offset=self._sink.tell(), length=len(record), name=name))
        self._sink.write(record)

    def add_attachment(self, attachment: Attachment) -> None:
        name, media_type, log_time, create_time, data = attachment
        how = {"create_time": create_time, "log_time": log_time, "name": name, "media_type": media_type}
        record = _bytes(records.Attachment(**how, data=data))
        at = self._sink.tell()
        self._attachments.append(
            records.AttachmentIndex(**how, offset=at, length=len(record), data_size=len(data))
        )
        self._sink.write(record)

    # ---- chunks ------------------------------------------------------------------------------------------
    @property
    def pending(self) -> int:
        """Bytes in the chunks in progress."""
        return sum(chunk.size for chunk in self._open.values())

    def flush(self) -> None:
        """Hand the chunks in progress to the sink, those that hold messages."""
        used = self._packed
        for packed in (used, not used):
            self.use(packed)
            if self._chunk.entries:
                self._end_chunk()
        self.use(used)

    def _end_chunk(self) -> None:
        chunk, packed = self._chunk, self._packed
        self._open[packed] = self._chunk = _Chunk()
        pieces, crc = chunk.pieces, 0
        for piece in pieces:
            crc = zlib.crc32(piece, crc)
        if packed:
            import zstandard

            pieces = [zstandard.compress(b"".join(pieces))]
        compression = "zstd" if packed else ""
        stored, name = sum(map(len, pieces)), compression.encode()
        behind = struct.pack(f"<I{len(name)}sQ", len(name), name, stored)
        length = _CHUNK.size - PREFIX + len(behind) + stored
        head = _CHUNK.pack(Opcode.CHUNK, length, chunk.first, chunk.last, chunk.size, crc)
        at = self._sink.tell()
        indexes, offsets = chunk.indexes(at + PREFIX + length)
        self._sink.write_pieces([head + behind, *pieces, indexes])
        self._chunk_indexes += _bytes(
            records.ChunkIndex(
                chunk_length=PREFIX + length,
                chunk_start_offset=at,
                compression=compression,
                compressed_size=stored,
                message_end_time=chunk.last,
                message_index_length=len(indexes),
                message_index_offsets=offsets,
                message_start_time=chunk.first,
                uncompressed_size=chunk.size,
            )
        )
        self._chunks += 1
        self._first, self._last = min(self._first, chunk.first), max(self._last, chunk.last)

    # ---- the end -----------------------------------------------------------------------------------------
    def finish(self) -> None:
        """Write the chunks in progress, the summary and the footer. Nothing may follow."""
        self.flush()
        self._sink.write(_bytes(records.DataEnd(0)))
        start = self._sink.tell()
        groups = (
            (Opcode.SCHEMA, _bytes(*self._schemas)),
            (Opcode.CHANNEL, _bytes(*self._channels)),
            (Opcode.STATISTICS, _bytes(self._statistics())),
            (Opcode.CHUNK_INDEX, self._chunk_indexes),
            (Opcode.ATTACHMENT_INDEX, _bytes(*self._attachments)),
            (Opcode.METADATA_INDEX, _bytes(*self._metadata)),
        )
        body, offsets = bytearray(), []
        for opcode, group in groups:
            if group:
                offsets.append(records.SummaryOffset(opcode, start + len(body), len(group)))
                body += group
        offset_start = start + len(body)
        body += _bytes(*offsets)
        crc = zlib.crc32(struct.pack("<BQQQ", Opcode.FOOTER, 20, start, offset_start), zlib.crc32(body))
        body += _bytes(
            records.Footer(summary_start=start, summary_offset_start=offset_start, summary_crc=crc)
        )
        self._sink.write_pieces([body, MAGIC])

    def _statistics(self) -> records.Statistics:
        return records.Statistics(
            attachment_count=len(self._attachments),
            channel_count=len(self._channels),
            channel_message_counts=dict(self._counts),
            chunk_count=self._chunks,
            message_count=self._counts.total(),
            metadata_count=len(self._metadata),
            message_start_time=self._first if self._counts else 0,
            message_end_time=self._last,
            schema_count=len(self._schemas),
        )


def _bytes(*items: records.McapRecord) -> bytes:
    """Records as they stand in a file."""
    builder = RecordBuilder()
    for item in items:
        item.write(builder)
    return bytes(builder.end())
