"""Which bags a data set is built from: no recording twice, and no two recordings as one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from foley_perception.dataset.build import build_dataset, snapshots_of_others
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.schema import DatasetError
from foley_perception.episodes.outline import session_id_of
from foley_perception.recording.metadata import TopicInfo
from foley_perception.recording.recovery import recover_bag, same_content, superseded
from foley_perception.recording.writer import BagWriter

MakeBag = Callable[..., Path]


def test_what_a_snapshot_and_a_take_both_hold_is_used_once(tmp_path: Path) -> None:
    def bag(name: str, seconds: tuple[int, int], **session: str) -> Path:
        writer = BagWriter(tmp_path / name, session={"origin": "arm", **session}, min_free_bytes=0)
        writer.add_topic(TopicInfo("/words", "std_msgs/msg/String", "string data\n"))
        for second in range(*seconds):
            writer.put("/words", second * 10**9, b"\0\1\0\0\1\0\0\0\0")
        writer.close()
        return writer.folder

    take = bag("take", (10, 30))
    inside, before = bag("a", (15, 20), snapshot="true"), bag("b", (2, 9), snapshot="true")
    again, elsewhere = bag("c", (5, 12), snapshot="true"), bag("d", (15, 20), snapshot="true", origin="other")
    bags = [again, before, inside, elsewhere, take]
    assert snapshots_of_others(bags) == {inside: take, again: take}
    assert snapshots_of_others([before, again, elsewhere]) == {again: before}


def damaged(make_bag: MakeBag, name: str, session_id: str) -> Path:
    bag = make_bag(name, plans=False, session_id=session_id)
    file = bag / f"{name}.mcap"
    file.write_bytes(file.read_bytes()[:-20_000])
    return bag


def test_a_recovered_copy_is_known_wherever_it_lies(make_bag: MakeBag, tmp_path: Path) -> None:
    bag = damaged(make_bag, "run", "s1")
    copy = recover_bag(bag, to=tmp_path / "elsewhere" / "fixed").path
    assert superseded([bag, copy]) == [bag]


def test_a_like_name_alone_makes_no_copy(make_bag: MakeBag) -> None:
    run, other = make_bag("run", plans=False), make_bag("run-recovered", plans=False, session_id="s2")
    assert superseded([run, other]) == []


def test_the_same_recording_under_another_name(make_bag: MakeBag, tmp_path: Path) -> None:
    run = make_bag("run", plans=False)
    shutil.copytree(run, tmp_path / "again")
    other = make_bag("other", plans=False, contact_times=(1.5,))
    assert same_content([run, tmp_path / "again", other]) == {tmp_path / "again": run}


def test_a_session_in_two_versions_of_its_edition_is_two_recordings(
    make_bag: MakeBag, tmp_path: Path
) -> None:
    first = make_bag("first", plans=False, contact_times=(1.5,))
    second = make_bag("second", plans=False, contact_times=(1.5,), edition_version="2")
    report = build_dataset([first, second], tmp_path / "dataset", workers=1)
    assert not report.failed
    assert {clip.session_id for clip in ClipDataset(tmp_path / "dataset").clips} == {"s1", "s1-v2"}
    assert session_id_of({"session_id": "s1", "edition_version": "1"}, "") == "s1"
    assert session_id_of({"session_id": "s1-v2", "edition_version": "2"}, "") == "s1-v2"
    again = make_bag("again", plans=False, contact_times=(1.5,), start_ns=1_800_001_000_000_000_000)
    with pytest.raises(DatasetError, match="the same recording twice"):
        build_dataset([first, again], tmp_path / "twice", workers=1)
