"""From record to record through the data of an MCAP file, and on behind whatever is damaged.

Records are walked in order; no index is needed for that. Where one is not what it should be::

    opcode or one length is wrong      the others say what it was: a chunk is known by its checksum
    its length fits what lies behind   it alone is left out
    else                               on at the next chunk that the summary names, or, without a summary,
                                       at the next bytes that are a chunk (or, without chunks, messages)

An index only says where to look on: what lies there has to be a record by itself.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from foley_perception.recording import mcap_records as records
from foley_perception.recording.byte_file import ByteFile
from foley_perception.recording.mcap_records import (
    ATTACHMENT,
    CHANNEL,
    CHUNK,
    CHUNK_HEAD_BYTES,
    COMPRESSIONS,
    DATA_END,
    FOOTER,
    HEADER,
    MESSAGE,
    MESSAGE_HEAD,
    MESSAGE_INDEX,
    METADATA,
    PREFIX,
    SCHEMA,
    ChunkHead,
    ChunkIndex,
    RecordError,
)
from foley_perception.recording.mcap_summary import Summary

_PRIVATE = 0x80  # opcodes from here on are anybody's
_BLOCK = 1 << 20  # [bytes] searched at once
_DAY_NS = 86_400 * 10**9
# What stands behind the opcode of a chunk: a length below 2^40, and the name of a compression at its place.
_CHUNK_LIKE = re.compile(rb"(?s).{5}\0\0\0.{28}(?:\0\0\0\0|\x04\0\0\0zstd|\x03\0\0\0lz4)")
_MESSAGE_LIKE = re.compile(rb"(?s).{4}\0\0\0\0")
_LOOK = 64  # bytes of overlap, more than what the patterns need


class Loose(NamedTuple):
    """A record that is no chunk."""

    opcode: int
    at: int
    stop: int


class Gap(NamedTuple):
    """Bytes that are no record, or the head of a chunk that is damaged but known all the same."""

    at: int
    stop: int  # where the walk goes on
    reason: str
    lost: ChunkIndex | ChunkHead | None = None  # a chunk that began there
    mended: bool = False


class Walk:
    """Iterate over it once.

    Attributes:
        end: behind the last whole record.
        finished: the end of the data was reached, not only the end of the file.
        channels: ids that are known, filled in by whoever reads the records.
        log_times: the first and last [ns] of the messages read so far, filled in likewise.
    """

    def __init__(
        self,
        file: ByteFile,
        summary: Summary,
        channels: dict[int, records.Channel],
        begin: int = len(records.MAGIC),
    ) -> None:
        self._file, self._summary, self.channels = file, summary, channels
        self.end = self._begin = begin
        self.finished = False
        self.log_times: tuple[int, int] | None = None
        self._limit = file.size if summary.data_end is None else summary.data_end
        self._anchors = sorted(
            at for at in {*summary.chunks, *summary.others} if len(records.MAGIC) <= at < self._limit
        )
        self._chunked = bool(summary.chunks)

    def __iter__(self) -> Iterator[ChunkHead | Loose | Gap]:
        at = self._begin
        while at < self._limit:
            found: ChunkHead | Loose | None
            try:
                found = self._record(at)
            except RecordError as error:
                reason = str(error)
                found = self._mended(at)
                if found is None:
                    gap = self._gap(at, reason)
                    yield gap
                    at = gap.stop
                    continue
                yield Gap(at, at + PREFIX, reason, mended=True)
            if isinstance(found, Loose) and found.opcode in (DATA_END, FOOTER):
                self.finished, self.end = True, found.stop
                return
            self._chunked |= isinstance(found, ChunkHead)
            at = self.end = found.stop
            yield found
        self.finished = self._summary.data_end is not None

    # ---- one record --------------------------------------------------------------------------------------
    def _record(self, at: int) -> ChunkHead | Loose:
        """The record at a place.

        Raises:
            RecordError: none is there.
        """
        prefix = self._file.read(at, PREFIX)
        if len(prefix) < PREFIX:
            raise RecordError(f"cut off after {len(prefix)} bytes")
        opcode, length = struct.unpack("<BQ", prefix)
        stop = at + PREFIX + length
        if stop > self._limit:
            where = "the file" if self._limit == self._file.size else "the data"
            raise RecordError(f"its length leads {stop - self._limit} bytes beyond {where}")
        if opcode == CHUNK:
            return records.chunk_head(at, length, self._file.read(at + PREFIX, min(length, CHUNK_HEAD_BYTES)))
        if opcode == MESSAGE:
            self._check_message(at, length)
        elif opcode == ATTACHMENT:
            records.check_attachment(length, self._file.read(at + PREFIX, min(length, _BLOCK)))
        elif opcode >= _PRIVATE:
            self._check_private(at, length)
        elif (opcode, length) in ((DATA_END, 4), (FOOTER, 20)) and not self._behind(at):
            pass
        elif opcode in (HEADER, SCHEMA, CHANNEL, MESSAGE_INDEX, METADATA):
            self._check_body(opcode, self._file.read(at + PREFIX, length))
        else:
            raise RecordError(f"a record of kind {opcode}")
        return Loose(opcode, at, stop)

    def _behind(self, at: int) -> bool:
        """The summary names a chunk behind this place, so that the data cannot end here."""
        return bool(self._anchors) and self._anchors[-1] > at

    @staticmethod
    def _check_body(opcode: int, body: bytes) -> None:
        if opcode == HEADER:
            records.header(body)
        elif opcode == SCHEMA:
            records.schema(body)
        elif opcode == CHANNEL:
            records.channel(body, {})
        elif opcode == MESSAGE_INDEX:
            records.message_index(body)
        else:
            records.metadata(body)

    def _check_message(self, at: int, length: int) -> None:
        if length < MESSAGE_HEAD.size:
            raise RecordError("too short for a message")
        channel, sequence, _, _ = MESSAGE_HEAD.unpack(self._file.read(at + PREFIX, MESSAGE_HEAD.size))
        # One bit of its opcode makes a message of a message index; their second words differ.
        if sequence == length - 6 and sequence % 16 == 0:
            raise RecordError("a message that is an index")
        if channel not in self.channels and length < _BLOCK:
            body = self._file.read(at + PREFIX, length)
            _refuse(lambda: records.schema(body), "a message that defines something")
            _refuse(lambda: records.channel(body, {}), "a message that defines something")

    def _check_private(self, at: int, length: int) -> None:
        body = self._file.read(at + PREFIX, min(length, CHUNK_HEAD_BYTES))
        for check in (lambda: records.chunk_head(at, length, body), lambda: records.message_index(body)):
            _refuse(check, "a record of a private kind that is an index or a chunk")

    # ---- what a chunk was -----------------------------------------------------------------------------------
    def _mended(self, at: int) -> ChunkHead | None:
        """A chunk whose head has a wrong word, by what the summary or its other words say, and by its checksum."""
        words = self._file.read(at + PREFIX, CHUNK_HEAD_BYTES)
        if len(words) < 40:
            return None
        start, end, size, crc = struct.unpack_from("<QQQI", words)
        if not crc:
            return None
        for content, packed, compression in self._candidates(at, words):
            stop = content + packed
            if not packed or stop > self._limit:
                continue
            head = ChunkHead(at, content, packed, size, compression, crc, start, end)
            try:
                return head._replace(size=len(records.content(self._file, head)))
            except RecordError:
                continue
        return None

    def _candidates(self, at: int, head: bytes) -> Iterator[tuple[int, int, str]]:
        """Content, its stored length and its compression, as different words of the head say."""
        index = self._summary.chunks.get(at)
        if index is not None:
            yield at + index.length - index.packed, index.packed, index.compression
            return
        (length,) = struct.unpack("<Q", self._file.read(at + 1, 8))
        for name in COMPRESSIONS:
            behind = 32 + len(name)
            (packed,) = struct.unpack_from("<Q", head, behind) if behind + 8 <= len(head) else (0,)
            content = at + PREFIX + behind + 8
            fits_name = head[28 : 32 + len(name)] == struct.pack("<I", len(name)) + name.encode()
            if fits_name:  # the record's length or its opcode is wrong
                yield content, packed, name
            if length >= behind + 8 and (fits_name or packed == length - behind - 8):
                yield content, length - behind - 8, name

    # ---- on behind it -----------------------------------------------------------------------------------
    def _gap(self, at: int, reason: str) -> Gap:
        index = self._summary.chunks.get(at)
        if index is not None and self._is_end(at + index.length):
            return Gap(at, at + index.length, reason, index)
        return Gap(at, self._next(at), reason, index or self._cut_off(at))

    def _cut_off(self, at: int) -> ChunkHead | None:
        """The head of a chunk whose content is not all there."""
        prefix = self._file.read(at, PREFIX)
        if len(prefix) < PREFIX or prefix[0] != CHUNK:
            return None
        (length,) = struct.unpack_from("<Q", prefix, 1)
        try:
            return records.chunk_head(at, length, self._file.read(at + PREFIX, CHUNK_HEAD_BYTES))
        except RecordError:
            return None

    def _is_end(self, at: int) -> bool:
        """A record ends here: another begins, or the data are over."""
        if at == self._limit:
            return True
        try:
            return len(self._file.read(at, 1)) == 1 and bool(self._record(at))
        except RecordError:
            return at in self._summary.chunks

    def _next(self, at: int) -> int:
        """Where the walk goes on behind a place that is no record."""
        stop = next((anchor for anchor in self._anchors if anchor > at), self._limit)
        prefix = self._file.read(at, PREFIX)
        if len(prefix) == PREFIX:
            skipped = at + PREFIX + int(struct.unpack("<BQ", prefix)[1])
            if at + PREFIX < skipped <= stop and skipped < self._limit and self._is_end(skipped):
                stop = skipped
        if not self._summary.chunks:  # else they are the anchors
            stop = next(self._chunks_in(at + 1, stop), stop)
        if not self._chunked:
            stop = next(self._messages_in(at + 1, stop), stop)
        return stop

    def _chunks_in(self, start: int, stop: int) -> Iterator[int]:
        for at in self._matches(CHUNK, _CHUNK_LIKE, start, stop):
            try:
                head = self._record(at)
                if isinstance(head, ChunkHead):
                    records.content(self._file, head)
                    yield at
            except RecordError:
                continue

    def _messages_in(self, start: int, stop: int) -> Iterator[int]:
        for at in self._matches(MESSAGE, _MESSAGE_LIKE, start, stop):
            try:
                found = self._record(at)
                channel, _, log_time, _ = MESSAGE_HEAD.unpack(self._file.read(at + PREFIX, MESSAGE_HEAD.size))
                near = self.log_times is None or (
                    self.log_times[0] - _DAY_NS < log_time < self.log_times[1] + _DAY_NS
                )
                if channel in self.channels and near and self._is_end(found.stop):
                    yield at
            except RecordError:
                continue

    def _matches(self, opcode: int, pattern: re.Pattern[bytes], start: int, stop: int) -> Iterator[int]:
        while start < stop:
            block = self._file.read(start, min(_BLOCK, stop - start) + _LOOK)
            last = min(_BLOCK, stop - start)
            at = block.find(opcode, 0, last)
            while at >= 0:
                if pattern.match(block, at + 1):
                    yield start + at
                at = block.find(opcode, at + 1, last)
            start += _BLOCK


def _refuse(check: Callable[[], object], reason: str) -> None:
    """A record that passes for one of another kind is not what its opcode says."""
    try:
        check()
    except RecordError:
        return
    raise RecordError(reason)
