"""A recording as a session: motion, sound and contacts on one grid, and the surface of its depth."""

from __future__ import annotations

import argparse
import copy
import dataclasses
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foley_common.session_file import read_session
from foley_perception.action.contact_motion import contact_motion, tip_heights
from foley_perception.action.contact_onsets import surface_contacts
from foley_perception.action.gripper import GripperHand
from foley_perception.commands import dataset as command
from foley_perception.config_files import find_config
from foley_perception.dataset import session
from foley_perception.dataset.schema import DatasetError
from foley_perception.dataset.session import _told, session_of
from foley_perception.episodes.reader import read_episode
from foley_perception.geometry.height_map import HeightMap
from foley_perception.geometry.se3 import SE3
from foley_perception.recording.labels import Pause

HAND = GripperHand.from_yaml("parallel_gripper")
TOP = 0.05  # of what is tapped at (0.05, 0), under a camera 1 m above the table


def put_depth(bag: Any) -> None:
    """A block on a table, as 16UC1, with a hand above it in one of three images."""
    for k in range(6):
        image = np.full((60, 80), 1000, np.uint16)
        image[20:40, 33:54] = round(1000 * (1 - TOP))
        if k == 2:
            image[25:35, 38:48] = 700
        stamp = bag.header(bag.options.start_ns + round(k * 0.5e9), "camera_optical")
        data = np.frombuffer(image.astype("<u2").tobytes(), np.uint8)
        kind = "sensor_msgs/msg/Image"
        message = bag.new(kind, stamp, 60, 80, "16UC1", 0, 160, data)
        bag.put(k * 0.5 + 0.01, "camera/depth/image_raw", kind, message)


def test_a_recording_becomes_a_session(make_bag: Callable[..., Path]) -> None:
    episode = read_episode(make_bag(tool_plans=True, more=put_depth))
    session = session_of(episode, HAND)
    assert session.facts["split"] == "train" and session.facts["scene_id"] == "bench-1"
    assert session.sound_rate == 16_000 and session.duration_s == pytest.approx(4.0, abs=0.02)
    origin = (session.facts["start_ns"] - episode.start_ns) / 1e9
    contacts = np.array([1.0, 2.0, 3.0]) - origin
    np.testing.assert_allclose(session.contact_s, contacts, atol=1e-4)
    # Each contact sounds where it is.
    for time in contacts:
        around = np.abs(
            session.sound[round((time - 0.1) * 16_000) : round((time + 0.1) * 16_000)].astype(int)
        )
        assert np.flatnonzero(around > 0.5 * around.max())[0] / 16_000 == pytest.approx(0.1, abs=0.01)
    times = np.arange(len(session.executed_pose)) / 125 + origin
    height = np.minimum(0.1, 0.4 * np.abs(times[:, None] - [1.0, 2.0, 3.0]).min(axis=1))
    for poses in (session.executed_pose, session.planned_pose):
        inside = (times > 0.6) & (times < 3.4)
        np.testing.assert_allclose(poses[inside, 2], (TOP + 0.16 + height)[inside], atol=4e-3)
        np.testing.assert_allclose(poses[:, :2], [[0.05, 0.0]] * len(poses), atol=1e-6)
    np.testing.assert_allclose(session.planned_width, 0.02, atol=1e-6)
    assert session.wrench[:, 2].max() == pytest.approx(20.0) and session.tool_tip[2] == np.float32(0.16)
    # The scene tells no object's size: contacts are of the table.
    assert session.facts["objects"] == [] and set(session.contact_object.tolist()) == {-1}
    # The surface is what the depth shows without the hand, and the tip comes down to it when it sounds.
    surface = HeightMap.from_points(session.points(), cell=0.013)
    assert surface.height([0.05, 0.0]) == pytest.approx(TOP, abs=1e-3)
    assert surface.height([-0.1, 0.0]) == pytest.approx(0.0, abs=1e-3)
    poses = SE3(session.planned_pose[:, 3:].astype(float), session.planned_pose[:, :3].astype(float))
    motion = contact_motion(poses, session.planned_width, episode.tx_tool_tip, surface)
    found = surface_contacts(tip_heights(motion.values) - 0.004)
    np.testing.assert_allclose(found, contacts - 0.01, atol=5e-3)


def test_objects_that_are_told_are_those_of_contacts_and_points_may_be_given(
    make_bag: Callable[..., Path],
) -> None:
    def with_sizes(arrival: int, topic: str, kind: str, message: Any) -> list[Any]:
        if topic.endswith("sim/scene"):
            message.data = message.data.replace(
                "- hollowness", "- size: [0.1, 0.1, 0.05]\n  position: [0.05, 0.0, 0.025]\n  hollowness"
            )
        return [(arrival, topic, kind, message)]

    episode = read_episode(make_bag(edit=with_sizes, plans=False, seconds=2.0, contact_times=(1.0,)))
    session = session_of(episode, HAND, surface=np.array([[0.1, 0.2, 0.03], [9.0, 0, 0], [np.nan, 0, 0]]))
    assert [o["material"] for o in session.facts["objects"]] == ["wood"]
    assert set(session.contact_object.tolist()) == {0}
    np.testing.assert_allclose(session.points(), [[0.1, 0.2, 0.03]], atol=1e-4)
    # Nothing was planned.
    assert np.isnan(session.planned_pose).all() and np.isnan(session.planned_width).all()


@pytest.mark.parametrize("size", [0.1, None, [0.1, 0.1], [0.1, 0.1, float("nan")], [0.1, 0.1, "x"], "abc"])
def test_an_object_without_three_sizes_is_not_told(size: object) -> None:
    told = {"size": [0.1, 0.1, 0.05], "position": [0.0, 0.0, 0.0]}
    assert _told(told) and not _told(told | {"size": size}) and not _told(None)


def test_without_split_or_poses_there_is_no_session(make_bag: Callable[..., Path]) -> None:
    episode = read_episode(make_bag(scene=False, split="", seconds=2.0, contact_times=(1.0,)))
    with pytest.raises(DatasetError, match="names no split"):
        session_of(episode, HAND)
    assert session_of(episode, HAND, split="test").facts["split"] == "test"
    with pytest.raises(DatasetError, match="needs sound and ee_pose"):
        session_of(read_episode(make_bag("person", person=True, seconds=2.0, contact_times=(1.0,))), HAND)


def test_the_command_writes_a_file_a_bag_and_keeps_what_is_there(
    make_bag: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> int:
        parser = argparse.ArgumentParser()
        command.configure(parser)
        return command.run(parser.parse_args(["sessions", *words]))

    bag, person = (
        make_bag("one", seconds=2.0, contact_times=(1.0,)),
        make_bag("person", person=True, seconds=2.0, contact_times=(1.0,), session_id="p"),
    )
    out = tmp_path / "sessions"
    assert run(str(bag), str(person), "--out", str(out)) == 2
    assert "needs sound and ee_pose" in capsys.readouterr().err
    stamp = (out / "one.npz").stat().st_mtime_ns
    assert run(str(bag), str(person), "--out", str(out), "--skip-bad") == 0
    assert "left out person" in capsys.readouterr().out
    assert [p.name for p in out.iterdir()] == ["one.npz"]
    assert (out / "one.npz").stat().st_mtime_ns == stamp
    assert run(str(bag), "--out", str(out), "--split", "test") == 0, "another split is another session"
    assert (out / "one.npz").stat().st_mtime_ns != stamp
    # Another recording of the same name does not pass for it, nor the same one under another name for another.
    other = make_bag("more/one", seconds=2.0, contact_times=(1.0,), session_id="s2")
    assert run(str(other), "--out", str(out)) == 2
    assert "holds the session `s1`" in capsys.readouterr().err
    shutil.copytree(bag, tmp_path / "copy")
    assert run(str(tmp_path / "copy"), "--out", str(out)) == 2
    assert "its session `s1` lies in" in capsys.readouterr().err
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/one.npz").write_bytes(b"of somebody")
    assert run(str(bag), "--out", str(tmp_path / "foreign")) == 2
    assert "is no session of a recording" in capsys.readouterr().err
    assert (tmp_path / "foreign/one.npz").read_bytes() == b"of somebody"
    assert run(str(bag), "--out", str(out / "one.npz")) == 2
    assert "is a file" in capsys.readouterr().err
    assert read_session(out / "one.npz").facts["session_id"] == "s1"
    assert run(str(bag), "--out", str(out), "--split", "tset") == 2


def test_a_recording_that_was_paused_is_a_session_between_pauses(
    make_bag: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = make_bag("one", more=put_depth)
    whole = read_episode(bag)
    at = [whole.start_ns + round(s * 1e9) for s in (1.3, 1.7, 2.2, 2.8)]
    paused = dataclasses.replace(whole, pauses=(Pause(at[0], at[1]), Pause(at[2], at[3])))
    with pytest.raises(DatasetError, match="the recording was paused"):
        session_of(paused, HAND)
    monkeypatch.setattr(session, "read_episode", lambda *args, **options: paused)
    for _ in range(2):  # what is there is kept, and named
        made = session.write_sessions([bag], tmp_path / "out", HAND)
        assert [p.name for p in made.paths] == ["one.npz", "one+2.npz"] and not made.left_out
    assert made.kept == 1
    # Where one is gone all are made anew; another recording's file of a like name is nobody's stretch.
    made.paths[1].unlink()
    other = make_bag("one.2", seconds=2.0, contact_times=(1.0,), session_id="s2")
    foreign = tmp_path / "out/one+3.npz"
    foreign.write_bytes(b"of somebody")
    with pytest.raises(DatasetError, match=r"one\+3\.npz: is there, and is no session"):
        session.write_sessions([bag], tmp_path / "out", HAND)
    foreign.unlink()
    assert session.write_sessions([bag], tmp_path / "out", HAND).kept == 0 and made.paths[1].exists()
    monkeypatch.undo()
    again = session.write_sessions([other], tmp_path / "out", HAND)
    assert [p.name for p in again.paths] == ["one.2.npz"] and made.paths[1].exists()
    first, last = (read_session(path) for path in made.paths)
    # Between the pauses lies less than a second.
    assert first.facts["start_ns"] + first.duration_s * 1e9 == pytest.approx(at[0], abs=1e7)
    assert last.facts["start_ns"] == at[3]
    assert [len(s.contact_s) for s in (first, last)] == [1, 1] and not last.facts["sound_missing_s"]
    assert last.contact_s[0] == pytest.approx(0.2, abs=1e-3)
    assert len(first.points()) and not len(last.points()), "the last picture is from before the pause"


def test_bags_of_one_folder_name_and_without_a_session_are_two(
    make_bag: Callable[..., Path], tmp_path: Path
) -> None:
    bags = [make_bag(f"{day}/run", seconds=2.0, contact_times=(1.0,), session_id="") for day in ("mo", "tu")]
    for kept in (0, 2):
        made = session.write_sessions(bags, tmp_path / "out", HAND)
        assert len(set(made.paths)) == 2 and made.kept == kept
    ids = {read_session(path).facts["session_id"] for path in made.paths}
    assert len(ids) == 2


def test_another_gripper_in_the_robots_file_makes_another_session(
    make_bag: Callable[..., Path], tmp_path: Path
) -> None:
    hand = tmp_path / "mine.yaml"
    text = find_config("hands", "parallel_gripper").read_text()
    hand.write_text(text)
    bag = make_bag("one", seconds=2.0, contact_times=(1.0,), robot=f"version: 1\nhand: {hand}\n")
    made = [session.write_sessions([bag], tmp_path / "out", None).kept for _ in range(2)]
    hand.write_text(text.replace("default: 0.01", "default: 0.02"))
    made += [session.write_sessions([bag], tmp_path / "out", None).kept for _ in range(2)]
    assert made == [0, 1, 0, 1]


@pytest.mark.parametrize("placed", [True, False])
def test_forces_of_a_sensor_come_to_the_tool(make_bag: Callable[..., Path], placed: bool) -> None:
    """The sensor's z is the tool's y, as tf says; where it does not, only the strength is known."""

    def from_sensor(time_s: float, topic: str, kind: str, message: Any) -> list[Any]:
        if topic.endswith("wrench"):
            message.header.frame_id = "ft_sensor"
        if topic.endswith("tf_static") and placed:
            sensor = copy.deepcopy(message.transforms[0])
            sensor.header.frame_id, sensor.child_frame_id = "tool", "ft_sensor"
            t, q = sensor.transform.translation, sensor.transform.rotation
            t.x = t.y = t.z = q.y = q.z = 0.0
            q.x, q.w = -math.sqrt(0.5), math.sqrt(0.5)
            message.transforms = [*message.transforms, sensor]
        return [(time_s, topic, kind, message)]

    episode = read_episode(make_bag(edit=from_sensor, more=put_depth))
    session, (_, force) = session_of(episode, HAND), episode.force
    assert np.nanmax(force) == pytest.approx(20.0)
    if placed:
        assert session.wrench[:, 1].max() == pytest.approx(20.0) and np.abs(session.wrench[:, 2]).max() < 1e-5
        assert not [f for f in episode.findings if f.rule == "wrench_unplaced"]
    else:
        assert np.isnan(session.wrench).all()
        (told,) = [f for f in episode.findings if f.rule == "wrench_unplaced"]
        assert "ft_sensor" in told.text and "tool" in told.text
