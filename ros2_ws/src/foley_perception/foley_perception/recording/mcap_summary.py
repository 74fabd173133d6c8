"""The end of a finished MCAP file: what it repeats and where the chunks are, as far as it can be believed."""

from __future__ import annotations

import dataclasses
import struct
import zlib
from collections.abc import Iterator

from foley_perception.recording import mcap_records as records
from foley_perception.recording.byte_file import ByteFile
from foley_perception.recording.mcap_records import (
    CHANNEL,
    CHUNK_INDEX,
    FOOTER,
    MAGIC,
    METADATA_INDEX,
    PREFIX,
    SCHEMA,
    STATISTICS,
    Channel,
    ChunkIndex,
    RecordError,
    Schema,
    Statistics,
)

_FOOTER_BYTES = PREFIX + 20


@dataclasses.dataclass
class Summary:
    """What stands behind the data.

    Attributes:
        data_end: where the data end; None: the file has no footer that can be believed.
        sure: its checksum is there and right, so that every word of it is as it was written.
        problem: what is wrong with it; empty if nothing is.
        others: offsets of records in the data that are no chunks (metadata).
    """

    data_end: int | None = None
    sure: bool = False
    problem: str = ""
    schemas: dict[int, Schema] = dataclasses.field(default_factory=dict)
    channels: dict[int, Channel] = dataclasses.field(default_factory=dict)
    chunks: dict[int, ChunkIndex] = dataclasses.field(default_factory=dict)
    others: tuple[int, ...] = ()
    statistics: Statistics | None = None


def read_summary(file: ByteFile) -> Summary:
    """The summary of a file; an empty one if its end is missing or damaged."""
    at = file.size - _FOOTER_BYTES - len(MAGIC)
    if at < len(MAGIC):
        return Summary(problem="no end: the file was not finished")
    end = file.read(at, _FOOTER_BYTES + len(MAGIC))
    opcode, length, start, offsets, crc = struct.unpack("<BQQQI", end[:_FOOTER_BYTES])
    footer = opcode == FOOTER and length == 20
    if end[_FOOTER_BYTES:] != MAGIC and not footer:
        return Summary(problem="no end: the file was not finished")
    problem = "" if end[_FOOTER_BYTES:] == MAGIC and footer else "the last 37 bytes are damaged"
    if not (start == 0 or (len(MAGIC) <= start <= at and (offsets == 0 or start <= offsets <= at))):
        return Summary(problem=problem or "the footer is damaged")
    if start == 0:
        return Summary(problem=problem)
    body = file.read(start, at - start)
    summary = Summary(data_end=start, problem=problem)
    try:
        _read(body, summary)
    except RecordError as error:
        return Summary(problem=problem or f"the summary is damaged ({error})")
    right = zlib.crc32(end[: _FOOTER_BYTES - 4], zlib.crc32(body)) == crc
    summary.sure = bool(crc) and right
    if crc and not right:
        summary.problem = problem or "the checksum of the summary does not match it"
    return summary


def _read(body: bytes, summary: Summary) -> None:
    others = []
    for opcode, record in split(body):
        if opcode == SCHEMA:
            number, schema = records.schema(record)
            summary.schemas[number] = schema
        elif opcode == CHANNEL:
            channel = records.channel(record, summary.schemas)
            summary.channels[channel.id] = channel
        elif opcode == CHUNK_INDEX:
            index = records.chunk_index(record)
            summary.chunks[index.at] = index
        elif opcode == METADATA_INDEX and len(record) >= 8:
            others.append(struct.unpack_from("<Q", record)[0])
        elif opcode == STATISTICS:
            summary.statistics = records.statistics(record)
        elif not SCHEMA <= opcode < records.DATA_END:
            raise RecordError(f"a record of kind {opcode}")
    summary.others = tuple(others)


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Opcode and body of each record; they must fill ``data`` exactly."""
    at = 0
    while at < len(data):
        if at + PREFIX > len(data):
            raise RecordError("a record is cut off")
        opcode, length = struct.unpack_from("<BQ", data, at)
        at += PREFIX
        if at + length > len(data):
            raise RecordError("a record crosses the end")
        yield opcode, data[at : at + length]
        at += length
