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

from foley_perception.recording.mcap_records import MAGIC, MESSAGE, MESSAGE_INDEX, Attachment

_PREFIXED_HEAD = struct.Struct("<BQHIQQ")  # opcode, length, channel, sequence, log time, publish time
_INDEX_HEAD = struct.Struct("<BQHI")
_CHUNK_TIMES = struct.Struct("<BQQQQI")
_LARGE = 1 << 15  # [bytes] copying less than this is cheaper than a piece more


class Sink(Protocol):
    """Where the file goes."""

    def write(self, data: bytes) -> int: ...

    def write_pieces(self, pieces: Sequence[bytes | bytearray]) -> None:
        """Write all of them, one behind the other."""

    def tell(self) -> int: ...


class McapWriter:
    """Writes one file; what :class:`mcap.writer.Writer` would read as the same.

    Args:
        chunk_bytes: a chunk ends with the message that makes it longer than this.
        compressed: chunks are compressed (zstd).

    Raises:
        OSError: by every method, of the sink.
    """

    def __init__(self, sink: Sink, *, chunk_bytes: int = 1 << 20, compressed: bool = False) -> None:
        self._sink = sink
        self._chunk_bytes = chunk_bytes
        self._compressed = compressed
        self._schemas: list[records.Schema] = []
        self._channels: list[records.Channel] = []
        self._attachments: list[records.AttachmentIndex] = []
        self._metadata: list[records.MetadataIndex] = []
        self._chunk_indexes = bytearray()  # as they will stand in the summary
        self._chunks = 0
        self._counts: collections.Counter[int] = collections.Counter()
        self._first, self._last = 2**64 - 1, 0
        self._begin_chunk()
        sink.write(MAGIC + _bytes(records.Header("ros2", "foley")))

    def _begin_chunk(self) -> None:
        self._pieces: list[bytes | bytearray] = []
        self._gathered = bytearray()
        self._size = 0
        self._entries: dict[int, list[int]] = {}  # channel -> log time, offset, log time, ...
        self._chunk_first, self._chunk_last = 2**64 - 1, 0

    # ---- what is in the file -----------------------------------------------------------------------------
    def register_schema(self, name: str, encoding: str, data: bytes) -> int:
        """Its number, from 1."""
        schema = records.Schema(id=len(self._schemas) + 1, name=name, encoding=encoding, data=data)
        self._schemas.append(schema)
        self._gather(_bytes(schema))
        return schema.id

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
        self._gather(_bytes(channel))
        return channel.id

    def add_message(self, channel: int, log_time: int, data: bytes, publish_time: int, sequence: int) -> None:
        """One serialised message; times in ns."""
        self._entries.setdefault(channel, []).extend((log_time, self._size))
        self._chunk_first, self._chunk_last = min(self._chunk_first, log_time), max(self._chunk_last, log_time)
        self._counts[channel] += 1
        head = _PREFIXED_HEAD.pack(MESSAGE, 22 + len(data), channel, sequence, log_time, publish_time)
        self._gather(head)
        if len(data) < _LARGE:
            self._gather(data)
        else:
            self._pieces += (self._gathered, data)
            self._gathered = bytearray()
            self._size += len(data)
        if self._size > self._chunk_bytes:
            self._end_chunk()

    def _gather(self, data: bytes) -> None:
        self._gathered += data
        self._size += len(data)

    def add_metadata(self, name: str, items: Mapping[str, str]) -> None:
        record = _bytes(records.Metadata(name=name, metadata=dict(items)))
        self._metadata.append(records.MetadataIndex(offset=self._sink.tell(), length=len(record), name=name))
        self._sink.write(record)

    def add_attachment(self, attachment: Attachment) -> None:
        name, media_type, log_time, create_time, data = attachment
        record = _bytes(
            records.Attachment(
                create_time=create_time, log_time=log_time, name=name, media_type=media_type, data=data
            )
        )
        self._attachments.append(
            records.AttachmentIndex(
                offset=self._sink.tell(),
                length=len(record),
                create_time=create_time,
                log_time=log_time,
                data_size=len(data),
                name=name,
                media_type=media_type,
            )
        )
        self._sink.write(record)

    # ---- chunks ------------------------------------------------------------------------------------------
    def flush(self) -> None:
        """Hand the chunk in progress to the sink, unless no message is in it."""
        if self._entries:
            self._end_chunk()

    def _end_chunk(self) -> None:
        pieces: list[bytes | bytearray] = [*self._pieces, self._gathered]
        crc = 0
        for piece in pieces:
            crc = zlib.crc32(piece, crc)
        compression = ""
        if self._compressed:
            import zstandard

            compression, pieces = "zstd", [zstandard.compress(b"".join(pieces))]
        packed = sum(map(len, pieces))
        name = compression.encode()
        behind = struct.pack(f"<I{len(name)}sQ", len(name), name, packed)
        length = 28 + len(behind) + packed
        head = _CHUNK_TIMES.pack(
            Opcode.CHUNK, length, self._chunk_first, self._chunk_last, self._size, crc
        )
        at = self._sink.tell()
        indexes, offsets = bytearray(), {}
        for channel, entries in self._entries.items():
            offsets[channel] = at + 9 + length + len(indexes)
            indexes += _INDEX_HEAD.pack(MESSAGE_INDEX, 6 + 8 * len(entries), channel, 8 * len(entries))
            indexes += struct.pack(f"<{len(entries)}Q", *entries)
        self._sink.write_pieces([head + behind, *pieces, indexes])
        self._chunk_indexes += _bytes(
            records.ChunkIndex(
                chunk_length=9 + length,
                chunk_start_offset=at,
                compression=compression,
                compressed_size=packed,
                message_end_time=self._chunk_last,
                message_index_length=len(indexes),
                message_index_offsets=offsets,
                message_start_time=self._chunk_first,
                uncompressed_size=self._size,
            )
        )
        self._chunks += 1
        self._first, self._last = min(self._first, self._chunk_first), max(self._last, self._chunk_last)
        self._begin_chunk()

    # ---- the end -----------------------------------------------------------------------------------------
    def finish(self) -> None:
        """Write the chunk in progress, the summary and the footer. Nothing may follow."""
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
