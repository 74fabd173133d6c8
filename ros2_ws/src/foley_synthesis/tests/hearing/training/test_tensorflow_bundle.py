"""Bundles of variables, written here as TensorFlow writes them."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from foley_synthesis.hearing.training.tensorflow_bundle import BundleError, read_floats


def varint(value: int) -> bytes:
    groups = b""
    while value > 0x7F:
        groups += bytes([value & 0x7F | 0x80])
        value >>= 7
    return groups + bytes([value])


def entry(shape: tuple[int, ...], offset: int, size: int, dtype: int = 1, shard: int = 0) -> bytes:
    """BundleEntryProto, with the checksum that is not read; fields that are 0 are left out, as protobuf does."""
    dims = b"".join(b"\x12" + varint(len(d)) + d for d in (b"\x08" + varint(n) for n in shape))
    fields = b"\x08" + varint(dtype) + b"\x12" + varint(len(dims)) + dims
    for tag, value in ((b"\x18", shard), (b"\x20", offset), (b"\x28", size)):
        fields += tag + varint(value) if value else b""
    return fields + b"\x35" + struct.pack("<I", 12345)


def block(pairs: list[tuple[bytes, bytes]], kind: int = 0) -> bytes:
    """Keys share their beginning with the key before, anew after every second one; then kind and checksum."""
    text, restarts, before = b"", [], b""
    for index, (key, value) in enumerate(pairs):
        shared = 0
        if index % 2 == 0:
            restarts.append(len(text))
        else:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        text += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    text += b"".join(struct.pack("<I", at) for at in [*restarts, len(restarts)])
    return text + bytes([kind]) + b"\0\0\0\0"


def bundle(variables: dict[str, np.ndarray], *, kind: int = 0, shard: int = 0) -> tuple[bytes, bytes]:
    """Index and data; three entries to a block."""
    data, pairs = b"", [(b"", b"\x08\x01")]
    for name in sorted(variables):
        value = variables[name]
        dtype = {"float32": 1, "int64": 9}[value.dtype.name]
        pairs.append((name.encode(), entry(value.shape, len(data), value.nbytes, dtype, shard)))
        data += value.tobytes()
    table, handles = b"", []
    for begin in range(0, len(pairs), 3):
        piece = block(pairs[begin : begin + 3], kind)
        handles.append((pairs[begin : begin + 3][-1][0], varint(len(table)) + varint(len(piece) - 5)))
        table += piece
    places = b""
    for last in (block([]), block(handles)):
        places += varint(len(table)) + varint(len(last) - 5)
        table += last
    return table + places.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57), data


def test_floats_are_read_and_the_rest_is_left() -> None:
    rng = np.random.default_rng(0)
    wanted = {
        f"net/layer-{k}/{kind}": rng.standard_normal(shape).astype(np.float32)
        for k in range(12)
        for kind, shape in (("beta", (40,)), ("kernel", (3, 2, 1, 5)))
    } | {"net/scale": np.array(2.5, np.float32)}
    found = read_floats(*bundle({**wanted, "net/count": np.array([7, 8], np.int64)}))
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        assert found[name].shape == value.shape and np.array_equal(found[name], value)


def test_what_is_no_bundle_is_told() -> None:
    variables = {"a": np.ones(3, np.float32)}
    index, data = bundle(variables)
    with pytest.raises(BundleError, match="does not end as a table"):
        read_floats(index[:-1] + b"\0", data)
    with pytest.raises(BundleError, match="12 bytes at 0"):
        read_floats(index, data[:-1])
    with pytest.raises(BundleError, match="compressed"):
        read_floats(*bundle(variables, kind=1))
    with pytest.raises(BundleError, match="several files"):
        read_floats(*bundle(variables, shard=1))
    with pytest.raises(BundleError):
        read_floats(b"", b"")
