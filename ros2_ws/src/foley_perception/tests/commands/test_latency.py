"""`foley calibrate latency` as a user calls it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foley_common.robot_file import RobotFile
from foley_perception.commands import calibrate

MakeBag = Callable[..., Path]
TAPS = (1.0, 2.13, 3.4, 4.35, 5.61, 6.9)
LATE = {"mic/audio": 0.15, "wrench": 0.02, "ee_pose": 0.075}


def taps(arrival: int, topic: str, kind: str, message: Any) -> list[Any]:
    """The tip falls at 0.4 m/s, rests on the block for 40 ms and is lifted; devices are late."""
    if topic == "wrench":
        t = _second(message)
        pushed = any(0 <= t - c < 0.04 for c in TAPS)
        message.wrench.force.z = 4.0 * pushed + 0.01 * np.sin(1000 * t)
    elif topic == "ee_pose":
        t = _second(message)
        fallen = (min(0.1, 0.4 * max(c - t, 0.0) if t < c + 0.04 else 0.2 * (t - c - 0.04)) for c in TAPS)
        message.pose.position.z = 0.25 + min(fallen)
    if late := LATE.get(topic):
        stamp = message.header.stamp
        seconds, nanosec = divmod(stamp.sec * 10**9 + stamp.nanosec + round(late * 1e9), 10**9)
        stamp.sec, stamp.nanosec = seconds, nanosec
    return [(arrival, topic, kind, message)]


def _second(message: Any) -> float:
    stamp = message.header.stamp
    return float(stamp.sec % 1000 + stamp.nanosec / 1e9)


def call(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    calibrate.configure(parser)
    return int(calibrate.run(parser.parse_args([str(a) for a in arguments])))


def test_latencies_are_told_and_written(
    make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = make_bag(seconds=8.0, contact_times=TAPS, plans=False, edit=taps)
    robot = tmp_path / "robot.yaml"
    robot.write_text("# ours\nname: r1\nlatencies: {contact_microphone: {seconds: 0.5}}\n")
    code = call("latency", bag, "--robot", robot, "--write", "--metrics", tmp_path / "out", "--plot")
    said, warned = capsys.readouterr()
    assert "keeps contact_microphone as before" in warned
    found = RobotFile.read(robot).latencies
    assert found["wrench"].seconds == 0.0 and found["contact_microphone"].seconds == 0.5
    assert found["microphone"].seconds == pytest.approx(0.13, abs=0.002)
    assert found["arm"].seconds == pytest.approx(0.055, abs=0.003)
    assert 0 < found["microphone"].std < 0.002 and 0 < found["arm"].std < 0.002
    assert code == 1 and "refused: camera: " in said, "its pictures show no tool"
    assert robot.read_text().startswith("# ours\n") and (tmp_path / "out" / "taps.png").stat().st_size > 1000
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert figures["reference"] == "wrench" and figures["taps"] == len(TAPS)
    assert figures["latencies"]["microphone"]["taps"] == len(TAPS) and "camera" in figures["refused"]

    assert call("latency", bag, "--reference", "microphone", "--metrics", tmp_path / "mic") == 1
    against = json.loads((tmp_path / "mic" / "metrics.json").read_text())["latencies"]
    assert against["wrench"]["seconds"] == pytest.approx(-0.13, abs=0.002)


def test_a_recording_without_taps_is_refused_with_the_cure(
    make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = make_bag(seconds=4.0, contact_times=(1.0,), plans=False)
    robot = tmp_path / "robot.yaml"
    robot.write_text("name: r1\n")
    assert call("latency", bag, "--write", robot, "--metrics", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert (
        "there are no taps in it" in said and "Record while the tool taps a hard thing 6 to 10 times" in said
    )
    assert robot.read_text() == "name: r1\n"
    assert call("latency", bag, "--write", "--metrics", tmp_path / "out") == 2
    assert "--write needs a file" in capsys.readouterr().err
    assert call("latency", bag, "--reference", "mic", "--metrics", tmp_path / "out") == 2
    assert "reference is `mic`, known are earliest, microphone" in capsys.readouterr().err
