"""TFRecord files of tf.train.Example, written without TensorFlow.

A record is its length, a checksum of that, its bytes and a checksum of these; an example is a protocol buffer, a map
from names to lists of bytes, float32 or int64 (tensorflow/core/example/feature.proto).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Value = Sequence[bytes] | NDArray[np.float32] | NDArray[np.int64]
_POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected
_ALL = 0xFFFFFFFF
_MASK = 0xA282EAD8


def _table() -> NDArray[np.uint32]:
    state: NDArray[Any] = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        state = (state >> 1) ^ np.where(state & 1, np.uint32(_POLYNOMIAL), np.uint32(0))
    return state.astype(np.uint32)


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli) of bytes. Of many, stretches are gone through side by side and then joined."""
    lanes = 4096 if len(data) >= 1 << 20 else 64 if len(data) >= 1 << 12 else 1
    length = len(data) // lanes if lanes > 1 else 0
    state = _ALL
    if length:
        body = np.frombuffer(data, np.uint8, lanes * length).reshape(lanes, length).astype(np.uint32)
        states, images = np.zeros(lanes, np.uint32), np.uint32(1) << np.arange(32, dtype=np.uint32)
        states[0] = _ALL
        for column in np.ascontiguousarray(body.T):
            states = _TABLE[(states ^ column) & 255] ^ (states >> 8)
            images = _TABLE[images & 255] ^ (images >> 8)  # of each bit, behind as many zeros
        state = int(states[0])
        bits = np.arange(32, dtype=np.uint32)
        for one in states[1:]:
            moved = images[(np.uint32(state) >> bits) & 1 == 1]
            state = int(np.bitwise_xor.reduce(moved, initial=0)) ^ int(one)
    for byte in data[lanes * length :]:
        state = int(_TABLE[(state ^ byte) & 255]) ^ (state >> 8)
    return state ^ _ALL


def record(data: bytes) -> bytes:
    """A record as it stands in a file."""
    length = struct.pack("<Q", len(data))
    return b"".join((length, _masked(length), data, _masked(data)))


def example(features: Mapping[str, Value]) -> bytes:
    """A serialised tf.train.Example. Numbers are taken flat; int64 and bool as int64, others as float32."""
    entries = []
    for name, value in sorted(features.items()):
        feature = _field(1, name.encode()) + _field(2, _feature(value))
        entries.append(_field(1, feature))
    return _field(1, b"".join(entries))


def varints(values: NDArray[np.int64]) -> bytes:
    """Numbers as a protocol buffer writes them, one after the other."""
    rest = np.ascontiguousarray(values, np.int64).reshape(-1).view(np.uint64)
    groups = (rest[:, None] >> (7 * np.arange(10, dtype=np.uint64))) & np.uint64(127)
    lengths = np.where(groups.any(axis=1), 10 - np.argmax(groups[:, ::-1] != 0, axis=1), 1)
    place = np.arange(10)
    groups = np.where(place < lengths[:, None] - 1, groups | np.uint64(128), groups)
    return bytes(groups.astype(np.uint8)[place < lengths[:, None]].tobytes())


# ---- inside --------------------------------------------------------------------------------------------
def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + _MASK) & _ALL)


def _feature(value: Value) -> bytes:
    if not isinstance(value, np.ndarray):
        return _field(1, b"".join(_field(1, item) for item in value))
    if value.dtype.kind in "iub":
        return _field(3, _field(1, varints(value.astype(np.int64))))
    return _field(2, _field(1, np.ascontiguousarray(value, "<f4").tobytes()))


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes with its length."""
    return b"".join((bytes([number << 3 | 2]), varints(np.array([len(content)])), content))
