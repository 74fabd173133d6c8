"""One MCAP file read from front to back, finished or not, whole or damaged.

The first walk looks at every chunk: one whose checksum does not match its content is left out and noted, and the
walk goes on behind it. It leaves a table of where messages of which times lie, so that later only the chunks of a
range of time are read. Nothing of the file stays in memory but that table and the newest chunks.
"""

from __future__ import annotations

import collections
import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path

from foley_perception.recording import mcap_records as records
from foley_perception.recording.byte_file import ByteFile
from foley_perception.recording.damage import Damage
from foley_perception.recording.errors import BagError
from foley_perception.recording.mcap_content import Content, Message, Span, chunk_damage, gap_damage
from foley_perception.recording.mcap_records import (
    ATTACHMENT,
    CHANNEL,
    HEADER,
    MAGIC,
    MESSAGE,
    MESSAGE_HEAD,
    MESSAGE_INDEX,
    METADATA,
    PREFIX,
    SCHEMA,
    Attachment,
    Channel,
    ChunkHead,
    RecordError,
    Schema,
)
from foley_perception.recording.mcap_summary import read_summary
from foley_perception.recording.mcap_walk import Gap, Loose, Walk

_CACHED_CHUNKS = 4
_LOOSE_BYTES = 1 << 20  # of messages outside of chunks that are one entry of the table


class McapFile:
    """An opened MCAP file.

    Attributes:
        content: what was found; None until :meth:`scan` was exhausted once.
        metadata: records of metadata by their names, the last one of each.
        records: all of them, in order.

    Raises:
        BagError: it cannot be read, or nothing in it is of an MCAP file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = ByteFile(path)
        if self.file.size == 0:
            raise BagError(f"{path}: is empty (0 bytes)")
        self.content: Content | None = None
        self.metadata: dict[str, dict[str, str]] = {}
        self.records: list[tuple[str, dict[str, str]]] = []
        self._attachments: list[Loose] = []
        self.profile = ""
        self.summary = read_summary(self.file)
        # What the summary repeats is believed before what it repeats if its checksum is right, else only in need.
        self.schemas: dict[int, Schema] = dict(self.summary.schemas) if self.summary.sure else {}
        self.channels: dict[int, Channel] = dict(self.summary.channels) if self.summary.sure else {}
        self._unsure: dict[int, Channel] = {}  # from chunks that are damaged themselves
        self._named_by_unsure: set[int] = set()
        self._heads: dict[int, ChunkHead] = {}
        self._chunks: collections.OrderedDict[int, bytes] = collections.OrderedDict()
        self._newest: tuple[tuple[int, int, int], bytes] = ((-1, -1, -1), b"")  # a message's place and bytes
        self._checksums: bool | None = None
        self.magic = self.file.read(0, len(MAGIC))
        if self.magic != MAGIC and not self._is_mcap():
            raise BagError(f"{path}: begins with {self.magic!r}, not an MCAP file")

    def scan(self, start_ns: int | None = None, end_ns: int | None = None) -> Iterator[Message]:
        """Messages in file order, those with ``start_ns <= log_time < end_ns`` only.

        The first call reads the whole file; ``content`` is known when it is exhausted.
        """
        first = -(2**63) if start_ns is None else start_ns
        last = 2**64 if end_ns is None else end_ns
        if self.content is None:
            for message in self._walk():
                if first <= message.log_time < last:
                    yield message
            return
        for span in self.content.spans:
            if span.messages and span.last >= first and span.first < last:
                for message in self._again(span):
                    if first <= message.log_time < last:
                        yield message

    def begins_with(self, message: Message, mark: bytes) -> bool:
        """Whether a message's bytes do; cheaper than all of them."""
        if message.chunk in self._chunks:
            return self._chunks[message.chunk].startswith(mark, message.offset)
        return self.data(message).startswith(mark)

    def data(self, message: Message) -> bytes:
        """The serialised bytes of a message."""
        place = message.chunk, message.offset, message.length
        if self._newest[0] != place:  # whoever looks at a message is seldom the only one
            self._newest = place, self._bytes_of(message)
        return self._newest[1]

    def _bytes_of(self, message: Message) -> bytes:
        if message.chunk < 0:
            return self.file.read(message.offset, message.length)
        cached = self._chunks.get(message.chunk)
        head = self._heads[message.chunk]
        if cached is None and head.compression == "":
            return self.file.read(head.content + message.offset, message.length)
        content = self.chunk_content(head) if cached is None else cached
        return content[message.offset : message.offset + message.length]

    def attachments(self) -> Iterator[Attachment]:
        """Those that are whole; known after :meth:`scan`."""
        for item in self._attachments:
            yield records.attachment(self._body(item))

    def entries(self, span: Span) -> Iterator[tuple[int, int, int]]:
        """Channel, log time and offset of each message record of a chunk, as an index would have them."""
        assert span.head is not None
        content = self.chunk_content(span.head)
        at, unpack = 0, struct.Struct("<BQ").unpack_from
        while at < len(content):
            opcode, length = unpack(content, at)
            if opcode == MESSAGE:
                number, _, log_time, _ = MESSAGE_HEAD.unpack_from(content, at + PREFIX)
                yield number, log_time, at
            at += PREFIX + length

    # ---- the first walk ----------------------------------------------------------------------------------
    def _walk(self) -> Iterator[Message]:
        found = Content()
        walk = Walk(self.file, self.summary, self.channels)
        if self.magic != MAGIC:
            found.damages.append(Damage(self.path.name, 0, len(MAGIC), "the file's first bytes", messages=0))
        chunk = -1
        for item in walk:
            if isinstance(item, Gap):
                found.damages.append(gap_damage(item, self.path.name, self.file.size, self.summary))
            elif isinstance(item, ChunkHead):
                chunk = item.at
                span = Span(item.at, item.stop, item)
                try:
                    messages = self._parsed(span, found)
                except RecordError as error:
                    self._guess_definitions(item)
                    index = self.summary.chunks.get(item.at)
                    found.damages.append(
                        chunk_damage(
                            self.path.name, self.file.size, item.at, item.stop, str(error), index or item
                        )
                    )
                    continue
                found.spans.append(span)
                self._heads[item.at] = item
                _widen(walk, span)
                yield from messages
            elif item.opcode == MESSAGE:
                message = self._loose(item, found)
                if message is not None:
                    _widen(walk, found.spans[-1])
                    yield message
            elif item.opcode == ATTACHMENT:
                try:
                    records.attachment(self._body(item))
                    self._attachments.append(item)
                except RecordError as error:
                    damage = Damage(self.path.name, item.at, item.stop, f"an attachment is lost ({error})", 0)
                    found.damages.append(damage)
            elif item.opcode == MESSAGE_INDEX:
                found.message_indexes[chunk] += (item.stop - item.at - PREFIX - 6) // 16
            else:
                self._definition(item.opcode, self._body(item))
        found.finished, found.end = walk.finished, walk.end
        found.count_lost()
        self.content = found

    @property
    def damages(self) -> list[Damage]:
        """Everything that is wrong with the file, one entry for each place; known after :meth:`scan`."""
        if self.content is None:
            return []
        described = [self._unsure[number].topic for number in self._named_by_unsure]
        return self.content.told(self.path.name, self.file.size, self.summary, described)

    def _body(self, item: Loose) -> bytes:
        return self.file.read(item.at + PREFIX, item.stop - item.at - PREFIX)

    def _parsed(self, span: Span, found: Content) -> list[Message]:
        """All messages of a chunk; where it has no checksum, all of its records have to be right."""
        assert span.head is not None
        if span.head.crc == 0 and self._has_checksums(span.head.at):
            raise RecordError("its checksum is gone")
        content = self.chunk_content(span.head)
        messages = list(self._messages(content, span.head.at, found.opaque))
        for message in messages:
            span.first, span.last = min(span.first, message.log_time), max(span.last, message.log_time)
        span.messages = len(messages)
        return messages

    def _messages(self, content: bytes, chunk: int, opaque: collections.Counter[int]) -> Iterator[Message]:
        at, size = 0, len(content)
        unpack, unpack_head = struct.Struct("<BQ").unpack_from, MESSAGE_HEAD.unpack_from
        while at < size:
            if at + PREFIX > size:
                raise RecordError("a record crosses the end of its chunk")
            opcode, length = unpack(content, at)
            start = at + PREFIX
            at = start + length
            if at > size:
                raise RecordError("a record crosses the end of its chunk")
            if opcode == MESSAGE:
                if length < MESSAGE_HEAD.size:
                    raise RecordError("too short for a message")
                number, sequence, log_time, publish_time = unpack_head(content, start)
                channel = self._channel(number)
                if channel is None:
                    opaque[number] += 1
                    continue
                yield Message(channel, log_time, publish_time, sequence, chunk, start + 22, length - 22)
            elif opcode in (SCHEMA, CHANNEL):
                self._definition(opcode, content[start:at])
            elif opcode == 0:
                raise RecordError("a record of kind 0")

    def _loose(self, record: Loose, found: Content) -> Message | None:
        number, sequence, log_time, publish_time = MESSAGE_HEAD.unpack(
            self.file.read(record.at + PREFIX, MESSAGE_HEAD.size)
        )
        channel = self._channel(number)
        if channel is None:
            found.opaque[number] += 1
            return None
        spans = found.spans
        # Only what lies behind one another is one span.
        joins = bool(spans) and spans[-1].head is None and spans[-1].stop == record.at
        if not joins or spans[-1].stop - spans[-1].at > _LOOSE_BYTES:
            spans.append(Span(record.at, record.stop, None))
        span = spans[-1]
        span.stop, span.messages = record.stop, span.messages + 1
        span.first, span.last = min(span.first, log_time), max(span.last, log_time)
        start = record.at + PREFIX + MESSAGE_HEAD.size
        return Message(channel, log_time, publish_time, sequence, -1, start, record.stop - start)

    def _channel(self, number: int) -> Channel | None:
        channel = self.channels.get(number)
        if channel is None and number in self.summary.channels:
            channel = self.channels[number] = self.summary.channels[number]
        if channel is None and number in self._unsure:
            channel = self._unsure[number]
            self._named_by_unsure.add(number)
        return channel

    def _guess_definitions(self, head: ChunkHead) -> None:
        """Topics that a damaged chunk describes, for messages behind it if nothing else says what they are.

        Writers describe a topic once, before its first message, and again at the end of a file that they finish. In
        one that was not finished, damage to the first chunk would cost everything.
        """
        content = records.damaged_content(self.file, head)
        schemas, at = dict(self.schemas), 0
        while at + PREFIX <= len(content):
            opcode, length = struct.unpack_from("<BQ", content, at)
            body = content[at + PREFIX : at + PREFIX + length] if opcode in (SCHEMA, CHANNEL) else b""
            at += PREFIX + length
            with contextlib.suppress(RecordError):
                if opcode == SCHEMA:
                    number, schema = records.schema(body)
                    schemas[number] = schema
                elif opcode == CHANNEL:
                    channel = records.channel(body, schemas)
                    self._unsure.setdefault(channel.id, channel)

    def _definition(self, opcode: int, body: bytes) -> None:
        if opcode == SCHEMA:
            number, schema = records.schema(body)
            if not (self.summary.sure and number in self.summary.schemas):
                self.schemas[number] = schema
        elif opcode == CHANNEL:
            channel = records.channel(body, self.schemas)
            if not (self.summary.sure and channel.id in self.summary.channels):
                self.channels[channel.id] = channel
        elif opcode == METADATA:
            name, items = records.metadata(body)
            self.metadata[name] = items
            self.records.append((name, items))
        elif opcode == HEADER:
            self.profile = records.header(body)[0]

    # ---- again ---------------------------------------------------------------------------------------------
    def _again(self, span: Span) -> Iterator[Message]:
        ignored: collections.Counter[int] = collections.Counter()
        if span.head is not None:
            yield from self._messages(self.chunk_content(span.head), span.head.at, ignored)
            return
        at = span.at
        while at < span.stop:
            opcode, length = struct.unpack("<BQ", self.file.read(at, PREFIX))
            stop = at + PREFIX + length
            if opcode == MESSAGE:
                message = self._loose(Loose(opcode, at, stop), Content())
                if message is not None:
                    yield message
            at = stop

    def chunk_content(self, head: ChunkHead) -> bytes:
        """What is in a chunk; raises RecordError as :func:`records.content` does."""
        if head.at in self._chunks:
            self._chunks.move_to_end(head.at)
            return self._chunks[head.at]
        data = records.content(self.file, head)
        self._chunks[head.at] = data
        while len(self._chunks) > _CACHED_CHUNKS:
            self._chunks.popitem(last=False)
        return data

    # ---- what kind of file ------------------------------------------------------------------------------------
    def _has_checksums(self, at: int) -> bool:
        """The writer of this file gave its chunks checksums, so that one without lost it."""
        if self._checksums is None:
            others = [h for h in self._heads.values() if h.at != at]
            others += [h for h in self._later_heads(at) if h.at != at]
            self._checksums = any(h.crc for h in others)
        return self._checksums

    def _later_heads(self, at: int) -> Iterator[ChunkHead]:
        walk = Walk(self.file, self.summary, dict(self.channels), begin=at)
        for count, item in enumerate(walk):
            if isinstance(item, ChunkHead):
                yield item
            if count > 1000:
                return

    def _is_mcap(self) -> bool:
        """Something behind damaged first bytes is of an MCAP file."""
        if self.summary.data_end is not None:
            return True
        return any(not isinstance(item, Gap) for item in Walk(self.file, self.summary, {}))


def _widen(walk: Walk, span: Span) -> None:
    if span.messages:
        first, last = walk.log_times or (span.first, span.last)
        walk.log_times = (min(first, span.first), max(last, span.last))
