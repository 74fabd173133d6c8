"""A robot's file: what is read, what is refused and how, and that it is written as it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from foley_common.audio_formats import HIGHEST_HZ, LOWEST_HZ, MOST_CHANNELS
from foley_common.foreign_audio import raw_formats
from foley_common.robot_file import (
    CODINGS,
    LATENCY_KEYS,
    RAW_CHANNELS,
    RAW_RATES,
    CameraUse,
    Frames,
    Latency,
    RawSound,
    RobotFile,
    RobotFileError,
    Sound,
)

WHOLE = """\
version: 1
name: ur5e
namespace: /left_arm/
topics:
  microphone: /audio
  camera/image_raw: wrist/color/image_raw
frames: {fixed: base_link, tool: tool0, tip: ""}
hand: hands/mine.yaml
gripper_joint: finger
sound:
  microphone: {sample_rate: 44100, channel: 1, raw: {coding: S16LE, sample_rate: 8000, channels: 2}}
  contact_microphone: {device: "USB Audio"}
cameras: {camera: {transport: compressed}}
latencies:
  microphone: {seconds: 0.012, std: 0.0004}
  wrench: {seconds: -0.003}
limits:
  wrench: {min_rate_hz: 100, max_gap_s: 0.2}
"""


def test_a_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "robot.yaml"
    file.write_text(WHOLE)
    robot = RobotFile.read(file)
    assert (robot.name, robot.namespace, robot.gripper_joint) == ("ur5e", "left_arm", "finger")
    assert robot.topic_map == {"mic/audio": "/audio", "camera/image_raw": "/wrist/color/image_raw"}
    assert robot.frames == Frames("base_link", "tool0", "")
    assert robot.sound["microphone"] == Sound(44100, 1, "", RawSound("S16LE", 8000, 2))
    assert robot.sound["contact_microphone"] == Sound(0, 0, "USB Audio", None)
    assert robot.cameras == {"camera": CameraUse("compressed")}
    assert robot.latencies == {"microphone": Latency(0.012, 0.0004), "wrench": Latency(-0.003)}
    assert robot.limits["wrench"].min_rate_hz == 100.0 and robot.limits["wrench"].max_gap_s == 0.2
    assert robot.hand_path == str(tmp_path.resolve() / "hands/mine.yaml")  # from the file's folder
    file.write_text("sound: {microphone: {own_noise: ../noise.npz}}")
    heard = RobotFile.read(file)
    assert heard.own_noise_path("microphone") == str(tmp_path.resolve().parent / "noise.npz")
    assert RobotFile.parse(heard.kept).own_noise_path("microphone") == heard.own_noise_path("microphone")
    assert RobotFile.parse("hand: panda").hand_path == "panda"


def test_it_is_written_as_it_is_read() -> None:
    robot = RobotFile.parse(WHOLE)
    again = RobotFile.parse(robot.text())
    assert again.content() == robot.content()
    assert (again.topic_map, again.sound, again.latencies) == (
        robot.topic_map,
        robot.sound,
        robot.latencies,
    )
    assert "null" not in robot.text() and "nan" not in robot.text()


@pytest.mark.parametrize("text", ["", "# nothing\n", "topics: {}\n", "topics:\n", "sound: {microphone: }\n"])
def test_everything_may_be_left_out(text: str) -> None:
    robot = RobotFile.parse(text)
    assert robot.topic_map == {} and robot.frames == Frames() and robot.latencies == {}


def test_a_map_file_is_one() -> None:
    assert RobotFile.parse("topics: {mic/audio: /robot/mic}").topic_map == {"mic/audio": "/robot/mic"}


def test_latencies_are_of_devices_and_force_sensors() -> None:
    assert {"microphone", "contact_microphone", "camera", "arm", "wrench"} <= set(LATENCY_KEYS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("topcis: {}", "robot.yaml:1: `topcis` is not known; is topics meant?"),
        ("[1, 2]", "robot.yaml: is a list, expected a mapping of version, name"),
        ("a: [", "robot.yaml: not YAML ("),
        ("version: 2", "robot.yaml:1: `version` is 2, this Foley reads 1"),
        ("topics: {mic/audoi: /a}", "no topic of Foley is called `mic/audoi`; is `mic/audio`"),
        ("topics: {mic/audio: 3}", "`topics` holds 'mic/audio': 3"),
        ("frames:\n  fixed: base\n  tol: tool0", "robot.yaml:3: `frames.tol` is not known; is tool"),
        ("frames: {fixed: /base}", "`frames.fixed` is `/base`: a frame's name as /tf has it"),
        ("frames: {tool: 7}", "`frames.tool` is 7 (int), expected a text; put it in quotes"),
        ("namespace: left-arm", "`namespace` is `left-arm`: letters, digits"),
        ("sound: {mic: {}}", "`sound.mic` is not known; is microphone"),
        ("sound: {microphone: {sample_rate: 44.1}}", "is 44.1 (float), expected a whole number"),
        ("sound: {microphone: {channel: -1}}", "`sound.microphone.channel` is -1, must lie in [0"),
        ("latencies: {arm: {seconds: 1" + "0" * 400 + "}}", "expected a finite number"),
        ("a: &a {b: *a}", "an entry stands within itself"),
        ("sound: {microphone: {raw: {sample_rate: 100}}}", "is 100, must lie in [4000, 1000000]"),
        ("sound: {microphone: {raw: {channels: 65}}}", "is 65, must lie in [1, 64]"),
        ("sound: {microphone: {raw: {coding: S15LE}}}", "is `S15LE`, known are S8, U8, S16LE"),
        ("cameras: {camera: {transport: theora}}", "is `theora`, known are auto, raw, compressed"),
        ("latencies: {microphone: 0.01}", "is 0.01 (float), expected a mapping of seconds, std"),
        ("latencies: {microphone: {std: 0.01}}", "`latencies.microphone` has no `seconds`"),
        ("latencies: {microphone: {seconds: 12}}", "is 12 s; no device is that late: is it in milli"),
        ("latencies: {arm: {seconds: .nan}}", "`latencies.arm.seconds` is nan (float), expected a finite"),
        ("latencies: {arm: {seconds: 0.1, std: -1}}", "`latencies.arm.std` is -1 s, must lie in [0, 10]"),
        ("limits: {wrench: {min_rate_hz: -1}}", "`limits.wrench.min_rate_hz` is -1, must not be negative"),
        ("hand: a\nhand: b", "robot.yaml:2: `hand` stands in line 1 too; leave one out"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(RobotFileError) as refused:
        RobotFile.parse(text, "robot.yaml")
    assert str(refused.value).startswith("robot.yaml") and said in str(refused.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RobotFileError, match=r"none\.yaml: cannot be read"):
        RobotFile.read(tmp_path / "none.yaml")
    (tmp_path / "odd.yaml").write_bytes(b"name: \xff")
    with pytest.raises(RobotFileError, match=r"odd\.yaml: not text in UTF-8"):
        RobotFile.read(tmp_path / "odd.yaml")


def test_what_a_file_says_of_raw_sound_can_be_decoded() -> None:
    assert RAW_RATES == (LOWEST_HZ, HIGHEST_HZ) and RAW_CHANNELS == (1, MOST_CHANNELS)
    assert {"S24BE", "S24_32LE", "U16LE"} <= set(CODINGS)
    for coding in CODINGS:
        robot = RobotFile.parse(f"sound: {{microphone: {{raw: {{coding: {coding}, sample_rate: 11025}}}}}}")
        form = raw_formats(robot.sound)["microphone"]
        assert (form.coding, form.sample_rate) == (coding, 11_025)
