"""Reading a few types straight from their serialised bytes (XCDR1, as ROS 2 sends them).

A recorder must not deserialise what it only stores, and a reader of episodes meets ten thousand chunks and
poses a minute. The layouts below are those of types that are frozen; everything else goes through the
definitions that a bag carries.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S

Buffer = bytes | memoryview
_TRANSFORM_BYTES = 72  # of a transform between frames without names
MOST_SAMPLES = 2**53  # a negative count in an unsigned field is more


class CdrError(ValueError):
    """Bytes that do not hold the message they claim to be."""


class Header(NamedTuple):
    time_ns: int
    frame_id: str


class AudioHead(NamedTuple):
    """An AudioChunk without its samples."""

    header: Header
    stream_id: str
    first_sample: int
    sample_rate: int
    channels: int
    stamp_source: int
    stamp_uncertainty: float
    size: int  # samples over all channels
    offset: int  # of the first sample in the bytes

    @property
    def frames(self) -> int:
        return self.size // self.channels if self.channels else 0


class ImageHead(NamedTuple):
    """An Image without its pixels."""

    header: Header
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    size: int  # bytes of pixels
    offset: int  # of the first pixel in the bytes


class CompressedHead(NamedTuple):
    """A CompressedImage without its bytes."""

    header: Header
    format: str
    size: int  # bytes of the file inside
    offset: int  # of the first of them


class Transform(NamedTuple):
    """One of a TFMessage, whose numbers are read when they are asked for: most are of frames that nobody needs."""

    time_ns: int
    parent: str
    child: str
    data: Buffer
    offset: int  # of the numbers

    def numbers(self) -> tuple[float, ...]:
        """Translation (x, y, z) and rotation (x, y, z, w)."""
        return struct.unpack_from("<7d" if self.data[1] == 1 else ">7d", self.data, self.offset)


# Made once: hundreds of messages a second are read in each recording.
_HEADS = {order: struct.Struct(order + "iII") for order in "<>"}
_NUMBERS = {order + code: struct.Struct(order + code) for order in "<>" for code in "iIQBd"}
_SHORT = 64  # bytes of a name, of which a recording repeats a few


@functools.lru_cache(maxsize=1024)
def _text(raw: bytes) -> str:
    """Of a string's bytes, the last of which is 0."""
    return raw[:-1].decode("utf-8", "replace")


class _Cursor:
    """Aligned little or big endian reading behind the 4 bytes of encapsulation."""

    def __init__(self, data: Buffer) -> None:
        if len(data) < 4 or data[1] not in (0, 1):
            raise CdrError(f"{len(data)} bytes without a CDR encapsulation header")
        self.data = data
        self.order = "<" if data[1] == 1 else ">"
        self.at = 4

    def take(self, code: str, size: int) -> int | float:
        self.at += -(self.at - 4) % size
        try:
            (value,) = _NUMBERS[self.order + code].unpack_from(self.data, self.at)
        except struct.error as error:
            raise CdrError(f"message ends after {len(self.data)} bytes") from error
        self.at += size
        return value  # type: ignore[no-any-return]

    def u32(self) -> int:
        return int(self.take("I", 4))

    def string(self) -> str:
        length = self.u32()
        raw = bytes(self.data[self.at : self.at + length])
        if len(raw) != length:
            raise CdrError(f"string of {length} bytes in a message of {len(self.data)}")
        self.at += length
        return _text(raw) if length <= _SHORT else raw[:-1].decode("utf-8", "replace")

    def header(self) -> Header:
        self.at += -(self.at - 4) % 4
        try:
            seconds, nanoseconds, length = _HEADS[self.order].unpack_from(self.data, self.at)
        except struct.error as error:
            raise CdrError(f"message ends after {len(self.data)} bytes") from error
        self.at += 12 + length
        raw = bytes(self.data[self.at - length : self.at])
        if len(raw) != length:
            raise CdrError(f"string of {length} bytes in a message of {len(self.data)}")
        return Header(seconds * NS_PER_S + nanoseconds, _text(raw))

    def floats(self, count: int) -> NDArray[np.float64]:
        self.at += -(self.at - 4) % 8
        try:
            return np.frombuffer(self.data, dtype=self.order + "f8", count=count, offset=self.at)
        except ValueError as error:
            raise CdrError(f"message ends after {len(self.data)} bytes") from error


def read_stamp(data: Buffer, offset: int) -> int | None:
    """Nanoseconds of the builtin_interfaces/Time at ``offset``; None if the message is too short."""
    if len(data) < offset + 8 or len(data) < 4:
        return None
    seconds, nanoseconds = struct.unpack_from("<iI" if data[1] == 1 else ">iI", data, offset)
    return int(seconds) * NS_PER_S + int(nanoseconds)


def with_stamp(data: Buffer, offset: int, time_ns: int) -> bytes:
    """The same message with another builtin_interfaces/Time at ``offset``."""
    changed = bytearray(data)
    order = "<iI" if data[1] == 1 else ">iI"
    struct.pack_into(order, changed, offset, *divmod(time_ns, NS_PER_S))
    return bytes(changed)


def read_first_stamp(data: Buffer, where: tuple[int, bool] | None) -> int | None:
    """The stamp at the place that :func:`definitions.stamp_offset` found; None if there is none, if its
    sequence is empty, or if it is zero (its publisher did not stamp it)."""
    if where is None:
        return None
    offset, in_sequence = where
    if in_sequence and not int.from_bytes(data[4:8], "little" if data[1] == 1 else "big"):
        return None
    return read_stamp(data, offset) or None


def is_string(data: Buffer) -> bool:
    """Whether a std_msgs/String is whole."""
    try:
        _Cursor(data).string()
    except CdrError:
        return False
    return True


def read_string(data: Buffer) -> str:
    """The text of a std_msgs/String."""
    return _Cursor(data).string()


def audio_head_or_none(data: Buffer) -> AudioHead | None:
    """:func:`read_audio_head`, None for what is no audio chunk."""
    try:
        return read_audio_head(data)
    except CdrError:
        return None


def read_audio_head(data: Buffer) -> AudioHead:
    """foley_msgs/msg/AudioChunk up to its samples."""
    cursor = _Cursor(data)
    header, stream_id = cursor.header(), cursor.string()
    first_sample, rate = int(cursor.take("Q", 8)), cursor.u32()
    channels, source = int(cursor.take("B", 1)), int(cursor.take("B", 1))
    uncertainty = float(cursor.take("d", 8))
    count = cursor.u32()
    if first_sample >= MOST_SAMPLES:
        raise CdrError(
            f"first_sample is {first_sample}, which no stream reaches: the driver must count from 0"
        )
    if cursor.at + 4 * count > len(data):
        raise CdrError(f"audio chunk claims {count} samples, its message has {len(data)} bytes")
    return AudioHead(header, stream_id, first_sample, rate, channels, source, uncertainty, count, cursor.at)


def read_audio_samples(data: Buffer, head: AudioHead) -> NDArray[np.float32]:
    """Samples [frames, channels] of the chunk."""
    flat = np.frombuffer(data, dtype="<f4" if data[1] == 1 else ">f4", count=head.size, offset=head.offset)
    return flat.reshape(-1, max(head.channels, 1)).astype(np.float32, copy=False)


def write_audio(
    head: AudioHead,
    samples: NDArray[np.float32],  # [frames, channels]
) -> bytes:
    """foley_msgs/msg/AudioChunk; ``size`` and ``offset`` of the head are told by the samples."""
    out = bytearray(b"\0\1\0\0")

    def put(code: str, size: int, *values: float) -> None:
        out.extend(bytes(-(len(out) - 4) % size))
        out.extend(struct.pack(f"<{code}", *values))

    def string(text: str) -> None:
        raw = text.encode() + b"\0"
        put("I", 4, len(raw))
        out.extend(raw)

    put("iI", 4, *divmod(head.header.time_ns, NS_PER_S))
    string(head.header.frame_id)
    string(head.stream_id)
    put("Q", 8, head.first_sample)
    put("I", 4, head.sample_rate)
    put("BB", 1, head.channels, head.stamp_source)
    put("d", 8, head.stamp_uncertainty)
    put("I", 4, samples.size)
    out.extend(np.ascontiguousarray(samples, "<f4").tobytes())
    return bytes(out)


def read_header(data: Buffer) -> Header:
    """The std_msgs/Header that a message begins with."""
    return _Cursor(data).header()


def read_image_head(data: Buffer) -> ImageHead:
    """sensor_msgs/msg/Image up to its pixels."""
    cursor = _Cursor(data)
    header, height, width, encoding = cursor.header(), cursor.u32(), cursor.u32(), cursor.string()
    is_bigendian, step, count = int(cursor.take("B", 1)), cursor.u32(), cursor.u32()
    if cursor.at + count > len(data):
        raise CdrError(f"image claims {count} bytes of pixels, its message has {len(data)} bytes")
    return ImageHead(header, height, width, encoding, is_bigendian, step, count, cursor.at)


def read_compressed_head(data: Buffer) -> CompressedHead:
    """sensor_msgs/msg/CompressedImage up to its bytes."""
    cursor = _Cursor(data)
    header, kind, count = cursor.header(), cursor.string(), cursor.u32()
    if cursor.at + count > len(data):
        raise CdrError(f"image claims {count} bytes, its message has {len(data)} bytes")
    return CompressedHead(header, kind, count, cursor.at)


def read_doubles(data: Buffer, count: int) -> tuple[Header, NDArray[np.float64]]:
    """A header followed by ``count`` float64: PoseStamped (7), WrenchStamped (6), PointStamped (3)."""
    cursor = _Cursor(data)
    return cursor.header(), cursor.floats(count)


def read_joints(data: Buffer) -> tuple[Header, tuple[str, ...], NDArray[np.float64]]:
    """sensor_msgs/msg/JointState up to its positions: names [n], and positions [n] or fewer."""
    cursor = _Cursor(data)
    header, count = cursor.header(), cursor.u32()
    if count > len(data):
        raise CdrError(f"{count} joints in a message of {len(data)} bytes")
    names = tuple(cursor.string() for _ in range(count))
    return header, names, cursor.floats(cursor.u32())


def read_transforms(data: Buffer) -> list[Transform]:
    """tf2_msgs/msg/TFMessage. Frames are named without the slash that tf1 wrote before them.

    Raises:
        CdrError: it ends before its transforms do.
    """
    order = "<" if len(data) > 1 and data[1] == 1 else ">"
    head, length = struct.Struct(order + "iII"), struct.Struct(order + "I")
    found, at = list[Transform](), 8
    try:
        (count,) = length.unpack_from(data, 4)
        if count * _TRANSFORM_BYTES > len(data):
            raise CdrError(f"{count} transforms in a message of {len(data)} bytes")
        for _ in range(count):
            at += -at % 4
            seconds, nanoseconds, size = head.unpack_from(data, at)
            parent = bytes(data[at + 12 : at + 11 + size])
            at += 12 + size
            at += -at % 4
            (size,) = length.unpack_from(data, at)
            child = bytes(data[at + 4 : at + 3 + size])
            at += 4 + size
            at += -(at - 4) % 8
            found.append(Transform(seconds * NS_PER_S + nanoseconds, _frame(parent), _frame(child), data, at))
            at += 56
    except struct.error as error:
        raise CdrError(f"message ends after {len(data)} bytes") from error
    if at > len(data):
        raise CdrError(f"message ends after {len(data)} bytes")
    return found


@functools.lru_cache(maxsize=1024)
def _frame(name: bytes) -> str:
    return name.decode("utf-8", "replace").lstrip("/")


def write_pose(time_ns: int, frame: str, numbers: Sequence[float]) -> bytes:
    """A serialised geometry_msgs/msg/PoseStamped of position (x, y, z) and quaternion (x, y, z, w)."""
    name = frame.encode() + b"\0"
    seconds, nanoseconds = divmod(time_ns, NS_PER_S)
    head = struct.pack("<4siII", b"\0\1\0\0", seconds, nanoseconds, len(name)) + name
    return head + bytes(-(len(head) - 4) % 8) + struct.pack("<7d", *numbers)
