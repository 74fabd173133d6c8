"""Which topics of a bag are expected, where they bear other names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from foley_perception.recording.inspect import inspect_bag, verdicts

MakeBag = Callable[..., Path]
MAP = {"mic/audio": "/robot/mic"}


def both(time_ns: int, topic: str, kind: str, message: Any) -> list[Any]:
    """The microphone on a topic of another name; and a message on ours, of something else."""
    if topic != "mic/audio":
        return [(time_ns, topic, kind, message)]
    ours = [(time_ns, topic, kind, message)] if message.first_sample == 0 else []
    return [(time_ns, "/robot/mic", kind, message), *ours]


def expected(report: Any) -> set[str]:
    return {topic.topic for topic in report.topics if topic.expected}


def test_a_mapped_topic_is_expected_in_place_of_ours(make_bag: MakeBag) -> None:
    bag = make_bag(edit=both)
    assert {"/mic/audio"} == expected(inspect_bag(bag)) & {"/mic/audio", "/robot/mic"}
    report = inspect_bag(bag, mapping=MAP)
    assert {"/robot/mic"} == expected(report) & {"/mic/audio", "/robot/mic"}
    assert not verdicts(report)


def test_what_the_metadata_map_counts(make_bag: MakeBag) -> None:
    bag = make_bag(edit=both)
    file = bag / "metadata.yaml"
    content = yaml.safe_load(file.read_text())
    content["rosbag2_bagfile_information"]["custom_data"]["foley.session"] = yaml.safe_dump({"topics": MAP})
    file.write_text(yaml.safe_dump(content))
    assert "/robot/mic" in expected(inspect_bag(bag))
    assert "/robot/mic" not in expected(inspect_bag(bag, mapping={"mic/audio": "/mic/audio"}))


def test_of_several_robots_one_is_meant(make_bag: MakeBag) -> None:
    def twice(time_ns: int, topic: str, kind: str, message: Any) -> list[Any]:
        names = (topic,) if topic.startswith("/") else (f"/a/{topic}", f"/b/{topic}")
        return [(time_ns, name, kind, message) for name in names]

    bag = make_bag(edit=twice)
    assert {"/a/mic/audio", "/b/mic/audio"} <= expected(inspect_bag(bag))
    assert not {t for t in expected(inspect_bag(bag, namespace="a")) if t.startswith("/b/")}


def test_what_is_missing_is_judged_in_the_namespace(make_bag: MakeBag) -> None:
    """One of two robots has no pose; the other's does not stand for it."""

    def twice(time_ns: int, topic: str, kind: str, message: Any) -> list[Any]:
        names = (topic,) if topic.startswith("/") else (f"/a/{topic}", f"/b/{topic}")
        return [(time_ns, name, kind, message) for name in names if name != "/a/ee_pose"]

    bag = make_bag(edit=twice)
    assert [wrong.text for wrong in verdicts(inspect_bag(bag, namespace="a"))] == [
        "ee_pose: nothing was recorded in /a (of another name? --map ee_pose=TOPIC)"
    ]
    assert verdicts(inspect_bag(bag, namespace="b")) == []
    assert verdicts(inspect_bag(bag, namespace="a", mapping={"ee_pose": "/b/ee_pose"})) == []
