"""The records of MCAP, strictly: a record whose lengths do not fit one another is none.

See https://mcap.dev/spec. Bytes come from a file of which any part may be damaged; so nothing here trusts a length,
and whatever does not fit raises :class:`RecordError`.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from foley_perception.recording.byte_file import ByteFile

MAGIC = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, CHUNK_INDEX = range(1, 9)
ATTACHMENT, ATTACHMENT_INDEX, STATISTICS, METADATA, METADATA_INDEX, SUMMARY_OFFSET, DATA_END = range(9, 16)
PREFIX = 9  # bytes of opcode and length
MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
COMPRESSIONS = ("", "zstd", "lz4")
CHUNK_HEAD_BYTES = 64  # enough for the head of a chunk behind the prefix
_LARGEST_CHUNK = 1 << 30  # [bytes]; decompressed, where only the compressed data say how many


class RecordError(ValueError):
    """Bytes that are not what they should be."""


class Schema(NamedTuple):
    type: str
    encoding: str  # ros2msg or ros2idl
    text: str


class Channel(NamedTuple):
    id: int
    topic: str
    type: str
    definition: str
    definition_encoding: str
    message_encoding: str  # cdr
    metadata: dict[str, str]
    schema_id: int


class Attachment(NamedTuple):
    """A file in the file."""

    name: str
    media_type: str
    log_time: int  # [ns]
    create_time: int
    data: bytes


class ChunkHead(NamedTuple):
    """What stands before the content of a chunk, and where all of it lies in the file."""

    at: int  # of the record
    content: int
    packed: int  # bytes of the content as it is stored
    size: int  # bytes of the content
    compression: str
    crc: int  # of the content; 0 unknown
    start_time: int  # [ns] of the first message, as the head says
    end_time: int

    @property
    def stop(self) -> int:
        return self.content + self.packed


class ChunkIndex(NamedTuple):
    """What the summary says of a chunk."""

    at: int
    length: int  # of its record, with the prefix
    start_time: int
    end_time: int
    message_indexes: dict[int, int]  # channel -> offset
    message_index_length: int
    compression: str
    packed: int
    size: int

    @property
    def messages(self) -> int | None:
        """How many, which the length of its message indexes tells; None without them."""
        entries, rest = divmod(self.message_index_length - 15 * len(self.message_indexes), 16)
        return entries if self.message_indexes and rest == 0 and entries >= 0 else None


class Statistics(NamedTuple):
    messages: int
    channels: dict[int, int]  # messages of each


def chunk_head(at: int, length: int, head: bytes) -> ChunkHead:
    """The head of the chunk whose record begins at ``at`` and is ``length`` bytes long without its prefix.

    Args:
        head: the first bytes behind the prefix, :data:`CHUNK_HEAD_BYTES` if there are as many.
    """
    if len(head) < 40 or length < 40:
        raise RecordError("too short for a chunk")
    start, end, size, crc = struct.unpack_from("<QQQI", head)
    compression, behind = string(head, 28)
    if compression not in COMPRESSIONS:
        raise RecordError(f"compression `{compression}` is not known")
    if behind + 8 > len(head):
        raise RecordError("too short for a chunk")
    (packed,) = struct.unpack_from("<Q", head, behind)
    if behind + 8 + packed != length:
        raise RecordError("the lengths of a chunk do not fit one another")
    return ChunkHead(at, at + PREFIX + behind + 8, packed, size, compression, crc, start, end)


def decompressed(compression: str, data: bytes, size: int) -> bytes:
    """The content of a chunk of ``size`` bytes; another size is believed where the data say it themselves.

    Raises:
        RecordError: they cannot be decompressed, or are not one whole frame and nothing else.
    """
    if compression == "":
        return data
    try:
        plain, rest = _unpacked_lz4(data) if compression == "lz4" else _unpacked_zstd(data, size)
    except (RuntimeError, ValueError, MemoryError) as error:
        raise RecordError(f"cannot be decompressed ({error})") from error
    if rest:
        raise RecordError("is longer than what is in it")
    return plain


def _unpacked_zstd(data: bytes, size: int) -> tuple[bytes, bool]:
    import zstandard

    try:
        said = zstandard.frame_content_size(data)  # -1: the data do not say it
        if max(said, size if said < 0 else 0) > _LARGEST_CHUNK:
            raise RecordError(f"a chunk of {max(said, size)} bytes")
        unpacker = zstandard.ZstdDecompressor().decompressobj()
        plain = unpacker.decompress(data)
    except zstandard.ZstdError as error:
        raise RecordError(f"cannot be decompressed ({error})") from error
    if not unpacker.eof:
        raise RecordError("cannot be decompressed (its end is missing)")
    return plain, bool(unpacker.unused_data)


def _unpacked_lz4(data: bytes) -> tuple[bytes, bool]:
    import lz4.frame  # type: ignore[import-untyped]

    unpacker = lz4.frame.LZ4FrameDecompressor()
    plain = unpacker.decompress(data)
    if not unpacker.eof:
        raise RecordError("cannot be decompressed (its end is missing)")
    return bytes(plain), bool(unpacker.unused_data)


def content(file: ByteFile, head: ChunkHead) -> bytes:
    """What is in a chunk.

    Raises:
        RecordError: it is not what was written: its checksum, or, without one, its size is wrong.
    """
    packed = file.read(head.content, head.packed)
    if len(packed) < head.packed:
        raise RecordError(f"cut off after {len(packed)} bytes")
    data = decompressed(head.compression, packed, head.size)
    if head.crc == 0 and len(data) != head.size:
        raise RecordError(f"has {len(data)} bytes, {head.size} were written")
    if head.crc and zlib.crc32(data) != head.crc:
        raise RecordError("its checksum does not match its content")
    return data


def damaged_content(file: ByteFile, head: ChunkHead) -> bytes:
    """The first bytes of a chunk whose content is wrong, as far as they can be decompressed."""
    packed = file.read(head.content, head.packed)
    if head.compression != "zstd":
        return packed if head.compression == "" else b""
    import zstandard

    unpacker, parts = zstandard.ZstdDecompressor().decompressobj(), []
    try:
        for at in range(0, len(packed), 1024):
            parts.append(unpacker.decompress(packed[at : at + 1024]))
    except (zstandard.ZstdError, MemoryError):
        pass
    return b"".join(parts)


def header(body: bytes) -> tuple[str, str]:
    """Profile and library."""
    profile, at = string(body, 0)
    library, _ = string(body, at)
    return profile, library


def schema(body: bytes) -> tuple[int, Schema]:
    number = _number("<H", body, 0)
    name, at = string(body, 2)
    encoding, at = string(body, at)
    text, at = string(body, at)
    _exhausted(body, at)
    return number, Schema(name, encoding, text)


def channel(body: bytes, schemas: dict[int, Schema]) -> Channel:
    number, schema_id = _number("<H", body, 0), _number("<H", body, 2)
    topic, at = string(body, 4)
    encoding, at = string(body, at)
    metadata, at = string_map(body, at)
    _exhausted(body, at)
    name, definition_encoding, text = schemas.get(schema_id, Schema("", "", ""))
    return Channel(number, topic, name, text, definition_encoding, encoding, metadata, schema_id)


def metadata(body: bytes) -> tuple[str, dict[str, str]]:
    name, at = string(body, 0)
    items, at = string_map(body, at)
    _exhausted(body, at)
    return name, items


def message_index(body: bytes) -> tuple[int, bytes]:
    """Channel, and its entries: log time and offset in the chunk, 16 bytes each."""
    number, length = _number("<H", body, 0), _number("<I", body, 2)
    if length % 16 or length + 6 != len(body):
        raise RecordError("the lengths of a message index do not fit one another")
    return number, body[6:]


def check_attachment(length: int, head: bytes) -> None:
    """Only its lengths, with as many first bytes as hold its name."""
    _, at = string(head, 16)
    _, at = string(head, at)
    if at + 8 + _number("<Q", head, at) + 4 != length:
        raise RecordError("the lengths of an attachment do not fit one another")


def attachment(body: bytes) -> Attachment:
    """All of it.

    Raises:
        RecordError: its checksum does not match, or its lengths do not fit.
    """
    log_time, create_time = _number("<Q", body, 0), _number("<Q", body, 8)
    name, at = string(body, 16)
    media_type, at = string(body, at)
    size = _number("<Q", body, at)
    crc = _number("<I", body, len(body) - 4) if len(body) == at + 8 + size + 4 else None
    if crc is None:
        raise RecordError("the lengths of an attachment do not fit one another")
    if crc and zlib.crc32(body[:-4]) != crc:
        raise RecordError(f"the checksum of attachment {name!r} does not match it")
    return Attachment(name, media_type, log_time, create_time, body[at + 8 : -4])


def chunk_index(body: bytes) -> ChunkIndex:
    if len(body) < 60:
        raise RecordError("too short for the index of a chunk")
    start, end, at, length = struct.unpack_from("<QQQQ", body)
    size = _number("<I", body, 32)
    if size % 10 or 36 + size + 8 > len(body):
        raise RecordError("the index of a chunk does not fit")
    offsets = dict(struct.iter_unpack("<HQ", body[36 : 36 + size]))
    indexes = _number("<Q", body, 36 + size)
    compression, behind = string(body, 44 + size)
    packed, unpacked = _number("<Q", body, behind), _number("<Q", body, behind + 8)
    return ChunkIndex(at, length, start, end, offsets, indexes, compression, packed, unpacked)


def statistics(body: bytes) -> Statistics:
    messages, size = _number("<Q", body, 0), _number("<I", body, 42)
    if size % 10 or 46 + size > len(body):
        raise RecordError("the statistics do not fit")
    return Statistics(messages, dict(struct.iter_unpack("<HQ", body[46 : 46 + size])))


def string(data: bytes, at: int) -> tuple[str, int]:
    stop = at + 4 + _number("<I", data, at)
    if stop > len(data):
        raise RecordError("a string crosses the end of its record")
    try:
        return str(data[at + 4 : stop], "utf-8"), stop
    except UnicodeDecodeError as error:
        raise RecordError(f"a string is not UTF-8 ({error.reason})") from error


def string_map(data: bytes, at: int) -> tuple[dict[str, str], int]:
    stop = at + 4 + _number("<I", data, at)
    at, items = at + 4, {}
    while at < stop:
        key, at = string(data, at)
        items[key], at = string(data, at)
    if at != stop:
        raise RecordError("a map crosses its own end")
    return items, stop


def _number(form: str, data: bytes, at: int) -> int:
    try:
        (value,) = struct.unpack_from(form, data, at)
    except struct.error as error:
        raise RecordError("a record is too short") from error
    return int(value)


def _exhausted(body: bytes, at: int) -> None:
    if at != len(body):
        raise RecordError("a record is longer than what is in it")
