"""A robot of another shape in a bag: its file is proposed, reads it, and is held against it."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foley_common.robot_file import RobotFile
from foley_perception.commands import robot as command
from foley_perception.episodes import read_episode
from foley_perception.robot import facts
from foley_perception.robot.judged import judge
from foley_perception.robot.proposal import SeveralRobots, propose, text_of
from foley_perception.robot.seen import SeenTopic
from foley_perception.robot.watch import watch_bag

MakeBag = Callable[..., Path]
NAMES = {
    "mic/audio": "/respeaker/sound",
    "camera/image_raw": "/wrist/color/image_raw",
    "camera/camera_info": "/wrist/color/camera_info",
    "camera/depth/image_raw": "/wrist/aligned_depth_to_color/image_raw",
    "ee_pose": "/arm/tcp_pose",
    "joint_states": "/arm/joint_states",
    "wrench": "/ft_sensor/wrench",
    "robot_description": "/arm/robot_description",
}


def renamed(time: int, topic: str, kind: str, message: Any) -> list[Any]:
    """Other names, for topics and frames."""
    swap = {"world": "base_link", "tool": "tcp"}
    if hasattr(message, "header"):
        message.header.frame_id = swap.get(message.header.frame_id, message.header.frame_id)
    for transform in getattr(message, "transforms", []):
        transform.header.frame_id = swap.get(transform.header.frame_id, transform.header.frame_id)
        transform.child_frame_id = swap.get(transform.child_frame_id, transform.child_frame_id)
    return [(time, NAMES.get(topic, topic), kind, message)]


@pytest.fixture
def foreign(make_bag: MakeBag) -> Path:
    return make_bag("theirs", plans=False, edit=renamed)


def run(*words: object) -> int:
    import argparse

    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def test_from_init_to_an_episode(foreign: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "robot.yaml", tmp_path / "out"
    assert run("init", foreign, "--out", file) == 0
    robot = RobotFile.read(file)
    assert robot.topic_map["mic/audio"] == "/respeaker/sound"
    assert robot.topic_map["ee_pose"] == "/arm/tcp_pose"
    assert robot.topic_map["camera/image_raw"] == "/wrist/color/image_raw"
    assert (robot.frames.fixed, robot.frames.tip) == ("base_link", "tip")
    assert robot.sound["microphone"].sample_rate == 48000
    episode = read_episode(foreign, mapping=robot.topic_map, robot=robot)
    assert episode.audio is not None and episode.frames is not None and episode.ee_pose is not None
    assert run("check", file, foreign, "--metrics", out) == 0, capsys.readouterr().out
    figures = json.loads((out / "metrics.json").read_text())
    assert figures["problems"] == 0 and figures["topics"]["microphone"]["topic"] == "/respeaker/sound"
    assert figures["topics"]["microphone"]["rate_hz"] == pytest.approx(100, rel=0.05)
    assert run("init", foreign, "--out", file) == 2
    assert "exists; name another file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("/respeaker/sound", "/respeaker/sond"),
            "nobody publishes it; of its type there are /respeaker/sound",
        ),
        (
            ("sample_rate: 48000", "sample_rate: 44100"),
            "has 48000 Hz, the file says 44100: write sample_rate: 48000",
        ),
        (("channel: 0", "channel: 1"), "channels, the file names channel 1 (from 0)"),
        (("fixed: base_link", "fixed: base"), "frames.fixed: nobody knows `base`"),
        (("limits: {}", "limits: {wrench: {min_rate_hz: 5000}}"), "Hz, at least 5000 Hz are needed"),
        (("limits: {}", "limits: {camera: {max_gap_s: 0.001}}"), "0.001 s are allowed"),
        (
            ("wrench: /ft_sensor/wrench", "wrench: /arm/tcp_pose2"),
            "nobody publishes it; of its type there are /ft",
        ),
    ],
)
def test_what_is_odd_is_said(foreign: Path, tmp_path: Path, change: tuple[str, str], said: str) -> None:
    text = text_of(propose(watch_bag(foreign).seen))
    assert change[0] in text
    file = tmp_path / "robot.yaml"
    file.write_text(text.replace(*change))
    assert run("check", file, foreign, "--metrics", tmp_path) == 1
    told = [entry["text"] for entry in json.loads((tmp_path / "metrics.json").read_text())["said"]]
    assert any(said in text for text in told), told


def test_what_is_not_there_is_told_with_the_cure(
    make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left = ("mic/audio", "ee_pose", "/tf", "/tf_static", "robot_description")
    bag = make_bag(plans=False, edit=lambda t, n, k, m: [] if n in left else renamed(t, n, k, m))
    file = tmp_path / "robot.yaml"
    assert run("init", bag, "--out", file) == 1
    printed, text = capsys.readouterr().out, file.read_text()
    assert "missing: microphone: nothing of its type is published; start the microphone's driver" in printed
    assert "missing: ee_pose: neither a pose of the tool, nor joint_states with robot_description" in printed
    assert "# microphone:  # not found: nothing of its type" in text
    assert "# tool:  # not found: no frame is called like a tool" in text
    assert "mic/audio" not in RobotFile.read(file).topic_map
    assert run("check", file, bag, "--metrics", tmp_path) == 1
    assert "no pose of the tool" in capsys.readouterr().out


def test_of_several_robots_one_is_to_be_named(make_bag: MakeBag) -> None:
    def both(time: int, topic: str, kind: str, message: Any) -> list[Any]:
        if topic.startswith("/tf"):
            return [(time, topic, kind, message)]
        return [(time, f"/{side}/{topic}", kind, message) for side in ("one", "two")]

    watched = watch_bag(make_bag(plans=False, edit=both))
    with pytest.raises(SeveralRobots, match="several robots: one, two; say which is meant: --namespace one"):
        propose(watched.seen)
    with pytest.raises(SeveralRobots, match="nothing is published below /three; there is one, two"):
        propose(watched.seen, "three")
    robot = RobotFile.parse(text_of(propose(watched.seen, "two")))
    assert robot.namespace == "two" and robot.topic_map["mic/audio"] == "/two/mic/audio"
    assert all(topic.startswith(("/two/", "/tf")) for topic in robot.topic_map.values())


def test_what_a_recorder_was_only_ready_for_is_not_there(foreign: Path) -> None:
    """A recorder lists its topics, also those that nobody published."""
    watched = watch_bag(foreign)
    listed = tuple(
        SeenTopic(name, kind)
        for name, kind in (
            ("/contact_mic/audio", facts.OWN_AUDIO),
            ("/left/ee_pose", facts.POSE),
            ("/planned_joint_trajectory", facts.JOINT_PLAN),
        )
    )
    both = dataclasses.replace(watched.seen, topics=(*watched.seen.topics, *listed))
    text = text_of(propose(watched.seen))
    assert text_of(propose(both)) == text
    robot = RobotFile.parse(text)
    assert judge(robot, dataclasses.replace(watched, seen=both)) == judge(robot, watched)
    # Live, and where the file names it, silence is told.
    live = dataclasses.replace(watched, seen=dataclasses.replace(both, live=True))
    assert any("/contact_mic/audio: no message" in one.text for one in judge(robot, live).said)
    named = dataclasses.replace(
        robot, topic_map={**robot.topic_map, "contact_mic/audio": "/contact_mic/audio"}
    )
    silent = judge(named, dataclasses.replace(watched, seen=both))
    assert any("/contact_mic/audio: no message" in one.text for one in silent.said)


def test_the_frame_of_the_pose_is_found_in_tf(make_bag: MakeBag) -> None:
    watched = watch_bag(make_bag("moving", plans=False, base="moving"))
    assert isinstance(watched.frames_at_pose("/ee_pose"), list)
    assert watched.frames_at_pose("/nothing") == []


def test_where_nothing_has_a_role_no_file_is_written(
    make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = make_bag(plans=False, edit=lambda t, n, k, m: [(t, n, k, m)] if n == "contacts" else [])
    assert run("init", bag, "--out", tmp_path / "robot.yaml") == 2
    assert (
        "nothing that could have a role" in capsys.readouterr().err and not (tmp_path / "robot.yaml").exists()
    )


def test_a_latency_of_the_file_makes_messages_older(foreign: Path, tmp_path: Path) -> None:
    """Stamps are later than what they tell of: it happened that much earlier."""
    file = tmp_path / "robot.yaml"
    text = text_of(propose(watch_bag(foreign).seen))
    lags = []
    for section in ("latencies: {}", "latencies: {wrench: {seconds: 0.25}}"):
        file.write_text(text.replace("latencies: {}", section))
        assert run("check", file, foreign, "--metrics", tmp_path) == 0
        lags.append(json.loads((tmp_path / "metrics.json").read_text())["topics"]["wrench"]["lag_median_s"])
    assert lags[1] - lags[0] == pytest.approx(0.25)


@pytest.mark.parametrize("by", ["AudioInfo", "the file", "nobody"])
def test_sound_without_a_format_is_good_where_somebody_describes_it(make_bag: MakeBag, by: str) -> None:
    data, info = "audio_common_msgs/msg/AudioData", "audio_common_msgs/msg/AudioInfo"
    types: dict[str, Any] = {}

    def begin(bag: Any) -> None:
        from rosbags.typesys import get_types_from_msg

        bag.store = copy.deepcopy(bag.store)
        fields = (
            "uint8 channels\nuint32 sample_rate\nstring sample_format\nuint32 bitrate\nstring coding_format\n"
        )
        for name, text in ((data, "uint8[] data\n"), (info, fields)):
            bag.store.register(get_types_from_msg(text, name))
        types.update(bag.store.types)

    told: list[Any] = []

    def edit(arrival: int, topic: str, kind: str, message: Any) -> list[Any]:
        if topic != "mic/audio":
            return [(arrival, topic, kind, message)]
        samples = np.frombuffer(np.round(message.samples * 32767).astype("<i2").tobytes(), np.uint8)
        if by == "AudioInfo" and not told:
            told.append((arrival, "mic/audio_info", info, types[info](1, 48_000, "S16LE", 0, "wave")))
            return [*told, (arrival, topic, data, types[data](samples))]
        return [(arrival, topic, data, types[data](samples))]

    watched = watch_bag(make_bag("described", seconds=3.0, plans=False, edit=edit, more=begin))
    raw = ", raw: {coding: S16LE, sample_rate: 48000, channels: 1}" if by == "the file" else ""
    robot = RobotFile.parse(f"sound: {{microphone: {{sample_rate: 48000{raw}}}}}")
    about = [one.text for one in judge(robot, watched).said if "/mic/audio" in one.text]
    wrong = [text for text in about if "does not tell its rate" in text or "nobody says" in text]
    assert bool(wrong) == (by == "nobody"), about
