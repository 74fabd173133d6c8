"""What the metadata of a session hold of the robot."""

from __future__ import annotations

from pathlib import Path

import pytest

from foley_common.robot_file import RobotFile
from foley_perception.recording.errors import BagError
from foley_perception.recording.session import load_session, recorded_robot, session_metadata

ROBOT = RobotFile.parse("{name: ur5e, frames: {tool: tool0}, latencies: {microphone: {seconds: 0.01}}}")


def metadata(**given: str) -> dict[str, str]:
    return session_metadata("s", start_ns=0, max_duration_s=1.0, **given)


def test_the_robots_file_is_kept_and_found() -> None:
    stored = metadata(robot=ROBOT.kept)
    robot, told = recorded_robot(load_session(stored))
    assert robot is not None and robot.content() == ROBOT.content() and told == []
    assert recorded_robot(load_session(metadata())) == (None, [])


def test_who_asks_for_the_recording_may_give_another_one() -> None:
    stored = metadata(robot=ROBOT.kept, extra_yaml="{scene_id: bench, robot_file: {frames: {tool: flange}}}")
    robot, _ = recorded_robot(load_session(stored))
    assert robot is not None and robot.frames.tool == "flange" and not robot.latencies
    assert stored["scene_id"] == "bench"
    with pytest.raises(BagError, match=r"metadata_yaml: robot_file.*`hnad` is not known"):
        metadata(extra_yaml="robot_file: {hnad: x}")


def test_what_cannot_be_read_is_told() -> None:
    robot, told = recorded_robot({"robot_file": "version: 7"})
    assert robot is None and "is 7, this Foley reads 1" in told[0] and "--robot FILE" in told[0]


def test_a_hand_file_is_kept_by_its_whole_path(tmp_path: Path) -> None:
    (tmp_path / "robot.yaml").write_text("hand: mine.yaml")
    kept = RobotFile.read(tmp_path / "robot.yaml").kept
    assert RobotFile.parse(kept).hand == str(tmp_path.resolve() / "mine.yaml")
