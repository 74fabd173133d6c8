"""What is read of a damaged file: all that is whole, once, and every damaged place is told."""

from __future__ import annotations

import resource
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcap.writer import CompressionType, IndexType

from foley_perception.recording.bag import Bag
from foley_perception.recording.errors import BagError

from .damaged import PER_CHUNK, START, STEP, change, cut, flip, heads, numbers, text, write_mcap

COUNT = 80
ALL = list(range(COUNT))


def without(chunk: int) -> list[int]:
    return [n for n in ALL if n // PER_CHUNK != chunk]


@pytest.fixture(
    params=[CompressionType.NONE, CompressionType.ZSTD, CompressionType.LZ4], ids=lambda c: c.name
)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_mcap(tmp_path / "a.mcap", range(COUNT), compression=request.param)


def test_a_whole_file_has_nothing_to_tell(file: Path) -> None:
    bag = Bag(file)
    assert numbers(bag) == ALL and not bag.problems and not bag.index_faults()
    assert bag.session["notes"] == "ä" and bag.start_ns == START
    assert numbers(bag) == ALL and not bag.problems  # once more, by the table


@pytest.mark.parametrize(
    "habits",
    [
        {"index_types": IndexType.NONE},
        {"index_types": IndexType.CHUNK},
        {"index_types": IndexType.MESSAGE},
        {"repeat_channels": False, "repeat_schemas": False},
        {"use_statistics": False, "use_summary_offsets": False},
        {"enable_data_crcs": True},
        {"enable_crcs": False},
        {"use_chunking": False},
    ],
    ids=lambda habits: "-".join(habits),
)
def test_what_a_writer_need_not_write_is_no_damage(tmp_path: Path, habits: dict[str, Any]) -> None:
    bag = Bag(write_mcap(tmp_path / "a.mcap", range(COUNT), **habits))
    assert numbers(bag) == ALL and not bag.problems and not bag.index_faults()


def test_one_bad_chunk_costs_that_chunk(file: Path) -> None:
    third = heads(file)[3]
    flip(file, (third.content + third.stop) // 2)
    bag = Bag(file)
    assert numbers(bag) == without(3) == numbers(bag)
    (problem,) = bag.problems
    assert problem.startswith(f"a.mcap: bytes {third.at} to {third.stop}: a damaged chunk (")
    assert "; 10 messages from 0.300 to 0.390 s are lost; " in problem
    assert f"`foley bag recover {file}`" in problem and bag.damages[0].messages == 10


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("word", ["opcode", "length", "start", "end", "size", "name", "packed"])
def test_a_wrong_word_in_the_head_of_a_chunk_costs_nothing(file: Path, word: str, finished: bool) -> None:
    """The other words, and the checksum of the content, say what it was."""
    third, last = heads(file)[3], heads(file)[-1]
    offsets = {"opcode": 0, "length": 2, "start": 9, "end": 17, "size": 25, "name": 37, "packed": -7}
    at = (third.content if word == "packed" else third.at) + offsets[word]
    if not finished:
        cut(file, last.stop)
    for bit in range(8):
        flip(file, at, bit)
        bag = Bag(file)
        assert numbers(bag) == ALL, (word, bit)
        assert bag.problems or bag.index_faults()
        flip(file, at, bit)


def test_a_wrong_checksum_costs_its_chunk(file: Path) -> None:
    third = heads(file)[3]
    flip(file, third.at + 34)
    assert numbers(file) == without(3)
    change(file, third.at + 33, bytes(4))  # the others have one: this one lost it
    bag = Bag(file)
    assert numbers(bag) == without(3) and "its checksum is gone" in bag.problems[0]


def test_files_without_checksums_are_read(tmp_path: Path) -> None:
    file = write_mcap(tmp_path / "a.mcap", range(COUNT), enable_crcs=False)
    bag = Bag(file)
    assert numbers(bag) == ALL and not bag.problems
    third = heads(file)[3]
    flip(file, third.content + 4, 3)  # the length of its first record
    assert numbers(file) == without(3)


def test_damaged_message_indexes_cost_nothing_and_are_told(file: Path) -> None:
    chunks = heads(file)
    for at in range(chunks[3].stop, chunks[4].at, 3):
        flip(file, at)
        bag = Bag(file)
        assert numbers(bag) == ALL, at
        assert bag.problems or bag.index_faults(), at
        assert not bag.damages or bag.damages[0].messages == 0
        flip(file, at)


def test_a_damaged_end_costs_nothing_and_is_told(file: Path) -> None:
    data = file.read_bytes()
    stop = heads(file)[-1].stop
    (summary_start,) = struct.unpack_from("<Q", data, len(data) - 28)
    for at in range(stop, len(data), 11):
        flip(file, at, at % 8)
        bag = Bag(file)
        assert numbers(bag) == ALL, at
        # The name of the data's end, or the checksum that a writer need not write, are no index.
        assert bag.problems or bag.index_faults() or at < summary_start, at
        file.write_bytes(data)
    for size in (len(data) - 1, len(data) - 8, len(data) - 20, summary_start + 10, summary_start, stop):
        cut(file, size)
        bag = Bag(file)
        assert numbers(bag) == ALL and len(bag.problems) == 1, size
        assert "no message is lost" in bag.problems[0]
        file.write_bytes(data)


def test_a_cut_costs_the_chunk_in_which_it_is(file: Path) -> None:
    data, chunks = file.read_bytes(), heads(file)
    for size in range(chunks[4].at + 1, chunks[4].stop, 97):
        cut(file, size)
        bag = Bag(file)
        assert numbers(bag) == ALL[:40] and len(bag.problems) == 1
        file.write_bytes(data)
    cut(file, chunks[4].stop - 1)
    bag = Bag(file)
    assert numbers(bag) == ALL[:40]
    assert "a chunk, in which the file ends; messages from 0.400 to 0.490 s are lost" in bag.problems[0]


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("size", [512, 4096])
def test_a_zeroed_sector_costs_the_chunks_that_it_touches(file: Path, size: int, finished: bool) -> None:
    chunks = heads(file)
    if not finished:
        cut(file, chunks[-1].stop)
    data = file.read_bytes()
    for at in range(size, len(data) - size, size):
        change(file, at, bytes(size))
        now = file.read_bytes()
        hit = {
            k
            for k, c in enumerate(chunks)
            if now[c.content : c.stop] != data[c.content : c.stop]
            or now[c.at + 33 :][:4] != data[c.at + 33 :][:4]
        }
        found = numbers(file)
        right = [n for n in ALL if n // PER_CHUNK not in hit]
        # Without an index nothing tells where a chunk is of which most of the head is gone.
        heads_hit = {k for k, c in enumerate(chunks) if now[c.at : c.content] != data[c.at : c.content]}
        less = [n for n in right if n // PER_CHUNK not in heads_hit]
        if finished:
            assert found == right, at
        elif 0 in hit:  # which describes the topics
            assert found == [n for n in right if n in found], at
        else:
            assert found in (right, less), at
        file.write_bytes(data)


def test_topics_are_known_though_the_chunk_that_describes_them_is_damaged(file: Path) -> None:
    chunks = heads(file)
    flip(file, chunks[0].stop - 20)
    bag = Bag(file)
    assert numbers(bag) == without(0) and len(bag.problems) == 1  # the summary repeats them


def test_of_an_unfinished_file_a_damaged_description_is_used_and_told(tmp_path: Path) -> None:
    file = write_mcap(tmp_path / "a.mcap", range(COUNT))
    chunks = heads(file)
    cut(file, chunks[-1].stop)
    flip(file, chunks[0].stop - 20)
    bag = Bag(file)
    assert numbers(bag) == without(0)
    assert any(
        "what describes /a, /b is in a damaged chunk, and may be wrong itself" in p for p in bag.problems
    )


def test_what_nothing_describes_is_counted(tmp_path: Path) -> None:
    file = write_mcap(tmp_path / "a.mcap", range(COUNT))
    chunks = heads(file)
    cut(file, chunks[-1].stop)
    change(file, chunks[0].content, bytes(chunks[0].stop - chunks[0].content))
    bag = Bag(file)
    assert numbers(bag) == []
    assert sum("35 messages are lost" in p and "description of channel" in p for p in bag.problems) == 2


def test_messages_outside_of_chunks(tmp_path: Path) -> None:
    file = write_mcap(tmp_path / "a.mcap", range(COUNT), use_chunking=False)
    assert numbers(file) == ALL
    data = file.read_bytes()
    at = data.index(text(40)) - 31
    for word, lost in ((0, {40}), (2, {40}), (8, {40})):
        flip(file, at + word, 6)
        bag = Bag(file)
        assert numbers(bag) == [n for n in ALL if n not in lost] == numbers(bag) and len(bag.problems) == 1
        assert numbers(bag, start_ns=START + 38 * STEP, end_ns=START + 43 * STEP) == [38, 39, 41, 42]
        file.write_bytes(data)


def test_damaged_first_bytes(file: Path) -> None:
    change(file, 0, bytes(30))
    bag = Bag(file)
    assert numbers(bag) == ALL and bag.problems
    cut(file, heads_end := file.stat().st_size // 2)
    assert 0 < len(numbers(file)) < COUNT and heads_end > 0


@pytest.mark.parametrize("content", [b"", bytes(5000), b"nonsense, and more of it", b"\x89MCAP"])
def test_what_is_no_mcap_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mcap").write_bytes(content)
    with pytest.raises(BagError, match=r"a\.mcap: (is empty|begins with)"):
        list(Bag(tmp_path / "a.mcap").messages())


@pytest.mark.parametrize("read_before", [True, False])
def test_a_range_of_time(file: Path, read_before: bool) -> None:
    bag = Bag(file)
    if read_before:
        assert numbers(bag) == ALL
    assert numbers(bag, start_ns=START + 15 * STEP, end_ns=START + 32 * STEP) == list(range(15, 32))
    assert numbers(bag, start_ns=START + 75 * STEP) == [75, 76, 77, 78, 79]
    assert numbers(bag, end_ns=START + 1) == [0] and numbers(bag, end_ns=START) == []


def test_a_range_of_time_finds_what_came_late(tmp_path: Path) -> None:
    """Times that the head of a chunk says are not believed: one flipped bit would hide its messages."""
    file = write_mcap(tmp_path / "a.mcap", range(COUNT), step_ns=-STEP)
    third = heads(file)[3]
    flip(file, third.at + 15, 6)
    flip(file, third.at + 23, 6)
    bag = Bag(file)
    times = [m.log_time for m in bag.messages()]
    assert times == [START - k * STEP for k in range(COUNT)]
    found = [m.log_time for m in bag.messages(start_ns=START - 36 * STEP, end_ns=START - 33 * STEP)]
    assert found == [START - k * STEP for k in (34, 35, 36)]


def test_reading_keeps_nothing_in_memory(tmp_path: Path) -> None:
    file = write_mcap(tmp_path / "a.mcap", range(10))
    big = tmp_path / "big.mcap"
    from mcap.writer import Writer

    with big.open("wb") as out:
        writer = Writer(out, compression=CompressionType.NONE)
        writer.start(profile="ros2")
        channel = writer.register_channel("/big", "cdr", 0)
        for k in range(256):
            writer.add_message(channel, k, bytes(1 << 20), k)
        writer.finish()
    numbers(file)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(len(m.data) for m in Bag(big).messages()) == 256 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10  # [KiB]


def test_data_may_be_fetched_later_and_in_any_order(file: Path) -> None:
    kept: list[Callable[[], bytes]] = []
    for message in Bag(file).messages():
        kept.append(lambda message=message: bytes(message.data))  # type: ignore[misc]
    assert [kept[n]() for n in reversed(ALL)] == [text(n) for n in reversed(ALL)]
