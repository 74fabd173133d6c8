"""What became of a recording whose process is gone, as its successor knows it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from foley_perception.recording.takes import Takes, process_of

GONE = {"pid": 2**22 + 1, "started": 5}  # no process has this number


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    folder = tmp_path / "kitchen"
    folder.mkdir()
    (folder / "kitchen.mcap").write_bytes(b"x" * 3_000_000)
    return folder


def killed(folder: Path, recorder: str = "/recorder") -> Takes:
    """The process that wrote the file is gone; what its successor reads."""
    file = folder / f".{recorder.strip('/').replace('/', '.')}.takes.json"
    file.write_text(json.dumps([take | GONE for take in json.loads(file.read_text())]))
    return Takes(folder, recorder)


def test_a_successor_tells_until_it_has_been_told(bag: Path) -> None:
    Takes(bag.parent, "/recorder").begun(bag)
    for _ in range(2):
        (take,) = killed(bag.parent).interrupted()
        assert f"while it recorded {bag}: about 0 s, 3.0 MB are kept" in take.text
        assert f"`foley bag recover {bag}` finishes them" in take.text
    successor = killed(bag.parent)
    successor.told(take.path)
    assert successor.interrupted() == [] and Takes(bag.parent, "/recorder").interrupted() == []
    assert sorted(bag.parent.iterdir()) == [bag], "nothing is left of it"


def test_the_process_that_records_tells_nothing_of_its_own(bag: Path) -> None:
    takes = Takes(bag.parent, "/recorder")
    takes.begun(bag)
    assert takes.of_others() == [] and Takes(bag.parent, "/recorder").of_others() == []


def test_two_robots_that_write_into_one_folder_are_apart(bag: Path) -> None:
    Takes(bag.parent, "/left/recorder").begun(bag)
    assert Takes(bag.parent, "/right/recorder").of_others() == []
    assert len(killed(bag.parent, "/left/recorder").interrupted()) == 1


def test_one_that_ended_with_its_process_is_finished(bag: Path) -> None:
    takes = Takes(bag.parent, "/recorder")
    takes.begun(bag)
    takes.ended(bag, duration_s=4.5, size=3_000_000, trouble="")
    (take,) = killed(bag.parent).of_others()
    assert (take.finished, take.duration_s, take.bytes, take.text) == (True, 4.5, 3_000_000, "")
    assert killed(bag.parent).interrupted() == []


@pytest.mark.parametrize("done", ["kitchen-recovered", "kitchen.original"])
def test_a_recovered_bag_needs_no_further_word(bag: Path, done: str) -> None:
    Takes(bag.parent, "/recorder").begun(bag)
    takes = killed(bag.parent)
    assert len(takes.interrupted()) == 1
    (bag.parent / done).mkdir()
    assert takes.interrupted() == []


def test_a_new_recording_does_not_hide_an_interrupted_one(bag: Path) -> None:
    Takes(bag.parent, "/recorder").begun(bag)
    takes = killed(bag.parent)
    other = bag.parent / "bench"
    other.mkdir()
    takes.begun(other)
    assert [take.path for take in takes.interrupted()] == [str(bag)]


def test_what_is_discarded_is_deleted(bag: Path) -> None:
    Takes(bag.parent, "/recorder").begun(bag)
    takes = killed(bag.parent)
    takes.discard(takes.interrupted()[0])
    assert not bag.exists() and takes.of_others() == []


def test_a_damaged_file_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / ".recorder.takes.json").write_text('[{"path": 1}]')
    assert Takes(tmp_path, "/recorder").of_others() == []


def test_the_process_that_records_is_known_to_whoever_sees_the_folder(bag: Path) -> None:
    assert process_of(bag) is None
    takes = Takes(bag.parent, "/left/recorder")
    takes.begun(bag)
    (bag.parent / ".other.takes.json").write_text("not json")
    process = process_of(bag)
    assert process is not None and process.pid == os.getpid() and process_of(bag.parent / "other") is None
    takes.ended(bag, duration_s=1.0, size=5)
    assert process_of(bag) is None, "it records it no more"
    takes.begun(bag)
    killed(bag.parent, "/left/recorder")
    assert process_of(bag) is None, "it is gone"
