"""Serialised messages that are kept as bytes and read when needed."""

from __future__ import annotations

import struct

from foley_common.times import NS_PER_S


def stamp_ns(raw: bytes) -> int:
    """Stamp of a serialised message that begins with a std_msgs/Header.

    Raises:
        ValueError: too short to hold one.
    """
    if len(raw) < 12:
        raise ValueError(f"serialised message has {len(raw)} bytes, a header needs 12")
    # CDR: 4 bytes of encapsulation, the second of which tells the byte order; then sec and nanosec.
    seconds, nanoseconds = struct.unpack_from("<iI" if raw[1] & 1 else ">iI", raw, 4)
    return int(seconds) * NS_PER_S + int(nanoseconds)
