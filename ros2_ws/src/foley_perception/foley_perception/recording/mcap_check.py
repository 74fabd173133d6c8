"""What else is wrong with a finished MCAP file, for those who read it by its index."""

from __future__ import annotations

import collections
import struct
import zlib

from foley_perception.recording import mcap_records as records
from foley_perception.recording.damage import Damage
from foley_perception.recording.mcap_content import Content, Span
from foley_perception.recording.mcap_file import McapFile
from foley_perception.recording.mcap_records import (
    DATA_END,
    HEADER,
    MAGIC,
    MESSAGE_INDEX,
    PREFIX,
    RecordError,
)
from foley_perception.recording.mcap_summary import Summary

_PROFILES = ("ros2", "ros1", "")


def index_damages(file: McapFile) -> list[Damage]:
    """Places where an index does not say what is in the file. None of them costs this package a message, since it
    reads without; others lose messages by them.

    The file must have been scanned.
    """
    content, name = file.content, file.path.name
    assert content is not None
    wrong = [*_ends(file)]
    for span in content.spans:
        if span.head is not None:
            wrong += [(span.at, span.stop, text) for text in _head_faults(file, span)]
            wrong += _message_index_faults(file, span)
    wrong += [
        (file.summary.data_end or 0, file.file.size, text) for text in _summary_faults(file.summary, content)
    ]
    return [Damage(name, at, stop, what, messages=0) for at, stop, what in wrong]


def _ends(file: McapFile) -> list[tuple[int, int, str]]:
    wrong = []
    first = file.file.read(len(MAGIC), 1 << 12)
    length = struct.unpack_from("<Q", first, 1)[0]
    if first[0] != HEADER or file.profile not in _PROFILES:
        wrong.append((len(MAGIC), len(MAGIC) + PREFIX + length, f"the profile is `{file.profile}`"))
    end = file.summary.data_end
    if end is not None:
        opcode, length, crc = struct.unpack("<BQI", file.file.read(end - 13, 13))
        if (opcode, length) != (DATA_END, 4):
            wrong.append((end - 13, end, "the end of the data is not marked"))
        elif crc and crc != _checksum(file, end - 13):
            wrong.append((end - 13, end, "the checksum of all data does not match them"))
    return wrong


def _checksum(file: McapFile, stop: int) -> int:
    crc, block = 0, 1 << 20
    for at in range(0, stop, block):
        crc = zlib.crc32(file.file.read(at, min(block, stop - at)), crc)
    return crc


def _head_faults(file: McapFile, span: Span) -> list[str]:
    head = span.head
    assert head is not None
    if len(file.chunk_content(head)) != head.size:
        return ["the size of a chunk is not that of its content"]
    if span.messages and (head.start_time, head.end_time) != (span.first, span.last):
        return ["the times of a chunk are not those of its messages"]
    return []


def _message_index_faults(file: McapFile, span: Span) -> list[tuple[int, int, str]]:
    """The message indexes behind a chunk against its messages; a chunk without any is read without."""
    assert span.head is not None
    index = file.summary.chunks.get(span.at)
    stop = span.stop + index.message_index_length if index is not None else span.stop
    found, at = {}, span.stop
    while at < file.file.size:
        prefix = file.file.read(at, PREFIX)
        if len(prefix) < PREFIX or prefix[0] != MESSAGE_INDEX:
            break
        length = struct.unpack_from("<Q", prefix, 1)[0]
        try:
            number, entries = records.message_index(file.file.read(at + PREFIX, length))
        except RecordError:
            break
        found[number] = (at, entries)
        at += PREFIX + length
    if index is not None and index.message_index_length == 0 and not found:
        return []
    if index is None and not found:
        return []
    expected: dict[int, list[tuple[int, int]]] = collections.defaultdict(list)
    for number, log_time, offset in file.entries(span):
        expected[number].append((log_time, offset))
    right = {n: b"".join(struct.pack("<QQ", *e) for e in sorted(v)) for n, v in expected.items()}
    written = {n: _sorted(entries) for n, (_, entries) in found.items() if entries}
    if written != right:
        return [(span.stop, max(at, stop), "the indexes of a chunk's messages are not right")]
    places = {number: at for number, (at, _) in found.items()}
    if index is not None and {n: places.get(n) for n in index.message_indexes} != index.message_indexes:
        return [(span.stop, max(at, stop), "the indexes of a chunk's messages are not where they should be")]
    return []


def _sorted(entries: bytes) -> bytes:
    return b"".join(struct.pack("<QQ", *entry) for entry in sorted(struct.iter_unpack("<QQ", entries)))


def _summary_faults(summary: Summary, content: Content) -> list[str]:
    """Of a summary without a checksum that is right; one with it is as it was written."""
    wrong = []
    chunks = {span.at: span for span in content.spans if span.head is not None}
    if summary.chunks and not summary.sure:
        for at in sorted({*chunks, *summary.chunks}):
            index, span = summary.chunks.get(at), chunks.get(at)
            if index is None or span is None or span.head is None:
                wrong.append(f"the summary and the data do not have the same chunk at byte {at}")
                continue
            head = span.head
            written = (index.length, index.packed, index.size, index.compression)
            if written != (span.stop - span.at, head.packed, head.size, head.compression):
                wrong.append(f"the summary has the chunk at byte {at} wrong")
            elif span.messages and (index.start_time, index.end_time) != (span.first, span.last):
                wrong.append(f"the summary has the times of the chunk at byte {at} wrong")
    if summary.statistics is not None and not content.damages:
        read = sum(span.messages for span in content.spans) + sum(content.opaque.values())
        if summary.statistics.messages != read:
            wrong.append(f"the summary counts {summary.statistics.messages} messages, {read} are there")
    return wrong
