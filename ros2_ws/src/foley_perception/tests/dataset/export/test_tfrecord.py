"""Records and examples, against published values and a reader of protocol buffers of a few lines."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from foley_perception.dataset.export.tfrecord import crc32c, example, record, varints


@pytest.mark.parametrize(
    ("data", "crc"),
    [(b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)],  # RFC 3720, B.4
)
def test_crc_of_known_bytes(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


@pytest.mark.parametrize("size", [4095, 4096, 70_001, (1 << 20) + 17])
def test_crc_of_many_bytes_is_that_of_one_after_the_other(size: int) -> None:
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8).tobytes()
    table, state = [], 0xFFFFFFFF
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        table.append(number)
    for byte in data:
        state = table[(state ^ byte) & 255] ^ state >> 8
    assert crc32c(data) == state ^ 0xFFFFFFFF


def test_varints_of_every_length() -> None:
    values = [0, 1, 127, 128, 300, 2**31, 1_800_000_000_000_000_000, 2**63 - 1, -1]
    expected = b""
    for value in values:
        rest = value & (2**64 - 1)
        while rest > 127:
            expected, rest = expected + bytes([rest & 127 | 128]), rest >> 7
        expected += bytes([rest])
    assert varints(np.array(values, np.int64)) == expected


def fields(data: bytes) -> list[tuple[int, bytes]]:
    """Of a message all of whose fields have a length."""
    found, at = [], 0
    while at < len(data):
        number, length, shift, at = data[at] >> 3, 0, 0, at + 1
        while True:
            byte, at = data[at], at + 1
            length, shift = length | (byte & 127) << shift, shift + 7
            if byte < 128:
                break
        found.append((number, data[at : at + length]))
        at += length
    return found


def test_an_example_is_read_back() -> None:
    content = example(
        {"b": [b"one", b""], "a": np.array([[1.5, -2.0]], np.float32), "c": np.array([True, False])}
    )
    ((_, features),) = fields(content)
    read = {}
    for _, entry in fields(features):
        (_, name), (_, feature) = fields(entry)
        ((kind, values),) = fields(feature)
        read[name.decode()] = kind, [value for _, value in fields(values)]
    assert read["b"] == (1, [b"one", b""]) and list(read) == ["a", "b", "c"]
    assert read["a"] == (2, [struct.pack("<2f", 1.5, -2.0)]) and read["c"] == (3, [b"\x01\x00"])
    stored = record(content)
    assert struct.unpack("<Q", stored[:8]) == (len(content),) and stored[12:-4] == content
