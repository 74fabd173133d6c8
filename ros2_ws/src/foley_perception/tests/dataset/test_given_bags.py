"""Which bags a data set is built from: no recording twice, and no two recordings as one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from foley_perception.recording.recovery import recover_bag, same_content, superseded

MakeBag = Callable[..., Path]


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
