"""metadata.yaml that is missing, cut, of other types or wrong: never the bag's end, always told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from foley_perception.recording.bag import Bag
from foley_perception.recording.inspect import inspect_bag
from foley_perception.recording.recovery import recover_bag

from .damaged import numbers, write_split

KEY = "rosbag2_bagfile_information"


def with_field(bag: Path, field: str, value: Any) -> None:
    file = bag / "metadata.yaml"
    content = yaml.safe_load(file.read_text())
    content[KEY][field] = value
    file.write_text(yaml.safe_dump(content))


@pytest.mark.parametrize("value", [-5, "text", [1, 2], {"a": 1}, [{"path": 5}], True, float("inf")])
@pytest.mark.parametrize(
    "field", ["custom_data", "relative_file_paths", "files", "message_count", "topics_with_message_count"]
)
def test_a_field_of_another_type_costs_nothing_and_is_told(tmp_path: Path, field: str, value: Any) -> None:
    bag = write_split(tmp_path / "bag", files=2)
    with_field(bag, field, value)
    opened = Bag(bag)
    assert numbers(opened) == list(range(80)) and isinstance(opened.session, dict)
    told = [problem for problem in inspect_bag(bag, check_index=True).problems if field in problem]
    right = field == "custom_data" and value == {"a": 1}
    assert bool(told) != right, told
    assert all(text.startswith(f"metadata.yaml: `{field}` is `") for text in told)
    done = recover_bag(bag)
    assert done.lost == 0 and numbers(done.path) == list(range(80))
    assert inspect_bag(done.path if not right else bag, check_index=True).problems == ()


@pytest.mark.parametrize("session", [5, ["a"], "5", "[1, 2]", "a: [", "day: 2026-13-45"])
def test_session_metadata_that_are_none_are_told(tmp_path: Path, session: Any) -> None:
    bag = write_split(tmp_path / "bag", files=1)
    with_field(bag, "custom_data", {"foley.session": session, "day": "2026-13-45", "lot": 7})
    opened = Bag(bag)
    assert numbers(opened) == list(range(40))
    assert opened.session["lot"] == 7 and opened.session["day"] == "2026-13-45"
    assert opened.problems == [
        "metadata.yaml: the session's metadata in it are damaged; those in the bag's file are used"
    ]


def test_names_of_session_metadata_that_are_no_text(tmp_path: Path) -> None:
    bag = write_split(tmp_path / "bag", files=1)
    with_field(bag, "custom_data", {"foley.session": "session_id: s\nnotes: ä\n5: six\n"})
    opened = Bag(bag)
    assert numbers(opened) == list(range(40)) and opened.session["session_id"] == "s"
    (problem,) = opened.problems
    assert problem.startswith("session metadata `5` is None in the bag's file, which is used, and 'six' in ")


def test_a_name_alone_is_the_list_of_it(tmp_path: Path) -> None:
    bag = write_split(tmp_path / "bag", files=1)
    with_field(bag, "relative_file_paths", "bag_0.mcap")
    opened = Bag(bag)
    assert numbers(opened) == list(range(40)) and opened.damages == []
    assert opened.problems == [
        "metadata.yaml: `relative_file_paths` is `'bag_0.mcap'`, expected a list of names; what is wrong is not used"
    ]


@pytest.mark.parametrize(
    "content", ["[]", "5", "text", f"{KEY}: []", f"{KEY}: 5", "a: [", "[" * 3000, "\0", ""]
)
def test_a_file_that_is_no_metadata(tmp_path: Path, content: str) -> None:
    bag = write_split(tmp_path / "bag", files=1)
    (bag / "metadata.yaml").write_text(content)
    opened = Bag(bag)
    assert numbers(opened) == list(range(40))
    (problem,) = opened.problems
    assert problem.startswith("metadata.yaml cannot be used (")
    assert recover_bag(bag).faults == (problem,)


def test_the_check_tells_what_a_recovery_would_mend(tmp_path: Path) -> None:
    def told(bag: Path) -> list[str]:
        problems = inspect_bag(bag, check_index=True).problems
        assert all("`foley bag recover" in problem for problem in problems)
        found = [problem.partition(";")[0] for problem in problems]
        assert tuple(found) == recover_bag(bag, to=bag.with_name(f"{bag.name}_new")).faults
        return found

    whole = write_split(tmp_path / "whole", files=2)
    assert inspect_bag(whole, check_index=True).problems == ()
    without = write_split(tmp_path / "without", files=2)
    (without / "metadata.yaml").unlink()
    assert told(without) == ["metadata.yaml is missing"]
    wrong = write_split(tmp_path / "wrong", files=2)
    with_field(wrong, "message_count", 79)
    assert told(wrong) == ["metadata.yaml counts 79 messages, 80 are there"]
    topic = write_split(tmp_path / "topic", files=2)
    content = yaml.safe_load((topic / "metadata.yaml").read_text())[KEY]["topics_with_message_count"]
    content[0]["message_count"] -= 1
    with_field(topic, "topics_with_message_count", content)
    assert told(topic) == ["metadata.yaml counts 39 messages on /a, 40 are there"]
    cut = write_split(tmp_path / "cut", files=2)
    text = yaml.safe_dump({KEY: {"version": 9, "storage_identifier": "mcap"}})
    (cut / "metadata.yaml").write_text(text)
    assert told(cut) == [
        "metadata.yaml does not say how many messages there are",
        "metadata.yaml does not name the files that are there",
    ]
