"""Latencies in a robot's file; the rest stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from foley_common.robot_file import Latency, RobotFile, RobotFileError
from foley_perception.latency.robot_section import write_latencies

FOUND = {"wrench": Latency(0.004, 0.0003), "camera": Latency(-0.021, 0.002)}


@pytest.mark.parametrize(
    "text",
    [
        "# mine\nname: r1\nhand: panda  # a hand\n",
        "name: r1\nlatencies: {arm: {seconds: 0.01}}  # old\n\n# a hand\nhand: panda",
        "# mine\nlatencies:\n  arm:\n    seconds: 0.01\n  wrench: {seconds: 0.3, std: 0.1}\n"
        "# a hand\nhand: panda\nname: r1\n",
    ],
)
def test_the_section_is_written_and_comments_stay(tmp_path: Path, text: str) -> None:
    file = tmp_path / "robot.yaml"
    file.write_text(text)
    write_latencies(file, FOUND)
    robot = RobotFile.read(file)
    arm = {"arm": Latency(0.01)} if "arm" in text else {}
    assert robot.latencies == {**arm, **FOUND} and (robot.name, robot.hand) == ("r1", "panda")
    assert "# a hand" in file.read_text() and ("# mine" in file.read_text()) == ("# mine" in text)
    assert file.read_text().count("latencies:") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["robot.yaml"]


def test_a_file_in_one_line_is_written_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "robot.yaml"
    file.write_text("{name: r1, hand: panda}\n")
    write_latencies(file, FOUND)
    assert RobotFile.read(file).latencies == FOUND and RobotFile.read(file).hand == "panda"
    file.write_text("nmae: r1\n")
    with pytest.raises(RobotFileError, match="nmae"):
        write_latencies(file, FOUND)
    assert file.read_text() == "nmae: r1\n"


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "robots").mkdir()
    file, link = tmp_path / "robots" / "r1.yaml", tmp_path / "robot.yaml"
    file.write_text("name: r1\n")
    link.symlink_to(file)
    write_latencies(link, FOUND)
    assert link.is_symlink() and RobotFile.read(file).latencies == FOUND
