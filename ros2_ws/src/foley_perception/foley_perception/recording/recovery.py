"""Finishing an MCAP file that its writer did not finish.

The data are all there up to the last whole record; what is missing is the end: index, statistics, footer.
They are computed from the records and appended behind the last whole one.
"""

from __future__ import annotations

import collections
import dataclasses
import shutil
import struct
from pathlib import Path

import yaml
from mcap import records
from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode

from foley_perception.recording.errors import BagError
from foley_perception.recording.mcap_file import (
    CHUNK,
    FOOTER,
    MAGIC,
    MESSAGE_INDEX,
    METADATA,
    Channel,
    McapFile,
)
from foley_perception.recording.metadata import SESSION_KEY, BagSummary, TopicInfo, write_metadata


@dataclasses.dataclass(frozen=True)
class Recovered:
    """What was saved of one file."""

    path: Path
    was_finished: bool
    cut_bytes: int  # of an incomplete record at the end
    summary: BagSummary
    problem: str  # what was wrong, empty if nothing


def finish_file(path: Path) -> Recovered:
    """Finish ``path`` in place; a finished file is left alone.

    Raises:
        BagError: not an MCAP file.
        OSError: it cannot be written (a full disk).
    """
    file = McapFile(path)
    counts: collections.Counter[str] = collections.Counter()
    ids: collections.Counter[int] = collections.Counter()
    first, last = 2**63 - 1, 0
    for message in file.scan(check_crc=True):
        counts[message.channel.topic] += 1
        ids[message.channel.id] += 1
        first, last = min(first, message.log_time), max(last, message.log_time)
    summary = BagSummary(path.name, first, last, dict(counts))
    size = path.stat().st_size
    if file.finished:
        return Recovered(path, True, 0, summary, "")
    walk = _walk(path, file.end)
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
    return Recovered(path, False, size - walk.end, summary, file.problem)


def recover_bag(path: Path, *, in_place: bool = False) -> list[Recovered]:
    """Finish every MCAP file of a bag folder (or one file) and write its ``metadata.yaml``.

    The original stays until a finished copy beside it is complete; ``in_place`` appends to the original, for
    disks that cannot hold both.

    Raises:
        BagError: nothing to recover there.
    """
    files = sorted(path.glob("*.mcap")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise BagError(f"{path}: no MCAP file there; give a bag folder or a .mcap file")
    results = []
    for file in files:
        try:
            if in_place or _is_finished(file):
                results.append(finish_file(file))
            else:
                results.append(_finish_copy(file))
        except OSError as error:
            raise BagError(
                f"{file}: cannot be finished ({error.strerror}); free some space, or use --in-place"
            ) from error
    (files[0].parent / ".reserve").unlink(missing_ok=True)
    if path.is_dir() and len(files) == 1 and not _metadata_fits(path, results[0].summary):
        _rewrite_metadata(path, results[0])
    return results


def _finish_copy(file: Path) -> Recovered:
    McapFile(file)  # nothing is copied that is no MCAP file
    copy = file.with_name(file.name + ".recovering")
    try:
        shutil.copyfile(file, copy)
        result = finish_file(copy)
        copy.replace(file)
    finally:
        copy.unlink(missing_ok=True)
    summary = dataclasses.replace(result.summary, file=file.name)
    return dataclasses.replace(result, path=file, summary=summary)


def _is_finished(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(0, 2)
        if file.tell() < 2 * len(MAGIC):
            return False
        file.seek(-len(MAGIC), 2)
        return file.read() == MAGIC


def _metadata_fits(folder: Path, summary: BagSummary) -> bool:
    try:
        information = yaml.safe_load((folder / "metadata.yaml").read_text(encoding="utf-8"))
        count = information["rosbag2_bagfile_information"]["message_count"]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return False
    return bool(count == sum(summary.counts.values()))


def _rewrite_metadata(folder: Path, result: Recovered) -> None:
    file = McapFile(result.path)
    for _ in file.scan():
        pass
    topics = [topic_info(channel) for channel in file.channels.values()]
    write_metadata(folder, result.summary, topics, file.metadata.get(SESSION_KEY, {}))


def topic_info(channel: Channel) -> TopicInfo:
    """A channel as a topic of a bag."""
    try:
        profiles = yaml.safe_load(channel.metadata.get("offered_qos_profiles", "")) or []
    except yaml.YAMLError:
        profiles = []
    return TopicInfo(
        channel.topic,
        channel.type,
        channel.definition,
        channel.definition_encoding,
        channel.metadata.get("topic_type_hash", ""),
        tuple(q for q in profiles if isinstance(q, dict)) if isinstance(profiles, list) else (),
    )


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
        records.Schema(id=number, data=text.encode(), encoding=encoding, name=name)
        for number, (name, encoding, text) in file.schemas.items()
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
