"""Recordings without ee_pose: poses are made of joints and a URDF, or of tf, and a data set comes out the same."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foley_perception.audit.finding import Severity
from foley_perception.dataset.build import build_dataset
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.schema import DatasetError
from foley_perception.episodes import EpisodeError, read_episode
from foley_perception.episodes.frames import FrameNames
from foley_perception.episodes.outline import Outline, Span
from foley_perception.episodes.reader import episode_of

MakeBag = Callable[..., Path]
Queued = list[tuple[int, str, str, Any]]
START_NS = 1_800_000_000_000_000_000


@functools.cache
def types() -> Any:
    """Of messages that a bag of the fixtures does not hold by itself."""
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores.ROS2_JAZZY).types


def without(*topics: str) -> Callable[[int, str, str, Any], Queued]:
    return lambda at, topic, kind, message: [] if topic in topics else [(at, topic, kind, message)]


def tf_alone(at: int, topic: str, kind: str, message: Any, tool: str = "tool", scale: float = 1.0) -> Queued:
    """What ee_pose tells as the tool's frame in tf, and no joints."""
    if topic in ("joint_states", "robot_description"):
        return []
    if topic != "ee_pose":
        return [(at, topic, kind, message)]
    pose = message.pose
    vector = types()["geometry_msgs/msg/Vector3"](*(scale * getattr(pose.position, axis) for axis in "xyz"))
    moved = types()["geometry_msgs/msg/Transform"](vector, pose.orientation)
    told = types()["geometry_msgs/msg/TransformStamped"](message.header, tool, moved)
    return [(at, "/tf", "tf2_msgs/msg/TFMessage", types()["tf2_msgs/msg/TFMessage"]([told]))]


@pytest.mark.parametrize(
    ("edit", "source"),
    [(without("ee_pose"), "/joint_states and /robot_description"), (tf_alone, "/tf")],
    ids=["joints", "tf"],
)
def test_a_data_set_is_the_same_as_of_recorded_poses(
    make_bag: MakeBag, tmp_path: Path, edit: Any, source: str
) -> None:
    told, made = make_bag("a"), make_bag("b", edit=edit)
    episode, true = read_episode(made), read_episode(told)
    assert episode.ee_pose is not None and true.ee_pose is not None and episode.problems == ()
    assert [f.text for f in episode.findings] == [f"no ee_pose was recorded: it is made of {source}"]
    assert np.array_equal(episode.ee_pose.times_ns, true.ee_pose.times_ns)
    far, turned = episode.ee_pose.poses.distance_to(true.ee_pose.poses)
    assert far.max() < 1e-12 and turned.max() < 1e-7
    sets = []
    for name, bag in (("told", told), ("made", made)):
        build_dataset([bag], tmp_path / name, workers=1)
        sets.append(ClipDataset(tmp_path / name))
        assert len(sets[-1].clips) == 3
    for i in range(3):
        # Without joints nobody tells the gripper's width.
        actions = [np.delete(dataset.action_executed(i), 6, axis=1) for dataset in sets]
        np.testing.assert_allclose(*actions, atol=1e-6)


def test_a_stretch_has_the_poses_of_the_whole(make_bag: MakeBag) -> None:
    bag = make_bag(edit=without("ee_pose"), base="moving")
    whole = read_episode(bag).ee_pose
    first = START_NS + 1_234_567_890
    part = episode_of(Outline(bag), Span(first, first + 10**9, first, first + 10**9)).ee_pose
    assert whole is not None and part is not None
    assert part.times_ns[0] <= first and part.times_ns[-1] >= first + 10**9
    rows = np.searchsorted(whole.times_ns, part.times_ns)
    assert np.array_equal(whole.times_ns[rows], part.times_ns) and len(rows) < len(whole.times_ns) / 2
    assert np.array_equal(whole.poses.translation[rows], part.poses.translation)


def test_frames_of_other_names_and_a_link_as_the_world(make_bag: MakeBag) -> None:
    bag = make_bag(edit=lambda *queued: tf_alone(*queued, tool="tcp"))
    episode = read_episode(bag)
    assert episode.ee_pose is None
    (found,) = episode.findings
    assert (
        found.severity == Severity.PROBLEM and "tf does not connect `tool` with `world`; it has" in found.text
    )
    named = read_episode(bag, frames=FrameNames(tool="tcp")).ee_pose
    assert named is not None and named.poses.translation[:, 2].min() == pytest.approx(0.21, abs=1e-6)


def test_what_is_missing_is_said_where_nothing_can_be_made(make_bag: MakeBag, tmp_path: Path) -> None:
    bag = make_bag(edit=without("ee_pose", "robot_description"))
    with pytest.raises(DatasetError, match="/joint_states was recorded without robot_description"):
        build_dataset([bag], tmp_path / "set", workers=1)


@pytest.mark.parametrize("how", ["ee_pose", "tf"])
def test_poses_in_millimetres_make_no_data_set(make_bag: MakeBag, how: str) -> None:
    def edit(at: int, topic: str, kind: str, message: Any) -> Queued:
        if how == "tf":
            return tf_alone(at, topic, kind, message, scale=1000.0)
        if topic == "ee_pose":
            for axis in "xyz":
                setattr(message.pose.position, axis, 1000.0 * getattr(message.pose.position, axis))
        return [(at, topic, kind, message)]

    with pytest.raises(
        EpisodeError, match=rf"{how}: the tool went .* m in .* s, .* not in metres .* divide by 1000"
    ):
        read_episode(make_bag(edit=edit))
