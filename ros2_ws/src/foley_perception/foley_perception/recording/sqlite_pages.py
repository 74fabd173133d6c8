"""Messages straight from the leaf pages of a SQLite file, wherever they lie, without the tree that leads to them.

See https://www.sqlite.org/fileformat2.html. A lost interior page costs SQLite everything below it; the leaves are as
they were. A leaf is one of the table of messages if its cells have the columns of that table: the row's number, two
integers and a blob. Nothing here trusts a length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from foley_perception.recording.byte_file import ByteFile

_LEAF = 0x0D  # first byte of a leaf page of a table
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}  # serial type -> bytes
_LARGEST = 1 << 30  # [bytes] of a message


class Cell(NamedTuple):
    """One row of the table of messages."""

    id: int
    topic_id: int
    timestamp: int
    page: int  # offset of its page in the file
    at: int  # of the record in the page
    size: int  # bytes of the record
    head: int  # bytes of the record before the message


class LeafPages:
    """Every row of the table of messages that lies in a leaf page.

    Raises:
        BagError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._file = ByteFile(path)
        head = self._file.read(0, 100)
        size = int.from_bytes(head[16:18], "big")
        self._page = 65536 if size == 1 else size
        self._usable = self._page - (head[20] if len(head) > 20 else 0)

    @property
    def whole(self) -> bool:
        """The last page is not cut off."""
        return self._page < 512 or self._file.size % self._page == 0

    def cells(self) -> Iterator[Cell]:
        """In the order of the file; numbers may come twice where it is damaged."""
        if self._page < 512 or self._usable < 480:
            return
        for start in range(self._page, self._file.size, self._page):
            page = self._file.read(start, self._page)
            if page[0] == _LEAF:
                yield from self._of_page(start, page)

    def data(self, cell: Cell) -> bytes | None:
        """The message of a row; None if not all of it is there."""
        record = self._record(cell)
        return None if record is None else record[cell.head :]

    # ---- inside ----------------------------------------------------------------------------------------
    def _of_page(self, start: int, page: bytes) -> Iterator[Cell]:
        count = int.from_bytes(page[3:5], "big")
        if 8 + 2 * count > min(self._usable, len(page)):
            return
        for at in struct.unpack_from(f">{count}H", page, 8):
            try:
                cell = self._cell(start, page, at)
            except (IndexError, ValueError):
                continue
            if cell is not None:
                yield cell

    def _cell(self, start: int, page: bytes, at: int) -> Cell | None:
        if at < 8:
            return None
        size, at = _varint(page, at)
        number, at = _varint(page, at)
        head, behind = _varint(page, at)
        types = []
        while behind < at + head:
            kind, behind = _varint(page, behind)
            types.append(kind)
        if behind != at + head or len(types) != 4 or types[0] != 0 or types[3] < 12 or types[3] % 2:
            return None
        topic, timestamp = types[1], types[2]
        if topic not in _INTEGERS or timestamp not in _INTEGERS:
            return None
        middle = behind + _INTEGERS[topic]
        stop = middle + _INTEGERS[timestamp]
        if stop - at + (types[3] - 12) // 2 != size or stop > self._usable or size > _LARGEST:
            return None
        if at + self._local(size) > min(self._usable, len(page)):  # of the last page a part may be there
            return None
        return Cell(
            number,
            _integer(topic, page[behind:middle]),
            _integer(timestamp, page[middle:stop]),
            start,
            at,
            size,
            stop - at,
        )

    def _local(self, size: int) -> int:
        """Bytes of a record of ``size`` that lie in its leaf, the rest lies in overflow pages."""
        most = self._usable - 35
        if size <= most:
            return size
        least = (self._usable - 12) * 32 // 255 - 23
        fits = least + (size - least) % (self._usable - 4)
        return fits if fits <= most else least

    def _record(self, cell: Cell) -> bytes | None:
        local = self._local(cell.size)
        stored = self._file.read(cell.page + cell.at, local + 4)
        parts, rest = [stored[:local]], cell.size - local
        following = int.from_bytes(stored[local : local + 4], "big") if rest else 0
        while rest:
            at = (following - 1) * self._page
            if at < self._page or at + self._page > self._file.size:
                return None
            page = self._file.read(at, self._usable)
            parts.append(page[4 : 4 + min(rest, self._usable - 4)])
            rest -= len(parts[-1])
            following = int.from_bytes(page[:4], "big")
        # The last page of a record leads nowhere.
        return None if following else b"".join(parts)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for k in range(9):
        byte = data[at + k]
        if k == 8:
            value = value << 8 | byte
            return value - (1 << 64) if value >> 63 else value, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + k + 1
    raise ValueError("no number")


def _integer(kind: int, data: bytes) -> int:
    return kind - 8 if kind in (8, 9) else int.from_bytes(data, "big", signed=True)
