"""Poses and transforms of many serialised messages at once (XCDR1, as ROS 2 sends them).

A robot's control loop sends a thousand of them a second, all alike but for stamps and numbers. Messages that share
their layout (lengths, names, byte order) are laid upon each other and read as columns: some hundred nanoseconds each,
where deserialising one takes thirty microseconds.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S

Bytes = NDArray[np.uint8]
Rows = NDArray[np.int64]

_NUMBERS = 56  # bytes of position and quaternion
_MOST_LAYOUTS = 32  # that are compared with many messages; further ones are read one by one
_MOST_TRANSFORMS = 10_000  # in a message


@dataclasses.dataclass(frozen=True, eq=False)
class Placed:
    """Positions and quaternions of one frame seen from another, of several messages."""

    rows: Rows  # [n] which of the messages
    parent: str  # of a pose: the frame that it is given in
    child: str  # empty for a pose
    times_ns: NDArray[np.int64]  # [n] stamps
    numbers: NDArray[np.float64]  # [n, 7] position, quaternion (x, y, z, w)


@dataclasses.dataclass(frozen=True)
class _Item:
    stamp: int  # offsets of its parts
    numbers: int
    parent: str
    child: str


@dataclasses.dataclass(frozen=True)
class _Layout:
    order: str
    items: tuple[_Item, ...]
    fixed: tuple[int, ...]  # offsets of the bytes that make the layout


class _Walk:
    """Reads lengths and names of one message. Raises ValueError where it ends too early."""

    def __init__(self, data: bytes) -> None:
        if len(data) < 4 or data[0] != 0 or data[1] not in (0, 1):
            raise ValueError("no CDR encapsulation")
        self.data, self.order = data, "<" if data[1] else ">"
        self.at = 4
        self.fixed = [0, 1]

    def count(self) -> int:
        self._align(4)
        self._need(4)
        (value,) = struct.unpack_from(self.order + "I", self.data, self.at)
        self.fixed += range(self.at, self.at + 4)
        self.at += 4
        return int(value)

    def string(self) -> str:
        length = self.count()
        self._need(length)
        self.fixed += range(self.at, self.at + length)
        self.at += length
        return self.data[self.at - length : max(self.at - 1, self.at - length)].decode("utf-8", "replace")

    def skip(self, size: int, align: int) -> int:
        """Offset of something of this size."""
        self._align(align)
        self._need(size)
        self.at += size
        return self.at - size

    def _align(self, size: int) -> None:
        self.at += -(self.at - 4) % size

    def _need(self, size: int) -> None:
        if self.at + size > len(self.data):
            raise ValueError(f"message ends after {len(self.data)} bytes")


def _pose_layout(data: bytes) -> _Layout:
    walk = _Walk(data)
    stamp, frame = walk.skip(8, 4), walk.string()
    return _Layout(walk.order, (_Item(stamp, walk.skip(_NUMBERS, 8), frame, ""),), tuple(walk.fixed))


def _transform_layout(data: bytes) -> _Layout:
    walk, items = _Walk(data), []
    count = walk.count()
    if count > _MOST_TRANSFORMS:
        raise ValueError(f"{count} transforms in one message")
    for _ in range(count):
        stamp, parent, child = walk.skip(8, 4), walk.string(), walk.string()
        items.append(_Item(stamp, walk.skip(_NUMBERS, 8), parent, child))
    return _Layout(walk.order, tuple(items), tuple(walk.fixed))


def read_poses(messages: Sequence[bytes]) -> Iterator[Placed]:
    """Serialised PoseStamped; messages in no part of the answer hold none."""
    return _read(messages, _pose_layout)


def read_transforms(messages: Sequence[bytes]) -> Iterator[Placed]:
    """Serialised tf2_msgs/TFMessage; of each part the messages are in their order."""
    return _read(messages, _transform_layout)


def _read(messages: Sequence[bytes], layout_of: Callable[[bytes], _Layout]) -> Iterator[Placed]:
    for layout, rows, table in _alike(messages, layout_of):
        for item in layout.items:
            stamps = _columns(table, item.stamp, 8).view(f"{layout.order}u4").astype(np.int64)
            seconds = stamps[:, 0].astype(np.uint32).view(np.int32).astype(np.int64)
            numbers = _columns(table, item.numbers, _NUMBERS).view(f"{layout.order}f8").astype(np.float64)
            yield Placed(rows, item.parent, item.child, seconds * NS_PER_S + stamps[:, 1], numbers)


def _columns(table: Bytes, start: int, size: int) -> Bytes:
    return np.ascontiguousarray(table[:, start : start + size])


def _alike(
    messages: Sequence[bytes], layout_of: Callable[[bytes], _Layout]
) -> Iterator[tuple[_Layout, Rows, Bytes]]:
    """Messages that share a layout: it, which they are [n], and their bytes [n, length]."""
    by_length: dict[int, list[int]] = {}
    for index, message in enumerate(messages):
        by_length.setdefault(len(message), []).append(index)
    layouts = 0
    by_length.pop(0, None)
    for length, indices in by_length.items():
        rows = np.array(indices, dtype=np.int64)
        table = np.frombuffer(b"".join(messages[i] for i in indices), np.uint8).reshape(-1, length)
        while len(rows):
            layouts += 1
            try:
                layout = layout_of(messages[rows[0]])
            except ValueError:
                rows, table = rows[1:], table[1:]
                continue
            if layouts > _MOST_LAYOUTS:
                yield layout, rows[:1], table[:1]
                rows, table = rows[1:], table[1:]
                continue
            fixed = np.array(layout.fixed, dtype=np.intp)
            alike = (table[:, fixed] == table[0, fixed]).all(axis=1)
            yield layout, rows[alike], table[alike]
            rows, table = rows[~alike], table[~alike]
