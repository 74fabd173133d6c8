"""What is said of a bag whose recorder cannot be asked any more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from foley_perception.recording.kept import look

MakeBag = Callable[..., Path]


def test_a_finished_bag(make_bag: MakeBag) -> None:
    bag = make_bag()
    kept = look(bag, "s1", local=True)
    assert kept.finished and kept.report is not None
    assert kept.text.startswith(f"{bag} holds {kept.report.messages} messages of 4.0 s, ")
    assert kept.text.endswith("MB, and is finished")


def test_a_bag_that_was_cut_off(make_bag: MakeBag) -> None:
    bag = make_bag()
    whole = look(bag, "s1", local=True)
    file = bag / "bag.mcap"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    kept = look(bag, "s1", local=True)
    assert kept.report is not None and whole.report is not None
    assert not kept.finished and 0 < kept.report.messages < whole.report.messages
    assert kept.text.endswith(f"`foley bag recover {bag}` finishes it")


def test_a_bag_that_is_not_here(make_bag: MakeBag, tmp_path: Path) -> None:
    away = look(tmp_path / "away", "s1", local=False)
    assert away.report is None and "it lies on the recorder's machine; `foley bag info" in away.text
    another = look(make_bag(session_id="another"), "s1", local=True)
    assert another.report is None and "on the recorder's machine" in another.text
    discarded = look(tmp_path / "away", "s1", local=True)
    assert discarded.text.endswith("it is not there any more; nothing was kept")
    (tmp_path / "empty").mkdir()
    assert "nothing of it can be read" in look(tmp_path / "empty", "s1", local=True).text
