"""The end of an MCAP file that its own writer could not finish, for want of space.

The data are all there up to the last whole record; what is missing is the end: index, statistics, footer.
They are computed from the records and appended behind the last whole one. Nothing else may be done to a file in
place: a damaged one is left as it is (see :mod:`foley_perception.recording.recovery`).
"""

from __future__ import annotations

import collections
import dataclasses
import struct
from pathlib import Path

from mcap import records
from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode

from foley_perception.recording.errors import BagError
from foley_perception.recording.mcap_file import McapFile
from foley_perception.recording.mcap_records import CHUNK, FOOTER, MAGIC, MESSAGE_INDEX, METADATA
from foley_perception.recording.metadata import BagSummary


def finish_file(path: Path) -> BagSummary:
    """Finish ``path`` in place; a finished file is left alone.

    Returns:
        What is in it.

    Raises:
        BagError: not an MCAP file, or damaged elsewhere than at its end.
        OSError: it cannot be written (a full disk).
    """
    file = McapFile(path)
    counts: collections.Counter[str] = collections.Counter()
    ids: collections.Counter[int] = collections.Counter()
    first, last = 2**63 - 1, 0
    for message in file.scan():
        counts[message.channel.topic] += 1
        ids[message.channel.id] += 1
        first, last = min(first, message.log_time), max(last, message.log_time)
    summary = BagSummary(path.name, first, last, dict(counts))
    content = file.content
    assert content is not None
    if content.finished and not file.summary.problem:
        return summary
    if [damage for damage in content.damages if damage.stop < path.stat().st_size]:
        raise BagError(f"{path}: is damaged before its end")
    walk = _walk(path, content.end)
    builder = RecordBuilder()
    for index in walk.rebuilt:
        index.write(builder)
    body = bytes(builder.end())
    if walk.rebuilt:
        chunk = walk.chunks[-1]
        chunk.message_index_offsets = _offsets(walk.rebuilt, walk.end)
        chunk.message_index_length = len(body)
    records.DataEnd(0).write(builder)
    body += bytes(builder.end())
    statistics = records.Statistics(
        attachment_count=0,
        channel_count=len(file.channels),
        channel_message_counts=dict(ids),
        chunk_count=len(walk.chunks),
        message_count=sum(ids.values()),
        metadata_count=len(walk.metadata),
        message_start_time=first if ids else 0,
        message_end_time=last,
        schema_count=len(file.schemas),
    )
    body += _summary_section(walk.end + len(body), file, statistics, walk)
    with path.open("r+b") as out:
        out.truncate(walk.end)
        out.seek(walk.end)
        out.write(body)
    return summary


# ---- the missing end -----------------------------------------------------------------------------------
@dataclasses.dataclass
class _Walk:
    end: int  # where the new end begins
    chunks: list[records.ChunkIndex]
    metadata: list[records.MetadataIndex]
    rebuilt: list[records.MessageIndex]  # of the last chunk, whose own may be incomplete


def _walk(path: Path, end: int) -> _Walk:
    walk = _Walk(end, [], [], [])
    last_chunk = (0, 0)
    with path.open("rb") as file:
        at = 8
        while at < end:
            file.seek(at)
            opcode, length = struct.unpack("<BQ", file.read(9))
            stop = at + 9 + length
            if opcode == CHUNK:
                head = file.read(min(length, 64))
                start_time, end_time, size, _ = struct.unpack_from("<QQQI", head)
                (name,) = struct.unpack_from("<I", head, 28)
                compression = head[32 : 32 + name].decode()
                (packed,) = struct.unpack_from("<Q", head, 32 + name)
                walk.chunks.append(
                    records.ChunkIndex(
                        chunk_length=9 + length,
                        chunk_start_offset=at,
                        compression=compression,
                        compressed_size=packed,
                        message_end_time=end_time,
                        message_index_length=0,
                        message_index_offsets={},
                        message_start_time=start_time,
                        uncompressed_size=size,
                    )
                )
                last_chunk = (at, stop)
            elif opcode == MESSAGE_INDEX and walk.chunks:
                (channel,) = struct.unpack("<H", file.read(2))
                walk.chunks[-1].message_index_offsets[channel] = at
                walk.chunks[-1].message_index_length += 9 + length
            elif opcode == METADATA:
                body = file.read(length)
                (name,) = struct.unpack_from("<I", body)
                walk.metadata.append(
                    records.MetadataIndex(offset=at, length=9 + length, name=body[4 : 4 + name].decode())
                )
            elif opcode in (Opcode.DATA_END, FOOTER):
                walk.end = at
                return walk  # the data were complete; only the summary was cut off
            at = stop
    if walk.chunks and walk.chunks[-1].chunk_start_offset == last_chunk[0]:
        # Nothing but indexes may lie behind the last chunk, else what lies there has to stay.
        tail = end - last_chunk[1]
        if tail == walk.chunks[-1].message_index_length:
            walk.end = last_chunk[1]
            walk.rebuilt = _message_indexes(path, last_chunk[0])
    return walk


def _message_indexes(path: Path, chunk_at: int) -> list[records.MessageIndex]:
    from mcap.stream_reader import StreamReader, get_chunk_data_stream

    with path.open("rb") as file:
        file.seek(chunk_at)
        chunk = next(iter(StreamReader(file, skip_magic=True, emit_chunks=True).records))
    if not isinstance(chunk, records.Chunk):
        raise BagError(f"{path}: no chunk at byte {chunk_at}")
    stream, size = get_chunk_data_stream(chunk)
    entries: dict[int, list[tuple[int, int]]] = {}
    while stream.count < size:
        at, opcode, length = stream.count, stream.read1(), stream.read8()
        body = stream.read(length) if length else b""
        if opcode == Opcode.MESSAGE:
            channel, _, log_time = struct.unpack_from("<HIQ", body)
            entries.setdefault(channel, []).append((log_time, at))
    return [records.MessageIndex(channel, items) for channel, items in entries.items()]


def _offsets(indexes: list[records.MessageIndex], at: int) -> dict[int, int]:
    offsets = {}
    for index in indexes:
        offsets[index.channel_id] = at
        at += 9 + 2 + 4 + 16 * len(index.records)
    return offsets


def _summary_section(start: int, file: McapFile, statistics: records.Statistics, walk: _Walk) -> bytes:
    schemas = [
        records.Schema(id=number, data=schema.text.encode(), encoding=schema.encoding, name=schema.type)
        for number, schema in file.schemas.items()
    ]
    channels = [
        records.Channel(
            id=c.id,
            topic=c.topic,
            message_encoding=c.message_encoding,
            metadata=c.metadata,
            schema_id=c.schema_id,
        )
        for c in file.channels.values()
    ]
    groups: list[tuple[int, list[records.McapRecord]]] = [
        (Opcode.SCHEMA, list(schemas)),
        (Opcode.CHANNEL, list(channels)),
        (Opcode.STATISTICS, [statistics]),
        (Opcode.CHUNK_INDEX, list(walk.chunks)),
        (Opcode.METADATA_INDEX, list(walk.metadata)),
    ]
    builder, offsets = RecordBuilder(), []
    for opcode, items in groups:
        begun = builder.count
        for item in items:
            item.write(builder)
        if items:
            offsets.append(records.SummaryOffset(opcode, start + begun, builder.count - begun))
    offset_start = start + builder.count
    for offset in offsets:
        offset.write(builder)
    records.Footer(summary_start=start, summary_offset_start=offset_start, summary_crc=0).write(builder)
    return bytes(builder.end()) + MAGIC
