"""Serialised messages whose layout never changes, filled in place.

A state message of 250 Hz differs from the last one in a stamp and a few doubles. Building and serialising it anew
costs a hundred times more than writing those bytes into the serialised form of the first one. The places are
found by serialising marker values, so the layout is rclpy's and not repeated here.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from rclpy.serialization import serialize_message

from foley_common.times import NS_PER_S

MARK = Time(sec=0x1234ABCD, nanosec=0x0BCDEF13)
"""Put this stamp into the message that a template is made from."""
_MARK = struct.pack("<iI", MARK.sec, MARK.nanosec)
_STAMP = struct.Struct("<iI")


def marker(count: int, dtype: str = "<f8", salt: int = 0) -> NDArray[Any]:
    """Values that occur nowhere else, to be put into the field that is to be found."""
    rng = np.random.default_rng([0x3A11, salt])
    if np.dtype(dtype).kind == "f":
        return rng.uniform(1e3, 1e4, count).astype(dtype)
    return rng.integers(2**40, 2**60, count).astype(dtype)


class Template:
    """A serialised message with its stamps and some fields left open.

    Args:
        message: with MARK as its stamps, and each field of ``fields`` set to its marker.
        fields: name -> marker values, in the field's own type.
        tail: name of a field that is the last of the message and may be of any bytes of the same length.

    Raises:
        ValueError: a marker is not found exactly once, or the machine does not serialise little endian.
    """

    def __init__(self, message: Any, fields: dict[str, NDArray[Any]] | None = None, tail: str = "") -> None:
        self._data = bytearray(serialize_message(message))
        if self._data[1] != 1:
            raise ValueError("messages are serialised big endian, which templates do not support")
        self._stamps = _find_all(self._data, _MARK)
        self._places: dict[str, tuple[int, int]] = {}
        for name, values in (fields or {}).items():
            pattern = values.tobytes()
            found = _find_all(self._data, pattern)
            if len(found) != 1:
                raise ValueError(
                    f"{type(message).__name__}.{name} was found {len(found)} times, expected once"
                )
            self._places[name] = (found[0], len(pattern))
        self._tail = 0
        if tail:
            start, size = self._places.pop(tail)
            if start + size != len(self._data):
                raise ValueError(f"{type(message).__name__}.{tail} is not the last field")
            self._tail = size
            del self._data[start:]

    def fill(self, time_ns: int, tail: bytes = b"", **fields: NDArray[Any]) -> bytes:
        """The message with this stamp and these values.

        Raises:
            ValueError: a field has another size than the template's.
        """
        data = self._data
        seconds, nanoseconds = divmod(time_ns, NS_PER_S)
        for place in self._stamps:
            _STAMP.pack_into(data, place, seconds, nanoseconds)
        for name, values in fields.items():
            start, size = self._places[name]
            raw = values.tobytes()
            if len(raw) != size:
                raise ValueError(f"field {name} has {len(raw)} bytes, the message has room for {size}")
            data[start : start + size] = raw
        if len(tail) != self._tail:
            raise ValueError(f"the last field has {len(tail)} bytes, the message has room for {self._tail}")
        return bytes(data) + tail


def _find_all(data: bytearray, pattern: bytes) -> list[int]:
    found, at = [], data.find(pattern)
    while at >= 0:
        found.append(at)
        at = data.find(pattern, at + 1)
    return found
