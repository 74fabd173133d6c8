"""What the metadata of a session hold of the robot."""

from __future__ import annotations

from pathlib import Path

import pytest

from foley_common.robot_file import RobotFile
from foley_perception.dataset import schema
from foley_perception.recording.errors import BagError
from foley_perception.recording.session import (
    KNOWN_VALUES,
    load_session,
    recorded_robot,
    session_metadata,
    unknown_values,
)

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


def test_a_split_or_domain_that_no_data_set_knows_is_refused() -> None:
    assert KNOWN_VALUES == {"split": schema.SPLITS, "domain": schema.DOMAINS}
    for given in ("foo", "Train", "[train]", "7"):
        with pytest.raises(
            BagError, match=r"metadata_yaml: split is `.*`, known are train, .*test_seen; name"
        ):
            metadata(extra_yaml=f"{{scene_id: bench, split: {given}}}")
    with pytest.raises(
        BagError, match=r"split is `foo`.*domain is `moon`, .* leave `split` and `domain` out"
    ):
        metadata(extra_yaml="{domain: moon, split: foo}")
    for split in schema.SPLITS:
        assert metadata(extra_yaml=f"{{split: {split}, domain: real}}")["split"] == split
    for none in ("''", "null", ""):
        stored = metadata(extra_yaml=f"{{split: {none}, domain: {none}, task: null}}")
        assert not stored.get("split") and not stored.get("domain") and stored["task"] == "null"
        assert unknown_values(load_session(stored)) == {}


def test_a_hand_file_is_kept_by_its_whole_path(tmp_path: Path) -> None:
    (tmp_path / "robot.yaml").write_text("hand: mine.yaml")
    kept = RobotFile.read(tmp_path / "robot.yaml").kept
    assert RobotFile.parse(kept).hand == str(tmp_path.resolve() / "mine.yaml")


@pytest.mark.parametrize(
    "text", ["day: 2026-13-45", "{a: !!int x}", "{a: !!bool x}", "{a: !!timestamp x}", "[" * 3000]
)
def test_text_that_yaml_cannot_make_anything_of_is_refused(text: str) -> None:
    with pytest.raises(BagError, match="metadata_yaml is not YAML"):
        metadata(extra_yaml=text)
