"""One SQLite file of a bag. SQLite has no checksums: what it cannot read is told, what it reads is believed."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from foley_perception.recording.damage import Damage
from foley_perception.recording.errors import BagError
from foley_perception.recording.packed_message import ZSTD_MAGIC
from foley_perception.recording.sqlite_pages import Cell, LeafPages


class StoredTopic(NamedTuple):
    name: str
    type: str
    definition: str
    encoding: str
    offered_qos: str


class Row(NamedTuple):
    id: int
    topic: str
    timestamp: int
    packed: bool = False  # begins as a message that is compressed by itself


class SqliteFile:
    """An opened file.

    Args:
        expected: messages in it, as ``metadata.yaml`` says; None unknown.

    Attributes:
        damages: known after :meth:`scan` was exhausted once.

    Raises:
        BagError: it is empty, not a database, or its topics cannot be read.
    """

    def __init__(self, path: Path, expected: int | None = None) -> None:
        self.path = path
        self._expected = expected
        self._kept: list[Row] | None = None  # all that can be read of a damaged file
        self._cells: dict[int, Cell] = {}  # what only its pages give
        self._table_whole = True
        self.damages: list[Damage] = []
        self.scanned = False
        if path.stat().st_size == 0:
            raise BagError(f"{path}: is empty (0 bytes)")
        self._pages = LeafPages(path)
        try:
            self._database, self._cut_off = _opened(path)
            self._cut_off |= not self._pages.whole
            columns = {row[1] for row in self._database.execute("PRAGMA table_info(topics)")}
            offer = "offered_qos_profiles" if "offered_qos_profiles" in columns else "''"
            rows = self._database.execute(f"SELECT id, name, type, {offer} FROM topics").fetchall()
            texts = self._definitions()
        except sqlite3.DatabaseError as error:
            raise BagError(f"{path}: not a readable SQLite bag ({error})") from error
        rows = [row for row in rows if row[1] and row[2]]  # damage leaves nothing where zeros are
        self._names = {row[0]: str(row[1]) for row in rows}
        self.topics = [StoredTopic(row[1], row[2], *texts.get(row[2], ("", "")), str(row[3])) for row in rows]

    def scan(self, start_ns: int | None = None, end_ns: int | None = None) -> Iterator[Row]:
        """Messages in order of time, those with ``start_ns <= timestamp < end_ns`` only.

        The first call reads everything, so that a message which cannot be read is left out and told.
        """
        first = -(2**63) if start_ns is None else start_ns
        last = 2**63 - 1 if end_ns is None else min(end_ns, 2**63 - 1)
        if not self.scanned:
            for row in self._first_scan():
                if first <= row.timestamp < last:
                    yield row
            self.scanned = True
        elif self._kept is not None:
            yield from (row for row in self._kept if first <= row.timestamp < last)
        else:
            query = "SELECT id, topic_id, timestamp, substr(data, 1, 4) FROM messages"
            for number, topic, timestamp, head in self._database.execute(
                f"{query} WHERE timestamp >= ? AND timestamp < ? ORDER BY timestamp, id", (first, last)
            ):
                if topic in self._names:
                    yield Row(number, self._names[topic], timestamp, bytes(head) == ZSTD_MAGIC)

    def data(self, row: Row) -> bytes:
        """The serialised bytes of a message."""
        cell = self._cells.get(row.id)
        if cell is None:
            try:
                found = self._database.execute("SELECT data FROM messages WHERE id=?", (row.id,)).fetchone()
            except sqlite3.DatabaseError:
                found = None
            if found is not None:
                return bytes(found[0])
            # A damaged tree may lead from row to row, and still not to this one.
            self._cells = {cell.id: cell for cell in self._pages.cells()} | self._cells
            cell = self._cells.get(row.id)
        data = self._pages.data(cell) if cell is not None else None
        if data is None:
            raise sqlite3.DatabaseError(f"not all of message {row.id} is there")
        return data

    def check(self) -> str:
        """What SQLite itself finds wrong; empty if nothing."""
        try:
            found = self._database.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.DatabaseError as error:
            return str(error)
        return "" if found == "ok" else str(found).splitlines()[-1]

    # ---- inside ----------------------------------------------------------------------------------------
    def _definitions(self) -> dict[str, tuple[str, str]]:
        """What each type is, as far as the file says it and that can be read."""
        try:
            query = "SELECT 1 FROM sqlite_master WHERE name='message_definitions'"
            if not self._database.execute(query).fetchone():
                return {}
            query = "SELECT topic_type, encoded_message_definition, encoding FROM message_definitions"
            return {row[0]: (str(row[1]), str(row[2])) for row in self._database.execute(query)}
        except sqlite3.DatabaseError as error:
            what = f"the descriptions of its types cannot be read ({error}); installed ones are used"
            self.damages.append(Damage(self.path.name, 0, 0, what, messages=0))
            return {}

    def _first_scan(self) -> Iterator[Row]:
        query = "SELECT id, topic_id, timestamp, data FROM messages ORDER BY timestamp, id"
        count = opaque = 0
        try:
            if self._cut_off:  # SQLite takes the rest of a page that is not all there for zeros
                raise sqlite3.DatabaseError("its end is missing")
            for number, topic, timestamp, data in self._database.execute(query):
                count += 1
                if topic in self._names:
                    yield Row(number, self._names[topic], timestamp, bytes(data[:4]) == ZSTD_MAGIC)
                else:
                    opaque += 1
            (stored,) = self._database.execute("SELECT count(*) FROM messages NOT INDEXED").fetchone()
            if stored != count:
                raise sqlite3.DatabaseError(f"its index has {count} of {stored} messages")
        except (sqlite3.DatabaseError, TypeError) as error:
            told = self._first_numbers(count)
            self._kept, lost = self._salvaged()
            what = str(error) if self._cut_off else f"SQLite cannot read all of it ({error})"
            self.damages.append(Damage(self.path.name, 0, 0, what, messages=lost))
            yield from (row for row in self._kept if row.id not in told)
            return
        if opaque:
            what = "messages of a topic that the file does not describe"
            self.damages.append(Damage(self.path.name, 0, 0, what, messages=opaque))

    def _first_numbers(self, count: int) -> set[int]:
        """Numbers of the first messages in order of time, which could be read."""
        if count == 0:
            return set()
        rows = self._database.execute("SELECT id FROM messages ORDER BY timestamp, id")
        return {row[0] for row in itertools.islice(rows, count)}

    def _salvaged(self) -> tuple[list[Row], int | None]:
        """Every message that can be read, one by one, in order of time; how many cannot, None: unknown."""
        written = self._written()
        rows: dict[int, Row] = {}
        self._table_whole = not self._cut_off
        for number, topic, timestamp in () if self._cut_off else self._readable():
            try:
                row = Row(number, self._names[topic], timestamp)
                (data,) = self._database.execute("SELECT data FROM messages WHERE id=?", (number,)).fetchone()
            except (sqlite3.DatabaseError, TypeError, KeyError):
                self._table_whole = False
                continue
            rows[number] = row._replace(packed=bytes(data[:4]) == ZSTD_MAGIC)
        for cell in self._pages.cells():
            if cell.id not in rows and cell.topic_id in self._names:
                data = self._pages.data(cell)
                if data is not None:
                    self._cells[cell.id] = cell
                    packed = data.startswith(ZSTD_MAGIC)
                    rows[cell.id] = Row(cell.id, self._names[cell.topic_id], cell.timestamp, packed)
        if written and 2 * len(written.keys() & rows.keys()) >= len(rows):
            # A row that was never written is what damage made of another.
            rows = {n: row for n, row in rows.items() if written.get(n) == row.timestamp}
            lost: int | None = len(written) - len(rows)
        elif self._expected is not None and self._expected >= len(rows):
            lost = self._expected - len(rows)
        else:
            lost = 0 if self._table_whole else None
        return sorted(rows.values(), key=lambda row: (row.timestamp, row.id)), lost

    def _written(self) -> dict[int, int]:
        """Number and time of each message that was written, as the index of times has them; empty if it is damaged.

        Messages are numbered from 1 on without a gap, as they come.
        """
        query = "SELECT id, timestamp FROM messages INDEXED BY timestamp_idx ORDER BY timestamp"
        try:
            written = self._database.execute(query).fetchall()
        except sqlite3.DatabaseError:  # or there is none
            return {}
        found = {number: timestamp for number, timestamp in written if isinstance(number, int)}
        whole = len(found) == len(written) and min(found, default=1) == 1
        return found if whole and max(found, default=0) == len(found) else {}

    def _readable(self) -> Iterator[tuple[int, int, int]]:
        """Rows in order of their numbers, on behind those that cannot be read."""
        query = "SELECT id, topic_id, timestamp FROM messages NOT INDEXED WHERE id >= ? ORDER BY id"
        number: int | None = 0
        while number is not None:
            try:
                for row in self._database.execute(query, (number,)):
                    if row[0] >= number:  # a damaged tree may lead back
                        number = row[0] + 1
                        yield row
                return
            except sqlite3.DatabaseError:
                self._table_whole = False
                number = self._beyond(number)

    def _beyond(self, number: int) -> int | None:
        """The first row behind an unreadable one; None if there is none."""
        bad, step = number, 1
        while not self._can_read(number + step):
            bad, step = number + step, 2 * step
            if step > 1 << 40:
                return None
        good = number + step
        while good - bad > 1:
            middle = (bad + good) // 2
            bad, good = (bad, middle) if self._can_read(middle) else (middle, good)
        return good

    def _can_read(self, number: int) -> bool:
        query = "SELECT id, topic_id, timestamp FROM messages NOT INDEXED WHERE id >= ? ORDER BY id LIMIT 1"
        try:
            row = self._database.execute(query, (number,)).fetchone()
        except sqlite3.DatabaseError:
            return False
        return row is None or row[0] >= number


def _opened(path: Path) -> tuple[sqlite3.Connection, bool]:
    """A database, and whether its end is missing. Then SQLite reads it only if told that it may be inconsistent."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError:
        database.execute("PRAGMA writable_schema=ON")  # of a file that is opened for reading only
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return database, True
    return database, False
