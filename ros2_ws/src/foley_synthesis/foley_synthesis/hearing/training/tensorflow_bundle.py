"""Variables that TensorFlow saved, read without TensorFlow.

A bundle is `NAME.index`, a sorted table in the format of LevelDB (doc/table_format.md there) whose values are
messages `BundleEntryProto` (tensorflow/core/protobuf/tensor_bundle.proto), and `NAME.data-00000-of-00001`, the
tensors' bytes one after the other.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0xDB4775248B80FB57  # the last eight bytes of a table
_FOOTER = 48
_FLOAT = 1  # DT_FLOAT
_DTYPE, _SHAPE, _SHARD, _OFFSET, _SIZE = 1, 2, 3, 4, 5  # fields of BundleEntryProto
_DIM, _DIM_SIZE = 2, 1  # of TensorShapeProto, and of its Dim


class BundleError(ValueError):
    """This is no bundle, or one in a form that is not read."""


def read_floats(index: bytes, data: bytes) -> dict[str, NDArray[np.float32]]:
    """The variables of type float32, by name; others are left out.

    Raises:
        BundleError: damaged, compressed, or in several shards.
    """
    try:
        return dict(_floats(index, data))
    except (IndexError, KeyError, TypeError, ValueError, struct.error) as error:
        raise BundleError(f"not a bundle of variables: {error}") from error


def _floats(index: bytes, data: bytes) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for key, value in _table(index):
        if not key:  # the header
            continue
        entry = _message(value)
        if _number(entry, _DTYPE) != _FLOAT:
            continue
        if _number(entry, _SHARD):
            raise ValueError("its data lie in several files")
        shape = [
            _number(_message(dim), _DIM_SIZE)
            for dim in _message(_text(entry, _SHAPE)).get(_DIM, [])
            if isinstance(dim, bytes)
        ]
        begin, size = _number(entry, _OFFSET), _number(entry, _SIZE)
        if size != 4 * math.prod(shape) or begin + size > len(data):
            raise ValueError(f"{key.decode()} has {size} bytes at {begin}, and shape {shape}")
        yield key.decode(), np.frombuffer(data, "<f4", size // 4, begin).reshape(shape)


def _table(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values; the index block of a table names its data blocks."""
    footer = table[-_FOOTER:]
    if struct.unpack("<Q", footer[-8:])[0] != _MAGIC:
        raise ValueError("it does not end as a table does")
    at = 0
    handle = []
    for _ in range(4):  # offset and size of the block of filters, then of the index
        value, at = _varint(footer, at)
        handle.append(value)
    for _, text in _block(table, handle[2], handle[3]):
        offset, at = _varint(text, 0)
        size, _ = _varint(text, at)
        yield from _block(table, offset, size)


def _block(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    if table[offset + size] != 0:
        raise ValueError(f"a block is compressed (kind {table[offset + size]})")
    block = table[offset : offset + size]
    restarts = struct.unpack("<I", block[-4:])[0]
    end, at, key = len(block) - 4 * (restarts + 1), 0, b""
    while at < end:
        shared, at = _varint(block, at)  # with the key before
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + length]
        at += own + length


def _message(text: bytes) -> dict[int, list[int | bytes]]:
    """Fields of a protocol buffer by their number; 32 and 64 bit ones as bytes."""
    fields: dict[int, list[int | bytes]] = {}
    at = 0
    while at < len(text):
        tag, at = _varint(text, at)
        kind = tag & 7
        value: int | bytes
        if kind == 0:
            value, at = _varint(text, at)
        else:
            length, at = _varint(text, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
            value, at = text[at : at + length], at + length
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _number(fields: dict[int, list[int | bytes]], field: int) -> int:
    value = fields.get(field, [0])[-1]
    if not isinstance(value, int):
        raise ValueError(f"field {field} is not a number")
    return value


def _text(fields: dict[int, list[int | bytes]], field: int) -> bytes:
    value = fields.get(field, [b""])[-1]
    if not isinstance(value, bytes):
        raise ValueError(f"field {field} is not a message")
    return value


def _varint(text: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = text[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
