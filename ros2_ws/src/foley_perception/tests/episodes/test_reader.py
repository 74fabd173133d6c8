"""Bags of all kinds as aligned arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from foley_perception.action.gripper import GripperHand
from foley_perception.episodes import EpisodeError, read_episode
from foley_perception.episodes.names import resolve
from foley_perception.episodes.planned_path import plan_for, planned_paths

MakeBag = Callable[..., Path]
HAND = GripperHand.from_yaml("parallel_gripper")
START = 1_800_000_000_000_000_000
S = 1_000_000_000


def times(*seconds: float) -> np.ndarray:
    return np.array([START + round(s * S) for s in seconds], dtype=np.int64)


@pytest.mark.parametrize("compression", [False, True])
def test_everything_is_there(make_bag: MakeBag, compression: bool) -> None:
    episode = read_episode(make_bag(compression=compression))
    assert episode.problems == () and episode.gaps == ()
    assert (episode.session_id, episode.scene_id, episode.split, episode.domain) == (
        "s1",
        "bench-1",
        "train",
        "sim",
    )
    assert episode.audio is not None and episode.audio.sample_rate == 48_000
    sound, known = episode.audio.slice(START + S - S // 100, 960, 48_000)
    assert known.all() and np.abs(sound[:470]).max() < 0.01 < 0.3 < np.abs(sound[480:540]).max()
    assert episode.frames is not None and len(episode.frames) == 120
    frame = episode.frames.read(7)
    assert frame.shape == (60, 80, 3) and frame.dtype == np.uint8 and int(frame[0, 0, 0]) == 7
    assert episode.camera is not None
    pixel, depth = episode.camera.project(np.array([0.0, 0.0, 0.05]))
    assert np.allclose(pixel, [39.5, 29.5]) and depth == pytest.approx(0.95)
    assert [c.object_id for c in episode.truth] == ["block-1"] * 3
    assert episode.object_properties("block-1", START)["material"] == "wood"
    assert episode.robot_description.startswith("<robot")


def test_motion_on_any_time(make_bag: MakeBag) -> None:
    episode = read_episode(make_bag())
    assert episode.ee_pose is not None and episode.wrench is not None and episode.joints is not None
    pose = episode.ee_pose.at(times(0.9, 1.001, 1.0))
    assert np.allclose(pose.translation[:, 2] - 0.21, [0.04, 0.0004, 0.0], atol=1e-9)
    assert np.isnan(episode.ee_pose.at(times(-1.0, 99.0)).translation).all()
    assert np.allclose(episode.tx_tool_tip.translation, [0, 0, 0.16])
    tip_times, tip = episode.tip_path
    assert np.allclose(tip[tip_times == START + S], [[0.05, 0.0, 0.05]], atol=1e-9)
    width = episode.gripper_width(HAND)
    assert width is not None and np.allclose(width[1], 0.02)
    assert episode.force is not None and episode.force[1].max() == pytest.approx(20.0)
    assert episode.joints.names == ("z", "gripper_width")
    assert np.isnan(episode.wrench.at(times(50.0))).all()


def test_plans_through_kinematics(make_bag: MakeBag) -> None:
    pytest.importorskip("pinocchio")
    episode = read_episode(make_bag())
    paths = planned_paths(episode, HAND).paths
    plan = plan_for(paths, episode.truth[1].time_ns)
    assert plan is not None
    (received_ns,) = (p.received_ns for p in paths if p.path is plan)
    assert received_ns < episode.truth[1].time_ns - S // 2
    at = int(np.argmin(plan.tip[:, 2]))
    assert abs(plan.times_ns[at] - episode.truth[1].time_ns) < 0.03 * S
    assert np.allclose(plan.tip[at], [0.05, 0.0, 0.05], atol=2e-3)
    assert np.allclose(plan.width, 0.02)
    assert plan_for(paths, START - 10 * S) is None


def test_plans_of_the_tool_where_there_are_no_joint_plans(make_bag: MakeBag) -> None:
    """Of a robot that plans Cartesian paths; no robot description is needed."""
    episode = read_episode(make_bag(tool_plans=True))
    assert not episode.joint_plans
    plan = plan_for(planned_paths(episode, HAND).paths, episode.truth[1].time_ns)
    assert plan is not None and plan.plan_id == "plan_1" and np.allclose(plan.width, 0.02)
    at = int(np.argmin(plan.tip[:, 2]))
    assert abs(plan.times_ns[at] - episode.truth[1].time_ns) < 0.03 * S
    assert np.allclose(plan.tip[at], [0.05, 0.0, 0.05], atol=2e-3)


# ---- sound -------------------------------------------------------------------------------------------------
def test_gaps_are_zeros_and_listed(make_bag: MakeBag) -> None:
    episode = read_episode(make_bag(audio_gap=(1.5, 2.0)))
    assert episode.audio is not None
    (gap,) = episode.gaps
    assert gap.start_ns - START == pytest.approx(1.5 * S, abs=2) and gap.seconds == pytest.approx(0.5)
    sound, known = episode.audio.slice(START + round(1.4 * S), 48_000, 48_000)
    assert np.count_nonzero(~known) == 24_000 and not sound[~known].any() and sound[known].any()
    assert known[: round(0.1 * 48_000)].all() and any("0.500 s of sound" in p for p in episode.problems)


def test_a_restarted_microphone_keeps_its_place(make_bag: MakeBag) -> None:
    episode = read_episode(make_bag(restart_at=1.5, audio_gap=(1.5, 1.7)))
    assert episode.audio is not None
    assert [s.stream_id for s in episode.audio.segments] == ["stream-a", "stream-b"]
    assert [round(g.seconds, 3) for g in episode.gaps] == [0.2]
    sound, known = episode.audio.slice(START + 2 * S - 480 * S // 48_000, 960, 48_000)
    assert known.all() and np.abs(sound[:470]).max() < 0.01 < np.abs(sound[480:540]).max()


def test_jitter_and_drift(make_bag: MakeBag) -> None:
    episode = read_episode(make_bag(seconds=20.0, audio_jitter_s=0.003, audio_drift_ppm=200.0))
    assert episode.audio is not None
    clock = episode.audio.segments[0].clock
    # The click at sample 3 s was captured at 3.0006 s by a clock that is 200 ppm slow.
    assert int(clock.time_ns(3 * 48_000)) - START == pytest.approx(3.0006 * S, abs=0.0005 * S)
    assert clock.drift_ppm(48_000) == pytest.approx(200, abs=25)


def test_44100_is_resampled(make_bag: MakeBag) -> None:
    episode = read_episode(make_bag(sample_rate=44_100))
    assert episode.audio is not None and episode.audio.sample_rate == 44_100
    sound, known = episode.audio.slice(START + round(1.75 * S), 48_000, 48_000)
    assert known.all()
    t = np.arange(4800) / 48_000
    click = 0.5 * np.exp(-60 * t) * np.sin(2 * np.pi * 1500 * t)
    assert np.corrcoef(sound[12_000:16_800], click)[0, 1] > 0.999
    assert np.abs(sound[:11_900]).max() < 0.01


# ---- what may be wrong -----------------------------------------------------------------------------------------
def test_nan_poses_are_dropped_and_counted(make_bag: MakeBag) -> None:
    episode = read_episode(make_bag(nan_poses=3))
    assert episode.ee_pose is not None and episode.ee_pose.dropped == 30
    assert np.isfinite(episode.ee_pose.poses.translation).all()
    assert any("/ee_pose: 30 of 1000 (first at 0.000 s) poses hold NaN" in p for p in episode.problems)
    assert np.isfinite(episode.ee_pose.at(times(1.602)).translation).all()


def test_all_nan_poses(make_bag: MakeBag) -> None:
    with pytest.raises(EpisodeError, match=r"/ee_pose: none of 1000 poses can be used"):
        read_episode(make_bag(nan_poses=100))


def test_wrong_encoding(make_bag: MakeBag) -> None:
    with pytest.raises(EpisodeError, match=r"/camera/image_raw: encoding is `hsv8`.*rgb8"):
        read_episode(make_bag(encoding="hsv8"))


def test_bgr_and_grey(make_bag: MakeBag) -> None:
    for encoding in ("bgr8", "mono8"):
        frames = read_episode(make_bag(encoding, encoding=encoding)).frames
        assert frames is not None and frames.read(3).shape == (60, 80, 3)


def test_wrong_type(make_bag: MakeBag) -> None:
    with pytest.raises(EpisodeError, match=r"/mic/audio has type std_msgs/msg/String, expected foley_msgs"):
        read_episode(make_bag(audio_type="std_msgs/msg/String"))


def test_truncated(make_bag: MakeBag) -> None:
    bag = make_bag()
    file = bag / "bag.mcap"
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    episode = read_episode(bag)
    assert any("foley bag recover" in p for p in episode.problems)
    assert episode.audio is not None and 1.0 < (episode.audio.end_ns - START) / S < 3.9


def test_without_metadata_and_single_file(make_bag: MakeBag) -> None:
    bag = make_bag()
    (bag / "metadata.yaml").unlink()
    assert len(read_episode(bag).truth) == 3
    assert read_episode(bag / "bag.mcap").session_id == "bag"


def test_nothing_there(make_bag: MakeBag, tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match="does not exist"):
        read_episode(tmp_path / "nowhere")
    with pytest.raises(EpisodeError, match=r"no \.mcap"):
        read_episode(tmp_path)
    (tmp_path / "text.mcap").write_text("this is not a bag at all")
    with pytest.raises(EpisodeError, match="not an MCAP file"):
        read_episode(tmp_path / "text.mcap")
    with pytest.raises(EpisodeError, match="no messages on contacts"):
        read_episode(make_bag(), require=("contacts",))


def test_namespaces(make_bag: MakeBag) -> None:
    assert len(read_episode(make_bag("one", namespace="/left")).truth) == 3
    assert read_episode(make_bag("two", namespace="/left"), namespace="left").audio is not None
    with pytest.raises(EpisodeError, match="none of its topics is one of ours in /right; they lie in left"):
        read_episode(make_bag("three", namespace="/left"), namespace="right")


@pytest.mark.parametrize(
    ("topics", "chosen"),
    [
        (("/ee_pose", "/left/ee_pose"), "/ee_pose"),
        (("/robot/left/ee_pose", "/robot/ee_pose"), "/robot/ee_pose"),
        (("/left/ee_pose", "/right/ee_pose"), ""),
        (("/robot/ee_pose", "/other/left/ee_pose"), ""),
    ],
)
def test_a_second_hand_lies_below_the_first(topics: tuple[str, ...], chosen: str) -> None:
    kind = SimpleNamespace(type="geometry_msgs/msg/PoseStamped")
    bag: Any = SimpleNamespace(path="bag", topics=dict.fromkeys(topics, kind), session={})
    if chosen:
        assert resolve(bag)[0]["ee_pose"] == chosen
    else:
        with pytest.raises(EpisodeError, match="several topics could be ee_pose"):
            resolve(bag)


def test_recorded_here(tmp_path: Path, make_bag: MakeBag) -> None:
    """The same messages through this package's own writer give the same episode."""
    from foley_perception.recording.bag import Bag
    from foley_perception.recording.metadata import TopicInfo
    from foley_perception.recording.writer import BagWriter

    source = Bag(make_bag())
    writer = BagWriter(tmp_path / "own", session={"session_id": "s1"}, min_free_bytes=0)
    for message in source.messages():
        topic = source.topics[message.topic]
        writer.add_topic(TopicInfo(topic.name, topic.type, topic.definition, topic.encoding))
        writer.put(message.topic, message.log_time, bytes(message.data))
    writer.close()
    ours, theirs = read_episode(tmp_path / "own"), read_episode(source.path)
    assert ours.audio is not None and theirs.audio is not None
    assert np.array_equal(ours.audio.segments[0].samples, theirs.audio.segments[0].samples)
    assert np.array_equal(ours.tip_path[1], theirs.tip_path[1]) and ours.session_id == "s1"


def test_sqlite(make_bag: MakeBag, tmp_path: Path) -> None:
    """`ros2 bag record` of Humble wrote SQLite without message definitions."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    from foley_perception.recording.bag import Bag

    source = Bag(make_bag())
    writer = Writer(tmp_path / "old", version=8, storage_plugin=StoragePlugin.SQLITE3)
    connections: dict[str, Any] = {}
    with writer:
        for message in source.messages():
            topic = source.topics[message.topic]
            if topic.name not in connections:
                connections[topic.name] = writer.add_connection(
                    topic.name, topic.type, msgdef=topic.definition, rihs01="RIHS01_0"
                )
            writer.write(connections[topic.name], message.log_time, bytes(message.data))
    episode = read_episode(tmp_path / "old")
    assert len(episode.truth) == 3 and episode.frames is not None
    assert int(episode.frames.read(9)[0, 0, 0]) == 9
    assert math.isclose(episode.truth[0].impulse, 0.03, rel_tol=1e-6)
