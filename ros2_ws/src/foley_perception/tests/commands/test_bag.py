"""`foley bag` and `foley dataset` as a user calls them."""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml

from foley_perception.commands import bag, dataset, record

MakeBag = Callable[..., Path]


def call(module: ModuleType, *arguments: object) -> int:
    parser = argparse.ArgumentParser()
    module.configure(parser)
    return int(module.run(parser.parse_args([str(a) for a in arguments])))


def test_info_and_check(make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = make_bag()
    assert call(bag, "info", good, "--out", tmp_path / "out") == 0
    assert "session_id: s1" in capsys.readouterr().out
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert figures["topics"]["/mic/audio"]["messages"] == 400 and figures["topics"]["/mic/audio"]["lost"] == 0
    assert call(bag, "check", good, "--out", tmp_path / "out") == 0
    assert "good" in capsys.readouterr().out


def test_info_tells_pauses(make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def paused(maker: Any) -> None:
        kind, start = "foley_msgs/msg/SegmentLabel", maker.options.start_ns
        times = [
            maker.new("builtin_interfaces/msg/Time", *divmod(start + ns, 10**9)) for ns in (10**9, 25 * 10**8)
        ]
        label = maker.new(kind, maker.header(start + 25 * 10**8, ""), *times, "", "pause", "")
        maker.put(2.5, "labels", kind, label)

    assert call(bag, "info", make_bag(more=paused), "--out", tmp_path / "out") == 0
    told = re.search(r"paused: (\S+) to (\S+) s", capsys.readouterr().out)
    assert told is not None
    assert [float(word) for word in told.groups()] == pytest.approx([1.0, 2.5], abs=0.11)
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())
    ((start, end),) = figures["pauses_s"]
    assert end - start == pytest.approx(1.5) and figures["duration_s"] == pytest.approx(2.5, abs=0.2)


def test_check_says_what_is_wrong(
    make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(bag, "check", make_bag("gap", audio_gap=(1.0, 1.5)), "--out", tmp_path) == 1
    out = capsys.readouterr().out
    assert "/mic/audio: 50 messages were lost" in out and "0.500 s of sound are missing" in out
    assert call(bag, "check", make_bag("yuv", encoding="hsv8"), "--out", tmp_path) == 1
    assert "encoding is `hsv8`" in capsys.readouterr().out
    assert call(bag, "check", tmp_path / "nowhere", "--out", tmp_path) == 2
    assert "foley bag: error:" in capsys.readouterr().err


def test_check_tells_values_of_metadata_that_no_data_set_knows(
    make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = make_bag()
    file = recorded / "metadata.yaml"
    content = yaml.safe_load(file.read_text())
    content["rosbag2_bagfile_information"]["custom_data"]["foley.session"] = "{split: foo, domain: moon}"
    file.write_text(yaml.safe_dump(content))
    assert call(bag, "check", recorded, "--out", tmp_path) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "error: metadata: split is `foo`, known are train, validation, test, test_seen; no data set" in out
    assert "problem: metadata: domain is `moon`, known are sim, real; it is not used" in out
    findings = json.loads((tmp_path / "metrics.json").read_text())["findings"]
    assert [found["rule"] for found in findings] == ["metadata", "metadata"]


def test_check_judges_stamps_as_they_are_read(
    make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def late(arrival: int, topic: str, kind: str, message: Any) -> list[Any]:
        """Sound is stamped 120 ms after its first sample, before which none of it can arrive."""
        if topic == "mic/audio":
            stamp = message.header.stamp
            more, stamp.nanosec = divmod(stamp.nanosec + 120_000_000, 10**9)
            stamp.sec += more
        return [(arrival, topic, kind, message)]

    recorded = make_bag("late", edit=late)
    assert call(bag, "check", recorded, "--out", tmp_path) == 1
    assert "stamps are at least 120.0 ms late" in capsys.readouterr().out
    robot = tmp_path / "robot.yaml"
    robot.write_text("latencies: {microphone: {seconds: 0.12}}\n")
    assert call(bag, "check", recorded, "--robot", robot, "--out", tmp_path) == 0, capsys.readouterr().out


def test_check_judges_the_channel_that_is_heard(
    make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def second(arrival: int, topic: str, kind: str, message: Any) -> list[Any]:
        """Nothing is connected to the first of two channels."""
        if topic == "mic/audio":
            sound = np.asarray(message.samples, np.float32)
            message.samples, message.channels = np.stack([0 * sound, sound], 1).ravel(), 2
        return [(arrival, topic, kind, message)]

    recorded, robot = make_bag("second", edit=second), tmp_path / "robot.yaml"
    assert call(bag, "check", recorded, "--out", tmp_path) == 1
    assert "channel 0 holds 0 in all" in capsys.readouterr().out
    robot.write_text("sound: {microphone: {channel: 1}}\n")
    assert call(bag, "check", recorded, "--robot", robot, "--out", tmp_path) == 0, capsys.readouterr().out


def test_recover(make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = make_bag()
    file = broken / "bag.mcap"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert call(bag, "check", broken, "--out", tmp_path) == 1
    assert "foley bag recover" in capsys.readouterr().out
    before = file.read_bytes()
    assert call(bag, "recover", broken) == 0
    out = capsys.readouterr().out
    assert "a chunk, in which the file ends; messages from" in out and "the original, as it was" in out
    assert file.read_bytes() == before
    whole = broken.with_name("bag-recovered")
    call(bag, "check", whole, "--out", tmp_path)
    assert "foley bag recover" not in capsys.readouterr().out
    assert call(bag, "recover", whole) == 0
    assert "is whole" in capsys.readouterr().out and not whole.with_name("bag-recovered-recovered").exists()
    assert call(bag, "recover", broken) == 2
    assert "exists already; name another folder with --to" in capsys.readouterr().err
    assert call(bag, "recover", broken, "--to", tmp_path / "new", "--in-place") == 2
    assert call(bag, "recover", broken, "--to", tmp_path / "new") == 0
    assert call(bag, "recover", broken, "--in-place") == 0
    assert "bag.original: the original, kept here" in capsys.readouterr().out
    assert (broken.with_name("bag.original") / "bag.mcap").read_bytes() == before
    assert call(bag, "recover", broken) == 0
    assert "is whole" in capsys.readouterr().out


def test_recover_says_what_it_cannot_count(
    make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = make_bag() / "bag.mcap"
    split = tmp_path / "split"
    split.mkdir()
    for number in (0, 2):
        (split / f"split_{number}.mcap").write_bytes(file.read_bytes())
    assert call(bag, "recover", split) == 0
    out = capsys.readouterr().out
    assert "split_1.mcap: this file is missing" in out
    assert "it is unknown how many were in what is damaged or missing" in out
    assert "no messages" not in out


def test_a_data_set_has_a_recovered_bag_once(
    make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = make_bag()
    file = broken / "bag.mcap"
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 3 // 4])
    assert call(bag, "recover", broken) == 0
    build = ("build", broken, broken.with_name("bag-recovered"), "--out", tmp_path / "set")
    assert call(dataset, *build) == 0
    assert f"left out {broken}: its recovered copy is used instead" in capsys.readouterr().out


def test_dataset(make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_bag("bags/a", plans=False)
    make_bag("bags/b", plans=False, session_id="s2", scene_id="x2", split="test", objects=(("cup", "glass"),))
    assert call(dataset, "build", tmp_path / "bags", "--out", tmp_path / "ds", "--workers", 1) == 0
    assert "wood 3" in capsys.readouterr().out
    assert call(dataset, "check", tmp_path / "ds") == 0
    assert "no leaks" in capsys.readouterr().out
    make_bag("bags/c", plans=False, session_id="s3", scene_id="x3", split="test")
    assert call(dataset, "build", tmp_path / "bags", "--out", tmp_path / "ds", "--workers", 1) == 2
    assert "block-1" in capsys.readouterr().err
    assert call(dataset, "check", tmp_path / "nowhere") == 1
    assert call(dataset, "build", tmp_path / "bags", "--out", tmp_path / "ds", "--shares", "1") == 2
    assert "--shares" in capsys.readouterr().err


def test_foreign_topics(make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a file and as options, for each command that reads a bag."""
    names = {
        "mic/audio": "/robot/mic",
        "camera/image_raw": "/wrist/image",
        "camera/camera_info": "/wrist/camera_info",
    }
    foreign = make_bag(
        "foreign", plans=False, edit=lambda time, topic, kind, m: [(time, names.get(topic, topic), kind, m)]
    )
    ours = make_bag("ours", plans=False)
    robot = tmp_path / "robot.yaml"
    robot.write_text("hand: parallel_gripper\ntopics: {mic/audio: /robot/mic, camera: /wrist/image}\n")
    assert call(bag, "check", foreign, "--out", tmp_path / "out") == 1
    assert "--map mic/audio=TOPIC" in capsys.readouterr().out
    assert call(bag, "check", foreign, "--map-file", robot, "--out", tmp_path / "out") == 0
    printed = capsys.readouterr()
    assert "good" in printed.out and "hand changes nothing here" in printed.err
    assert call(bag, "info", foreign, "--map-file", robot, "--out", tmp_path / "out") == 0
    capsys.readouterr()

    def build(source: Path, out: str, *options: object) -> str:
        assert call(dataset, "build", source, "--out", tmp_path / out, "--workers", 1, *options) == 0
        return str(json.loads((tmp_path / out / "manifest.json").read_text())["fingerprint"])

    mapped = build(foreign, "foreign_set", "--map", "mic/audio=/robot/mic", "--map", "camera=/wrist/image")
    assert mapped == build(ours, "our_set") == build(foreign, "by_file", "--robot", robot)
    assert call(bag, "check", foreign, "--robot", robot, "--map-file", robot) == 2
    assert "--map-file and --robot exclude each other" in capsys.readouterr().err
    robot.write_text("topics: {mic/audio: /robot/mic}\nframes: {tol: tool0}\n")
    assert call(bag, "info", foreign, "--robot", robot) == 2
    assert "robot.yaml:2: `frames.tol` is not known; is tool" in capsys.readouterr().err
    assert call(dataset, "build", foreign, "--out", tmp_path / "x", "--map", "mic/audoi=/robot/mic") == 2
    assert "is `mic/audio`" in capsys.readouterr().err
    assert call(bag, "info", foreign, "--map-file", tmp_path / "none.yaml") == 2
    assert "none.yaml: cannot be read" in capsys.readouterr().err


def test_another_mapping_is_cut_anew(make_bag: MakeBag, tmp_path: Path) -> None:
    """Of two microphones in one bag first one is taken, then the other."""

    def twice(time: int, topic: str, kind: str, message: object) -> list[object]:
        return [
            (time, name, kind, message) for name in (("/one", "/two") if topic == "mic/audio" else (topic,))
        ]

    both = make_bag(plans=False, edit=twice)
    command = ("build", both, "--out", tmp_path / "ds", "--workers", 1)
    seen = set()
    for name in ("/one", "/two", "/one"):
        assert call(dataset, *command, "--map", f"mic/audio={name}") == 0
        (part,) = (tmp_path / "ds" / "parts").glob("*.json")
        seen.add(json.loads(part.read_text())["identity"])
    assert len(seen) == 2


def test_two_robots_in_one_bag(make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error names an option that `foley dataset build` has, and it is the cure."""

    def twice(time: int, topic: str, kind: str, message: object) -> list[object]:
        names = (topic,) if topic.startswith("/") else (f"/a/{topic}", f"/b/{topic}")
        return [(time, name, kind, message) for name in names]

    both = make_bag(plans=False, edit=twice)
    command = ("build", both, "--out", tmp_path / "ds", "--workers", 1)
    assert call(dataset, *command) == 2
    assert "--map ee_pose=/a/ee_pose, or whose: --namespace a" in capsys.readouterr().err
    assert call(dataset, *command, "--namespace", "b") == 0
    capsys.readouterr()
    assert call(bag, "check", both, "--namespace", "a", "--out", tmp_path / "out") == 0, (
        capsys.readouterr().out
    )
    capsys.readouterr()
    told = "--namespace aa: none of its topics is one of ours in /aa; they lie in a, b: --namespace a"
    for wrong in (
        lambda: call(bag, "check", both, "--namespace", "aa", "--out", tmp_path / "out"),
        lambda: call(bag, "info", both, "--namespace", "aa", "--out", tmp_path / "out"),
        lambda: call(dataset, *command, "--namespace", "aa"),
    ):
        assert wrong() == 2
        printed = capsys.readouterr()
        assert told in printed.err and "good" not in printed.out


def test_of_two_robots_the_one_that_is_meant_is_judged(
    make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other's microphone sends integers."""

    def twice(time: int, topic: str, kind: str, message: Any) -> list[object]:
        if topic.startswith("/"):
            return [(time, topic, kind, message)]
        loud = message
        if topic == "mic/audio":
            loud = dataclasses.replace(message, samples=message.samples * np.float32(32768))
        return [(time, f"/a/{topic}", kind, message), (time, f"/b/{topic}", kind, loud)]

    both = make_bag(plans=False, edit=twice)
    assert call(bag, "check", both, "--namespace", "a", "--out", tmp_path / "out") == 0, (
        capsys.readouterr().out
    )
    capsys.readouterr()
    assert call(bag, "check", both, "--namespace", "b", "--out", tmp_path / "out") == 1
    assert "error: /b/mic/audio: samples up to" in capsys.readouterr().out


def test_without_a_terminal_record_needs_a_maximum(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert call(record, "--name", "x") == 2
    assert "--max-duration is required where there is no terminal" in capsys.readouterr().err


@pytest.mark.parametrize("metadata", ["split: foo", "[1]"])
def test_record_refuses_metadata_before_it_looks_for_a_recorder(
    capsys: pytest.CaptureFixture[str], metadata: str
) -> None:
    assert call(record, "--max-duration", "1", "--metadata", metadata) == 2
    assert "metadata_yaml" in capsys.readouterr().err
