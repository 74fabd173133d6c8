"""SQLite files of which pages are damaged: what can be read is, and what cannot is counted or said to be unknown."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import zstandard
from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from foley_perception.recording import definitions
from foley_perception.recording.bag import Bag
from foley_perception.recording.recovery import recover_bag

from .damaged import START, STEP, STRING, change, cut, numbers, text

COUNT = 400
PAGE = 4096
INTERIOR, LEAF, INDEX_INTERIOR, INDEX_LEAF = 0x05, 0x0D, 0x02, 0x0A  # of a table; of an index


def write(folder: Path, *, packed: bool = False, size: int = 200, index: bool = True) -> Path:
    with Writer(folder, version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
        definition = definitions.find(STRING)
        connections = [
            writer.add_connection(t, STRING, msgdef=definition.text, rihs01=definition.type_hash)
            for t in ("/a", "/b")
        ]
        for k in range(COUNT):
            data = text(k, size)
            data = zstandard.ZstdCompressor().compress(data) if packed else data
            writer.write(connections[k % 2], START + k * STEP, data)
    file = next(folder.glob("*.db3"))
    if not index:
        with sqlite3.connect(file) as database:
            database.execute("DROP INDEX timestamp_idx")
    return file


def pages(file: Path, kind: int) -> list[int]:
    """Where the pages of a kind begin, the first page left out."""
    data = file.read_bytes()
    return [at for at in range(PAGE, len(data), PAGE) if data[at] == kind]


def message_leaves(file: Path) -> list[int]:
    return [at for at in pages(file, LEAF) if b"\0\1\0\0" in file.read_bytes()[at : at + PAGE]]


def without_metadata(file: Path) -> None:
    (file.parent / "metadata.yaml").unlink()


def test_a_damaged_compressed_message_costs_itself(tmp_path: Path) -> None:
    file = write(tmp_path / "bag", packed=True)
    for number, offset in ((23, 6), (57, 0)):  # in the frame, and in what says that it is one
        message = zstandard.ZstdCompressor().compress(text(number))
        change(file, file.read_bytes().index(message) + offset, b"\xff\xff\xff")
    left = [n for n in range(COUNT) if n not in (23, 57)]
    opened = Bag(tmp_path / "bag")
    assert numbers(opened) == left == numbers(opened)
    first, second = opened.problems
    assert "compressed message 24, of /b, is damaged" in first and "1 messages from 0.230 to 0.230 s" in first
    assert "compressed message 58, of /b, is damaged (it begins with" in second
    done = recover_bag(tmp_path / "bag")
    assert (done.lost, done.lost_more, done.messages) == (2, False, COUNT - 2)
    assert numbers(done.path) == left
    with Reader(done.path) as reader:
        assert [bytes(d) for _, _, d in reader.messages()] == [text(n) for n in left]


@pytest.mark.parametrize("metadata", [True, False])
@pytest.mark.parametrize("at", ["first", "middle", "last"])
def test_messages_of_a_lost_leaf_are_counted(tmp_path: Path, at: str, metadata: bool) -> None:
    file = write(tmp_path / "bag")
    if not metadata:
        without_metadata(file)
    leaves = message_leaves(file)
    change(file, leaves[{"first": 0, "middle": len(leaves) // 2, "last": -1}[at]], bytes(PAGE))
    done = recover_bag(tmp_path / "bag")
    found = numbers(done.path)
    assert 0 < COUNT - len(found) < 30 and (done.lost, done.lost_more) == (COUNT - len(found), False)


@pytest.mark.parametrize("kind", [INTERIOR, INDEX_LEAF, INDEX_INTERIOR])
def test_pages_that_only_lead_to_messages_cost_none(tmp_path: Path, kind: int) -> None:
    file = write(tmp_path / "bag")
    for at in pages(file, kind):
        change(file, at, bytes(PAGE))
    opened = Bag(tmp_path / "bag")
    assert numbers(opened) == list(range(COUNT)) == numbers(opened)
    assert len(opened.problems) == 1 and "no message is lost" in opened.problems[0]
    done = recover_bag(tmp_path / "bag")
    assert numbers(done.path) == list(range(COUNT)) and (done.lost, done.lost_more) == (0, False)


def test_large_messages_below_a_lost_page(tmp_path: Path) -> None:
    """Their ends lie in pages of their own."""
    file = write(tmp_path / "bag", size=9000)
    (at, *_) = pages(file, INTERIOR)
    change(file, at, bytes(PAGE))
    opened = Bag(tmp_path / "bag")
    found = {(m.log_time - START) // STEP: bytes(m.data) for m in opened.messages()}
    assert found == {n: text(n, 9000) for n in range(COUNT)}


def test_descriptions_of_types_that_are_lost(tmp_path: Path) -> None:
    file = write(tmp_path / "bag")
    with sqlite3.connect(file) as database:
        query = "SELECT rootpage FROM sqlite_master WHERE name='message_definitions'"
        (page,) = database.execute(query).fetchone()
    change(file, (page - 1) * PAGE, bytes(PAGE))
    opened = Bag(tmp_path / "bag")
    assert numbers(opened) == list(range(COUNT))
    assert opened.topics["/a"].definition == definitions.find(STRING).text
    assert "the descriptions of its types cannot be read" in opened.problems[0]


def test_wrong_numbers_in_the_tree(tmp_path: Path) -> None:
    """From row to row SQLite still finds its way, and then not to a row by its number."""
    file = write(tmp_path / "bag")
    (at,) = pages(file, INTERIOR)
    change(file, at + PAGE - 512, bytes(512))
    opened = Bag(tmp_path / "bag")
    assert numbers(opened) == list(range(COUNT)) == numbers(opened)
    assert numbers(recover_bag(tmp_path / "bag").path) == list(range(COUNT))


def test_a_number_that_damage_made(tmp_path: Path) -> None:
    """One flipped bit makes message 200 message 1 048 776 or so: one is lost at most, not a million."""
    file = write(tmp_path / "bag")
    data = file.read_bytes()
    # Before a record come its length and its number, 2 bytes each here.
    record = data.index(text(200))
    at = _number_at(data, 201, record)
    change(file, at, bytes([data[at] | 0x7F]))
    change(file, next(p for p in message_leaves(file) if p > record), bytes(PAGE))
    opened = Bag(tmp_path / "bag")
    found = numbers(opened)
    lost = COUNT - len(found)
    assert 200 not in found and 5 < lost < 30
    assert f"{lost} messages are lost" in opened.problems[0]


def test_what_nothing_counts_is_unknown(tmp_path: Path) -> None:
    file = write(tmp_path / "bag", index=False)
    without_metadata(file)
    change(file, message_leaves(file)[-1], bytes(PAGE))
    opened = Bag(tmp_path / "bag")
    assert COUNT - 30 < len(numbers(opened)) < COUNT
    assert "what was there is lost" in opened.problems[0]
    done = recover_bag(tmp_path / "bag")
    assert (done.lost, done.lost_more) == (0, True)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_that_was_cut_off_keeps_what_is_before(tmp_path: Path, share: float) -> None:
    file = write(tmp_path / "bag")
    size = int(file.stat().st_size * share)
    leaves = [at for at in message_leaves(file) if at + PAGE <= size]
    cut(file, size)
    found = numbers(tmp_path / "bag")
    assert 10 * len(leaves) < len(found) < COUNT
    done = recover_bag(tmp_path / "bag")
    assert (done.lost, done.lost_more) == (
        COUNT - len(found),
        False,
    )  # metadata.yaml says how many there were


def _number_at(data: bytes, number: int, record: int) -> int:
    """Where the first byte of a row's number of two bytes stands, some bytes before its message."""
    written = bytes([0x80 | number >> 7, number & 0x7F])
    return data.rindex(written, record - 40, record)
