"""Bags of earlier definitions in today's: what changes, what stays, and what is refused."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pytest

from foley_perception.commands import bag as command
from foley_perception.recording import definitions, migrate
from foley_perception.recording.bag import Bag, BagMessage
from foley_perception.recording.copy import put_message, session_texts, topic_infos
from foley_perception.recording.errors import BagError, NotWritableError
from foley_perception.recording.inspect import inspect_bag, verdicts
from foley_perception.recording.migrate import migrate_bag
from foley_perception.recording.recovery import superseded
from foley_perception.recording.typed import read_typed, store_of
from foley_perception.recording.writer import BagWriter

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
ARRAY, SURPRISE = "foley_msgs/msg/PredicateArray", "foley_msgs/msg/Surprise"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / "0" / "definitions", tmp_path / "old"))


def messages(path: Path) -> tuple[Bag, list[BagMessage]]:
    bag = Bag(path)
    return bag, list(bag.messages())


def contents(path: Path) -> dict[str, bytes]:
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def with_session(path: Path, to: Path, **changes: object) -> Path:
    """A copy of a bag whose metadata say something else."""
    bag, found = messages(path)
    writer = BagWriter(to, session=session_texts(bag.session | changes), min_free_bytes=0)
    for info in topic_infos(bag):
        writer.add_topic(info)
    for message in found:
        put_message(writer, message)
    writer.close()
    return to


def test_fields_that_came_later_are_what_they_mean_of_an_earlier_message(old: Path) -> None:
    before = contents(old)
    done = migrate_bag(old)
    assert done.path == old.with_name("old-migrated") and done.original == old and contents(old) == before
    assert done.changes == (
        "predicates: foley_msgs/msg/PredicateArray gets Predicate.evidence, Predicate.contacts, "
        "Predicate.calibration_id",
        "surprise: foley_msgs/msg/Surprise gets Surprise.kind, Surprise.p_value",
    )
    bag, found = messages(done.path)
    assert bag.session["bag_version"] == 1 and bag.session["migrated_from"] == "old, bag version 0"
    assert bag.topics["predicates"].definition == definitions.find(ARRAY).text
    assert bag.topics["surprise"].type_hash == definitions.find(SURPRISE).type_hash
    today = {kind: store_of(((kind, definitions.find(kind).text, "ros2msg"),)) for kind in (ARRAY, SURPRISE)}
    read = {
        m.topic: read_typed(today[t], t, m.data) for m in found if (t := bag.topics[m.topic].type) in today
    }
    (predicate,) = read["predicates"].predicates
    assert (predicate.name, predicate.arguments, predicate.probability) == ("is_hard_tray", ["tray"], 0.75)
    assert (predicate.evidence, predicate.contacts, predicate.calibration_id) == ("", 0, "")
    assert (read["surprise"].kind, read["surprise"].p_value, read["surprise"].latency) == (
        "contact",
        0.75,
        pytest.approx(0.2),
    )


def test_what_did_not_change_goes_along_byte_by_byte(old: Path) -> None:
    done = migrate_bag(old)
    (was, earlier), (_, later) = messages(old), messages(done.path)
    assert len(earlier) == len(later) == done.messages and verdicts(inspect_bag(done.path)) == verdicts(
        inspect_bag(old)
    )
    for a, b in zip(earlier, later, strict=True):
        assert (a.topic, a.log_time, a.publish_time, a.sequence) == (
            b.topic,
            b.log_time,
            b.publish_time,
            b.sequence,
        )
        assert was.topics[a.topic].type in (ARRAY, SURPRISE) or bytes(a.data) == bytes(b.data)
    assert superseded([old, done.path]) == [old], "a data set uses one of the two"


def test_in_place_keeps_the_original(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(old)
    assert run("migrate", old, "--in-place") == 0
    kept = old.with_name("old.original")
    assert contents(kept) == before and Bag(old).session["bag_version"] == 1
    told = capsys.readouterr().out
    assert "bag version 1, was 0; 279 messages" in told and "the original, kept here" in told
    assert run("migrate", old) == 0 and "nothing was written" in capsys.readouterr().out
    assert not old.with_name("old-migrated").exists()
    assert run("migrate", old, "--in-place", "--to", "x") == 2


def test_a_newer_bag_is_refused_with_the_cure_and_read_with_a_warning(old: Path, tmp_path: Path) -> None:
    newer = with_session(old, tmp_path / "newer", bag_version=2, foley_version="9.0.0")
    with pytest.raises(
        BagError, match=r"version 2, recorded by Foley 9\.0\.0, this release knows up to 1: use a newer"
    ):
        migrate_bag(newer)
    bag, found = messages(newer)
    assert len(found) == 279 and any(
        "use a newer Foley; what is new in it is not read" in p for p in bag.problems
    )
    wrong = with_session(old, tmp_path / "wrong", bag_version="first")
    with pytest.raises(BagError, match="bag_version is `first`, must be a whole number"):
        migrate_bag(wrong)


def test_without_a_rule_nothing_is_made_up(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = {kind: dict(fields) for kind, fields in migrate.ADDED.items()}
    del rules[SURPRISE]["p_value"]
    monkeypatch.setattr(migrate, "ADDED", rules)
    with pytest.raises(BagError, match=r"surprise: no rule tells what `p_value` is"):
        migrate_bag(old)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old"]
    (tmp_path / "there").mkdir()
    monkeypatch.undo()
    with pytest.raises(NotWritableError, match="exists already"):
        migrate_bag(old, to=tmp_path / "there")


@pytest.mark.parametrize(
    "name", ["whole", "zstd", "split", "sqlite", "foreign_audio", "every_type", "killed"]
)
def test_a_bag_of_today_is_left_alone(name: str, tmp_path: Path) -> None:
    bag = Path(shutil.copytree(GOLDEN / "1" / name, tmp_path / name))
    before = contents(bag)
    done = migrate_bag(bag)
    assert not done.changes and done.path == bag and contents(bag) == before
    assert bool(done.problems) == (name == "killed"), "what is damaged is told"
