"""One MCAP file read from front to back, finished or not.

An unfinished file (its writer was killed, its disk was full, its copy was cut off) has no index. So no index
is used: records are walked in order, and the walk ends at the first one that is not whole. The file is
mapped, messages are slices of it; those of compressed chunks are cut from a small cache of chunks.

See https://mcap.dev/spec for the records.
"""

from __future__ import annotations

import collections
import mmap
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from foley_perception.recording.errors import BagError

MAGIC = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK = 1, 2, 3, 4, 5, 6
MESSAGE_INDEX, METADATA, DATA_END = 7, 12, 15
_CACHED_CHUNKS = 8


class Channel(NamedTuple):
    id: int
    topic: str
    type: str
    definition: str
    definition_encoding: str  # ros2msg or ros2idl
    message_encoding: str  # cdr
    metadata: dict[str, str]
    schema_id: int


class Message(NamedTuple):
    """Where one message lies; :meth:`McapFile.data` gives its bytes."""

    channel: Channel
    log_time: int
    publish_time: int
    sequence: int
    chunk: int  # offset of the compressed chunk's record; -1 if it can be cut from the file directly
    offset: int
    length: int


class McapFile:
    """A mapped MCAP file.

    Raises:
        BagError: not an MCAP file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise BagError(f"{path}: cannot be read ({error})") from error
        self._view = memoryview(self._map)
        if self._view[:8] != MAGIC:
            raise BagError(f"{path}: begins with {bytes(self._view[:8])!r}, not an MCAP file")
        self.channels: dict[int, Channel] = {}
        self.schemas: dict[int, tuple[str, str, str]] = {}  # id -> type, encoding, definition
        self.metadata: dict[str, dict[str, str]] = {}
        self.finished = False  # a footer was reached
        self.end = 8  # behind the last whole record
        self.problem = ""  # why the walk ended early
        self._chunks: collections.OrderedDict[int, memoryview] = collections.OrderedDict()

    def scan(self, *, check_crc: bool = False) -> Iterator[Message]:
        """All messages in file order; afterwards ``finished``, ``end`` and ``problem`` are known."""
        self.end, self.finished, self.problem = 8, False, ""
        size = len(self._view)
        while self.end < size:
            opcode, start, stop = self._record(self._view, self.end)
            if stop > size:
                self.problem = f"record at byte {self.end} is cut off after {size - self.end} bytes"
                return
            try:
                if opcode == CHUNK:
                    yield from self._scan_chunk(start, stop, check_crc)
                elif opcode == MESSAGE:
                    message = self._message(self._view, start, stop, -1, 0)
                    if message is not None:
                        yield message
                elif opcode == FOOTER:
                    self.finished, self.end = True, stop
                    return
                else:
                    self._definition(opcode, self._view[start:stop])
            except (struct.error, UnicodeDecodeError, IndexError, KeyError) as error:
                self.problem = f"record at byte {self.end} is damaged ({error})"
                return
            self.end = stop
        self.problem = "no end: the file was not finished"

    def data(self, message: Message) -> memoryview:
        """The serialised bytes of a message."""
        source = self._view if message.chunk < 0 else self._chunk_data(message.chunk)
        return source[message.offset : message.offset + message.length]

    # ---- inside ----------------------------------------------------------------------------------------
    @staticmethod
    def _record(view: memoryview, at: int) -> tuple[int, int, int]:
        if at + 9 > len(view):
            return 0, at, len(view) + 1
        opcode, length = struct.unpack_from("<BQ", view, at)
        return opcode, at + 9, at + 9 + length

    def _scan_chunk(self, start: int, stop: int, check_crc: bool) -> Iterator[Message]:
        _, _, size, crc = struct.unpack_from("<QQQI", self._view, start)
        compression, at = _string(self._view, start + 28)
        (length,) = struct.unpack_from("<Q", self._view, at)
        at += 8
        if at + length > stop:
            raise IndexError("chunk is longer than its record")
        if compression == "":
            inner, base, chunk = self._view[at : at + length], at, -1
        else:
            inner, base, chunk = self._chunk_data(start), 0, start
        if len(inner) != size:
            raise IndexError(f"chunk has {len(inner)} bytes, {size} were written")
        if check_crc and crc and zlib.crc32(inner) != crc:
            raise IndexError("checksum of the chunk does not match its content")
        at = 0
        while at < len(inner):
            opcode, record, record_stop = self._record(inner, at)
            if record_stop > len(inner):
                raise IndexError("a record crosses the end of its chunk")
            if opcode == MESSAGE:
                message = self._message(inner, record, record_stop, chunk, base)
                if message is not None:
                    yield message
            else:
                self._definition(opcode, inner[record:record_stop])
            at = record_stop

    def _message(self, view: memoryview, start: int, stop: int, chunk: int, base: int) -> Message | None:
        channel, sequence, log_time, publish_time = struct.unpack_from("<HIQQ", view, start)
        known = self.channels.get(channel)
        if known is None:
            return None
        return Message(known, log_time, publish_time, sequence, chunk, base + start + 22, stop - start - 22)

    def _definition(self, opcode: int, body: memoryview) -> None:
        if opcode == SCHEMA:
            (schema_id,) = struct.unpack_from("<H", body, 0)
            name, at = _string(body, 2)
            encoding, at = _string(body, at)
            text, at = _string(body, at)
            self.schemas[schema_id] = (name, encoding, text)
        elif opcode == CHANNEL:
            channel_id, schema_id = struct.unpack_from("<HH", body, 0)
            topic, at = _string(body, 4)
            encoding, at = _string(body, at)
            metadata = _string_map(body, at)
            name, definition_encoding, text = self.schemas.get(schema_id, ("", "", ""))
            self.channels[channel_id] = Channel(
                channel_id, topic, name, text, definition_encoding, encoding, metadata, schema_id
            )
        elif opcode == METADATA:
            name, at = _string(body, 0)
            self.metadata[name] = _string_map(body, at)

    def _chunk_data(self, start: int) -> memoryview:
        if start in self._chunks:
            self._chunks.move_to_end(start)
            return self._chunks[start]
        (size,) = struct.unpack_from("<Q", self._view, start + 16)
        compression, at = _string(self._view, start + 28)
        (length,) = struct.unpack_from("<Q", self._view, at)
        data = memoryview(_decompress(compression, self._view[at + 8 : at + 8 + length], size))
        self._chunks[start] = data
        while len(self._chunks) > _CACHED_CHUNKS:
            self._chunks.popitem(last=False)
        return data


def _decompress(compression: str, data: memoryview, size: int) -> bytes:
    if compression == "zstd":
        import zstandard

        try:
            return zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
        except zstandard.ZstdError as error:
            raise IndexError(f"zstd chunk is damaged ({error})") from error
    if compression == "lz4":
        import lz4.frame  # type: ignore[import-untyped]

        try:
            return bytes(lz4.frame.decompress(bytes(data)))
        except RuntimeError as error:
            raise IndexError(f"lz4 chunk is damaged ({error})") from error
    raise IndexError(f"compression `{compression}` is not known")


def _string(view: memoryview, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<I", view, at)
    stop = at + 4 + length
    if stop > len(view):
        raise IndexError("a string crosses the end of its record")
    return str(view[at + 4 : stop], "utf-8"), stop


def _string_map(view: memoryview, at: int) -> dict[str, str]:
    (length,) = struct.unpack_from("<I", view, at)
    at, stop, items = at + 4, at + 4 + length, {}
    while at < stop:
        key, at = _string(view, at)
        items[key], at = _string(view, at)
    return items
