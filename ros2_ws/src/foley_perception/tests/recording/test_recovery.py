"""A damaged bag and the whole one that is written beside it: nothing that can be read is lost, the old one stays."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml
import zstandard
from mcap.reader import make_reader
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from foley_perception.recording import definitions
from foley_perception.recording.bag import Bag
from foley_perception.recording.errors import BagError, NoSpaceError, NotWritableError
from foley_perception.recording.recovery import recover_bag, superseded

from .damaged import START, STEP, STRING, change, cut, flip, heads, numbers, text, write_mcap, write_split


def digests(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return {p.name: hashlib.sha256(p.read_bytes()).digest() for p in files}


def read_by_others(bag: Path) -> list[int]:
    """Numbers of the messages, on which `mcap`, `rosbags` and this package agree."""
    ours = numbers(bag)
    assert not Bag(bag).problems
    with Reader(bag) as reader:
        assert reader.message_count == len(ours)
        theirs = [((t - START) // STEP, bytes(d)) for _, t, d in reader.messages()]
    assert theirs == [(n, text(n)) for n in sorted(ours)]
    (file,) = bag.glob("*.mcap")
    with file.open("rb") as stream:
        third = [
            (m.sequence - 1, m.publish_time, bytes(m.data)) for _, _, m in make_reader(stream).iter_messages()
        ]
    assert third == [(n, START + n * STEP - 5, text(n)) for n in sorted(ours)]
    return ours


def test_a_whole_bag_is_left_alone(tmp_path: Path) -> None:
    bag = write_split(tmp_path / "bag", files=1)
    done = recover_bag(bag)
    assert not done.faults and done.path == bag and done.messages == 40 and done.lost == 0
    assert [p.name for p in tmp_path.iterdir()] == ["bag"]
    file = write_mcap(tmp_path / "a.mcap", range(20))
    assert not recover_bag(file, in_place=True).faults
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mcap", "bag"]


def test_one_bad_chunk_in_a_split_bag(tmp_path: Path) -> None:
    bag = write_split(tmp_path / "bag")
    file = bag / "bag_1.mcap"
    flip(file, heads(file)[2].content + 700)
    before = digests(bag)
    done = recover_bag(bag)
    assert done.path == tmp_path / "bag-recovered" and done.original == bag and digests(bag) == before
    assert done.lost == 10 and done.messages == 110 and len(done.faults) == 1
    assert "10 messages from 0.600 to 0.690 s are lost" in done.faults[0]
    assert read_by_others(done.path) == [n for n in range(120) if not 60 <= n < 70]
    new, old = Bag(done.path), Bag(bag)
    list(new.messages()), list(old.messages())
    assert new.topics == old.topics and new.topics["/a"].type_hash.startswith("RIHS01_")
    made = new.session["recovered_fingerprint"]
    assert new.session == old.session | {
        "recovered_from": "bag",
        "recovered_faults": done.faults[0],
        "recovered_fingerprint": made,
    }
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        (b"", "bag_2.mcap: is empty (0 bytes); 40 messages from 0.800 to 1.190 s are lost"),
        (bytes(30000), r"not an MCAP file; 40 messages from 0.800 to 1.190 s are lost"),
        (None, "which is missing; 40 messages from 0.800 to 1.190 s are lost"),
    ],
)
def test_a_file_of_a_split_costs_that_file(tmp_path: Path, what: bytes | None, sentence: str) -> None:
    bag = write_split(tmp_path / "bag")
    (bag / "bag_2.mcap").unlink()
    if what is not None:
        (bag / "bag_2.mcap").write_bytes(what)
    opened = Bag(bag)
    assert numbers(opened) == list(range(80)) and len(opened.problems) == 1 and sentence in opened.problems[0]
    done = recover_bag(bag)
    assert done.lost == 40 and sentence in done.faults[0]
    assert read_by_others(done.path) == list(range(80))


@pytest.mark.parametrize("missing", [1, 2])
def test_a_file_that_metadata_does_not_name(tmp_path: Path, missing: int) -> None:
    bag = write_split(tmp_path / "bag")
    content = yaml.safe_load((bag / "metadata.yaml").read_text())
    content["rosbag2_bagfile_information"]["relative_file_paths"].pop(missing)
    (bag / "metadata.yaml").write_text(yaml.safe_dump(content))
    shutil.copy(bag / "bag_0.mcap", bag / "copy of bag_0.mcap")  # is none of its files
    opened = Bag(bag)
    assert numbers(opened) == list(range(120))
    assert len(opened.problems) == 1
    assert opened.problems[0].startswith(f"bag_{missing}.mcap: metadata.yaml does not name it; it is read")


@pytest.mark.parametrize("metadata", ["", "{", "rosbag2_bagfile_information: {version: 9}"])
def test_metadata_is_written_again(tmp_path: Path, metadata: str) -> None:
    bag = write_split(tmp_path / "bag")
    path = bag / "metadata.yaml"
    path.unlink() if not metadata else path.write_text(metadata)
    done = recover_bag(bag)
    assert "metadata.yaml" in done.faults[-1] and read_by_others(done.path) == list(range(120))


def test_metadata_as_rosbag2_writes_them(tmp_path: Path) -> None:
    """Every field that `rosbags` writes for this version is there, of the same type."""
    damaged = write_split(tmp_path / "bag")
    cut(damaged / "bag_2.mcap", 9000)
    new = recover_bag(damaged).path
    with Writer(tmp_path / "theirs", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(
            "/a", STRING, msgdef=definitions.find(STRING).text, rihs01="RIHS01_0"
        )
        writer.write(connection, START, text(0))
    ours, theirs = (
        yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
        for bag in (new, tmp_path / "theirs")
    )
    assert set(theirs) <= set(ours)
    for key, value in theirs.items():
        assert isinstance(ours[key], type(value)) or value is None, key
    (file,) = ours["files"]
    assert set(theirs["files"][0]) <= set(file) and (new / file["path"]).is_file()
    assert ours["relative_file_paths"] == [file["path"]]
    assert ours["message_count"] == file["message_count"] == len(numbers(new))
    assert ours["starting_time"]["nanoseconds_since_epoch"] == START
    assert set(theirs["topics_with_message_count"][0]["topic_metadata"]) <= set(
        ours["topics_with_message_count"][0]["topic_metadata"]
    )


def test_in_place_keeps_the_original(tmp_path: Path) -> None:
    bag = write_split(tmp_path / "bag")
    flip(bag / "bag_0.mcap", heads(bag / "bag_0.mcap")[1].content + 9)
    before = digests(bag)
    done = recover_bag(bag, in_place=True)
    assert done.path == bag and done.original == tmp_path / "bag.original"
    assert digests(done.original) == before and read_by_others(bag) == [*range(10), *range(20, 120)]
    assert not recover_bag(bag, in_place=True).faults
    cut(bag / "bag_0.mcap", (bag / "bag_0.mcap").stat().st_size - 20)
    with pytest.raises(NotWritableError, match=r"bag\.original: exists already, of an earlier recovery"):
        recover_bag(bag, in_place=True)
    file = write_mcap(tmp_path / "a.mcap", range(30))
    cut(file, heads(file)[2].at + 5)
    before = digests(file)
    done = recover_bag(file, in_place=True)
    assert done.original == tmp_path / "a.mcap.original" and list(digests(done.original).values()) == list(
        before.values()
    )
    assert numbers(file) == list(range(20)) and not Bag(file).problems
    with pytest.raises(BagError, match=r"is a file of the bag .*; give that folder"):
        recover_bag(bag / "bag_0.mcap", in_place=True)


def test_what_exists_is_never_written_to(tmp_path: Path) -> None:
    file = write_mcap(tmp_path / "a.mcap", range(30))
    cut(file, 4000)
    first = recover_bag(file)
    assert first.path == tmp_path / "a-recovered"
    before = digests(first.path)
    with pytest.raises(NotWritableError, match="a-recovered: exists already; name another folder with --to"):
        recover_bag(file)
    assert digests(first.path) == before
    assert recover_bag(file, to=tmp_path / "deep" / "there").path == tmp_path / "deep" / "there"
    assert read_by_others(tmp_path / "deep" / "there") == numbers(file)


def test_nothing_to_recover(tmp_path: Path) -> None:
    with pytest.raises(BagError, match=r"no \.mcap or \.db3 file"):
        recover_bag(tmp_path)
    (tmp_path / "a.mcap").write_bytes(b"nonsense, and more of it")
    with pytest.raises(BagError, match="not an MCAP file"):
        recover_bag(tmp_path / "a.mcap")
    file = write_mcap(tmp_path / "b.mcap", range(10))
    cut(file, 600)
    with pytest.raises(BagError, match=r"nothing in it can be read.*from 0\.000 to 0\.090 s are lost"):
        recover_bag(file)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mcap", "b.mcap"]


def test_a_copy_supersedes_its_original_whatever_they_are_called(tmp_path: Path) -> None:
    bag = write_split(tmp_path / "lab" / "run")
    cut(bag / "bag_2.mcap", 9000)
    elsewhere = recover_bag(bag, to=tmp_path / "other" / "fixed").path
    assert superseded([bag, elsewhere]) == [bag] and superseded([bag]) == [] == superseded([elsewhere])
    again = recover_bag(bag, to=tmp_path / "again").path
    assert superseded([bag, elsewhere, again]) == [bag, again]
    moved = bag.rename(tmp_path / "lab" / "first")
    assert superseded([elsewhere, moved]) == [moved]
    recover_bag(moved, in_place=True)
    assert superseded([moved, tmp_path / "lab" / "first.original"]) == [tmp_path / "lab" / "first.original"]
    file = write_mcap(tmp_path / "a.mcap", range(30))
    cut(file, heads(file)[2].at + 5)
    recover_bag(file, in_place=True)
    kept = file.rename(tmp_path / "b.mcap"), (tmp_path / "a.mcap.original").rename(tmp_path / "c.mcap")
    assert superseded(kept) == [kept[1]]


def test_a_name_alone_supersedes_nothing(tmp_path: Path) -> None:
    bags = [write_split(tmp_path / "run", files=1), write_split(tmp_path / "run-recovered", files=2)]
    bags += [write_split(tmp_path / "run.original", files=3)]
    assert superseded(bags) == []


@pytest.mark.parametrize("in_place", [False, True])
def test_what_others_keep_beside_messages_is_copied(tmp_path: Path, in_place: bool) -> None:
    """Attachments and records of metadata; not the copy of metadata.yaml, which is of the damaged bag."""
    bag = tmp_path / "bag"
    bag.mkdir()
    large = os.urandom(3 << 20)
    for number in (0, 1):
        with (bag / f"bag_{number}.mcap").open("wb") as out:
            writer = McapWriter(out)
            writer.start(profile="ros2", library="test")
            writer.add_metadata("foley.session", {"session_id": "s"})
            writer.add_metadata("rosbag2", {"serialized_metadata": "of the old bag"})
            writer.add_metadata("operator", {"name": f"Ä {number}"})
            writer.add_attachment(5, START, f"calibration_{number}.yaml", "text/yaml", b"fx: 100")
            schema = writer.register_schema(STRING, "ros2msg", definitions.find(STRING).text.encode())
            channels = [writer.register_channel(topic, "cdr", schema) for topic in ("/a", "/b")]
            for k in range(40 * number, 40 * number + 40):
                writer.add_message(channels[k % 2], START + k * STEP, text(k), START + k * STEP, k + 1)
            writer.add_attachment(6, START + STEP, "room.jpg", "image/jpeg", large)
            writer.finish()
    change(bag / "bag_1.mcap", (bag / "bag_1.mcap").read_bytes().index(large) + 999, b"wrong")
    done = recover_bag(bag, in_place=in_place)
    assert "an attachment is lost (the checksum of attachment 'room.jpg'" in done.faults[0]
    assert (done.lost, done.lost_more) == (0, False) and numbers(done.path) == list(range(80))
    with next(done.path.glob("*.mcap")).open("rb") as stream:
        reader = make_reader(stream)
        attached = {
            (a.name, a.media_type, a.create_time, a.log_time, a.data) for a in reader.iter_attachments()
        }
        kept = [(record.name, record.metadata) for record in reader.iter_metadata()]
    assert attached == {
        ("calibration_0.yaml", "text/yaml", 5, START, b"fx: 100"),
        ("calibration_1.yaml", "text/yaml", 5, START, b"fx: 100"),
        ("room.jpg", "image/jpeg", 6, START + STEP, large),
    }
    assert [record for record in kept if record[0] != "foley.session"] == [
        ("operator", {"name": "Ä 0"}),
        ("operator", {"name": "Ä 1"}),
    ]
    assert not recover_bag(done.path).faults


# ---- compressed ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("chunks", [CompressionType.NONE, CompressionType.ZSTD])
def test_compressed_messages_that_nothing_says_are_compressed(
    tmp_path: Path, chunks: CompressionType
) -> None:
    bag = tmp_path / "bag"
    bag.mkdir()
    file = write_mcap(bag / "bag_0.mcap", range(40), packed=True, compression=chunks)
    opened = Bag(bag)
    assert numbers(opened) == list(range(40)) and not opened.problems
    flip(file, heads(file)[1].content + 30)
    done = recover_bag(bag)
    assert read_by_others(done.path) == [*range(10), *range(20, 40)]


def test_messages_that_are_not_compressed_as_metadata_says(tmp_path: Path) -> None:
    bag = write_split(tmp_path / "bag", files=1)
    path = bag / "metadata.yaml"
    path.write_text(path.read_text().replace("compression_mode: ''", "compression_mode: MESSAGE"))
    assert "compression_mode: MESSAGE" in path.read_text()
    opened = Bag(bag)
    assert numbers(opened) == list(range(40)) and not opened.problems


def test_a_compressed_message_that_is_damaged_costs_itself(tmp_path: Path) -> None:
    file = write_mcap(tmp_path / "a.mcap", range(40), packed=True, enable_crcs=False)
    message = zstandard.ZstdCompressor().compress(text(23))
    change(file, file.read_bytes().index(message) + 6, b"\xff\xff\xff")
    opened = Bag(file)
    assert numbers(opened) == [n for n in range(40) if n != 23] == numbers(opened)
    (problem,) = opened.problems
    assert (
        "a compressed message of /b is damaged" in problem and "1 messages from 0.230 to 0.230 s" in problem
    )


@pytest.mark.parametrize("metadata", [True, False])
def test_compressed_files(tmp_path: Path, metadata: bool) -> None:
    bag = write_split(tmp_path / "bag")
    for file in sorted(bag.glob("*.mcap")):
        packed = zstandard.ZstdCompressor().compress(file.read_bytes())
        file.with_name(file.name + ".zstd").write_bytes(packed)
        if file.name != "bag_1.mcap":  # both of one are one
            file.unlink()
    if not metadata:
        (bag / "metadata.yaml").unlink()
    assert numbers(bag) == list(range(120))
    (bag / "bag_1.mcap").unlink()
    cut(bag / "bag_2.mcap.zstd", (bag / "bag_2.mcap.zstd").stat().st_size - 30)
    opened = Bag(bag)
    found = numbers(opened)
    assert found[:80] == list(range(80)) and len(found) < 120 and opened.problems
    opened.close()
    before = digests(bag)
    done = recover_bag(bag)
    assert read_by_others(done.path) == found and digests(bag) == before


# ---- SQLite ------------------------------------------------------------------------------------------------
def write_sqlite(folder: Path, count: int = 400) -> Path:
    with Writer(folder, version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
        definition = definitions.find(STRING)
        connections = [
            writer.add_connection(t, STRING, msgdef=definition.text, rihs01=definition.type_hash)
            for t in ("/a", "/b")
        ]
        for k in range(count):
            writer.write(connections[k % 2], START + k * STEP, text(k))
    return next(folder.glob("*.db3"))


def test_sqlite_is_read_on_behind_a_damaged_page(tmp_path: Path) -> None:
    file = write_sqlite(tmp_path / "bag")
    assert not recover_bag(tmp_path / "bag").faults
    size = 4096
    at = file.read_bytes().index(text(200)) // size * size
    change(file, at, bytes(size))
    before = digests(tmp_path / "bag")
    opened = Bag(tmp_path / "bag")
    found = numbers(opened)
    lost = set(range(400)) - set(found)
    assert 200 in lost and 5 < len(lost) < 30 and lost == set(range(min(lost), max(lost) + 1))
    assert len(opened.problems) == 1 and f"{len(lost)} messages are lost" in opened.problems[0]
    assert numbers(opened) == found
    assert numbers(opened, start_ns=START + 399 * STEP) == [399]
    done = recover_bag(tmp_path / "bag")
    assert numbers(done.path) == found and digests(tmp_path / "bag") == before
    with Reader(done.path) as reader:
        assert [bytes(d) for _, _, d in reader.messages()] == [text(n) for n in found]


def test_sqlite_that_was_cut_off(tmp_path: Path) -> None:
    file = write_sqlite(tmp_path / "bag")
    cut(file, file.stat().st_size * 2 // 3)
    opened = Bag(tmp_path / "bag")
    found = numbers(opened)
    assert found == list(range(len(found))) and 200 < len(found) < 300
    lost = 400 - len(found)  # as metadata.yaml says
    assert len(opened.problems) == 1 and f"its end is missing; {lost} messages are lost" in opened.problems[0]
    done = recover_bag(tmp_path / "bag")
    assert numbers(done.path) == found and (done.lost, done.lost_more) == (lost, False)


def test_sqlite_that_is_empty_or_no_database(tmp_path: Path) -> None:
    for content, reason in ((b"", "is empty"), (b"nonsense" * 100, "not a readable SQLite bag")):
        (tmp_path / "a.db3").write_bytes(content)
        with pytest.raises(BagError, match=reason):
            list(Bag(tmp_path / "a.db3").messages())


def test_a_range_of_time_of_sqlite(tmp_path: Path) -> None:
    file = write_sqlite(tmp_path / "bag", 50)
    opened = Bag(tmp_path / "bag")
    for _ in range(2):
        assert numbers(opened, start_ns=START + 10 * STEP, end_ns=START + 13 * STEP) == [10, 11, 12]
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT count(*) FROM messages").fetchone()[0] == 50


# ---- disks ---------------------------------------------------------------------------------------------------
def in_child(action: Any) -> int:
    child = os.fork()
    if child == 0:
        try:
            action()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - reported, then the child ends
            __import__("traceback").print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("in_place", [True, False])
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, in_place: bool) -> None:
    """A limit on the size of files stands for the full disk."""
    bag = write_split(tmp_path / "bag", files=2, each=8000)
    cut(bag / "bag_1.mcap", (bag / "bag_1.mcap").stat().st_size // 2)
    before = digests(bag)

    def recover() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1536 << 10, resource.RLIM_INFINITY))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with pytest.raises(NoSpaceError, match=r"the disk is full; nothing of the new bag was kept.*--to"):
            recover_bag(bag, in_place=in_place)

    assert in_child(recover) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["bag"] and digests(bag) == before
