"""One SQLite file of a bag. SQLite has no checksums: what it cannot read is told, what it reads is believed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from foley_perception.recording.damage import Damage
from foley_perception.recording.errors import BagError


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


class SqliteFile:
    """An opened file.

    Attributes:
        damages: known after :meth:`scan` was exhausted once.

    Raises:
        BagError: it is empty, not a database, or its topics cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damages: list[Damage] = []
        self.scanned = False
        if path.stat().st_size == 0:
            raise BagError(f"{path}: is empty (0 bytes)")
        try:
            self._database, self._cut_off = _opened(path)
            columns = {row[1] for row in self._database.execute("PRAGMA table_info(topics)")}
            offer = "offered_qos_profiles" if "offered_qos_profiles" in columns else "''"
            rows = self._database.execute(f"SELECT id, name, type, {offer} FROM topics").fetchall()
            texts = self._definitions()
        except sqlite3.DatabaseError as error:
            raise BagError(f"{path}: not a readable SQLite bag ({error})") from error
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
        elif self.damages:
            yield from (row for row in self._piecewise((-(2**63), 0))[0] if first <= row.timestamp < last)
        else:
            query = "SELECT id, topic_id, timestamp FROM messages WHERE timestamp >= ? AND timestamp < ?"
            for number, topic, timestamp in self._database.execute(
                f"{query} ORDER BY timestamp, id", (first, last)
            ):
                if topic in self._names:
                    yield Row(number, self._names[topic], timestamp)

    def data(self, row: Row) -> bytes:
        """The serialised bytes of a message."""
        found = self._database.execute("SELECT data FROM messages WHERE id=?", (row.id,)).fetchone()
        if found is None:
            raise sqlite3.DatabaseError(f"no message {row.id}")
        return bytes(found[0])

    def check(self) -> str:
        """What SQLite itself finds wrong; empty if nothing."""
        try:
            found = self._database.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.DatabaseError as error:
            return str(error)
        return "" if found == "ok" else str(found).splitlines()[-1]

    # ---- inside ----------------------------------------------------------------------------------------
    def _definitions(self) -> dict[str, tuple[str, str]]:
        query = "SELECT 1 FROM sqlite_master WHERE name='message_definitions'"
        if not self._database.execute(query).fetchone():
            return {}
        query = "SELECT topic_type, encoded_message_definition, encoding FROM message_definitions"
        return {row[0]: (row[1], row[2]) for row in self._database.execute(query)}

    def _first_scan(self) -> Iterator[Row]:
        last, count = (-(2**63), 0), 0
        opaque = 0
        try:
            for number, topic, timestamp, _ in self._database.execute(
                "SELECT id, topic_id, timestamp, data FROM messages ORDER BY timestamp, id"
            ):
                last, count = (timestamp, number), count + 1
                if topic in self._names:
                    yield Row(number, self._names[topic], timestamp)
                else:
                    opaque += 1
        except sqlite3.DatabaseError as error:
            rows, lost = self._piecewise(last)
            what = f"SQLite cannot read all of it ({error})"
            self.damages.append(Damage(self.path.name, 0, 0, what, messages=lost))
            yield from rows
        if self._cut_off and not self.damages:
            self.damages.append(Damage(self.path.name, 0, 0, "its end is missing"))
        if opaque:
            what = "messages of a topic that the file does not describe"
            self.damages.append(Damage(self.path.name, 0, 0, what, messages=opaque))

    def _piecewise(self, behind: tuple[int, int]) -> tuple[list[Row], int | None]:
        """Every message that can be read, one by one, behind a time and a number; and how many cannot."""
        rows, seen, newest = [], 0, 0
        for number, topic, timestamp in self._readable():
            newest = max(newest, number)
            try:
                row = Row(number, self._names[topic], timestamp)
                self.data(row)
            except (sqlite3.DatabaseError, KeyError):
                continue
            seen += 1
            if (timestamp, number) > behind:
                rows.append(row)
        # Messages are numbered from 1 on without a gap, as they come.
        lost = newest - seen if newest > seen and not self._cut_off else None
        return sorted(rows, key=lambda row: (row.timestamp, row.id)), lost

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
