"""Digests of recordings: equal where every value is, whatever the bytes between the values."""

import dataclasses
import json

import pytest

rclpy = pytest.importorskip("rclpy")

from rosbags.rosbag2 import StoragePlugin, Writer  # noqa: E402
from rosbags.typesys import Stores, get_typestore  # noqa: E402

from foley_bringup import cli  # noqa: E402
from foley_sim.offline import collections  # noqa: E402
from foley_sim.ros import digest  # noqa: E402

SECONDS = 3.2


@pytest.fixture
def tabletop(monkeypatch):
    """One recording of a light scene in place of a collection's."""
    (first, *_) = collections.recordings("foleysim-1-mini", only="test_seen")
    light = dataclasses.replace(first, edition="tabletop")
    monkeypatch.setattr(digest, "recordings", lambda name: (light,))
    return light


def strings(folder, *messages):
    """A bag of serialised std_msgs/String at 1 ns, 2 ns and so on."""
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        connection = bag.add_connection(
            "/said", "std_msgs/msg/String", typestore=get_typestore(Stores.ROS2_JAZZY)
        )
        for number, data in enumerate(messages, 1):
            bag.write(connection, number, data)
    return folder


def test_one_recording_of_each_split_is_chosen():
    names = [r.name for r in digest.chosen("foleysim-1-mini")]
    assert names == ["train-00000-p000", "validation-00000-p000", "test-00000-p000", "test_seen-00000-p900"]
    assert [r.name for r in digest.chosen("foleysim-b")] == ["test-00000-p000"]


@pytest.mark.long
def test_a_beginning_repeats_and_another_seed_differs(tabletop, monkeypatch):
    ((name, first),) = digest.opening_digests("any", SECONDS)
    ((_, again),) = digest.opening_digests("any", SECONDS)
    assert name == tabletop.name and first == again
    assert {"/mic/audio", "/ee_pose", "/joint_states", "/planned_joint_trajectory"} <= set(first)
    assert not [topic for topic in first if topic.startswith("/camera")]
    ((_, old),) = digest.opening_digests("any", SECONDS, 1)
    assert {topic for topic in first if old[topic] != first[topic]} == {"/mic/audio"}
    other = dataclasses.replace(tabletop, policy_seed=1)
    monkeypatch.setattr(digest, "recordings", lambda name: (other,))
    ((_, changed),) = digest.opening_digests("any", SECONDS)
    assert changed["/planned_joint_trajectory"] != first["/planned_joint_trajectory"]
    assert changed["/sim/scene"] == first["/sim/scene"]


def test_values_count_and_padding_does_not(tmp_path):
    word = b"\x00\x01\x00\x00\x03\x00\x00\x00ab\x00"
    plain = digest.bag_digests(strings(tmp_path / "a", word + b"\x00"))
    padded = digest.bag_digests(strings(tmp_path / "b", word + b"\x7f"))
    other = digest.bag_digests(strings(tmp_path / "c", word.replace(b"ab", b"ac")))
    twice = digest.bag_digests(strings(tmp_path / "d", word, word))
    assert plain == padded and len({d["/said"] for d in (plain, other, twice)}) == 3
    with pytest.raises(ValueError, match="is no bag"):
        digest.bag_digests(tmp_path)


def test_the_command_prints_them(tabletop, tmp_path, capsys):
    assert (
        cli.main(
            [
                "sim",
                "digest",
                "--collection",
                "foleysim-1-mini",
                "--seconds",
                "1.0",
                "--metrics",
                str(tmp_path),
            ]
        )
        == 0
    )
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["recordings"] == {tabletop.name: {topic: digest for _, topic, digest in lines}}
    assert cli.main(["sim", "digest"]) == 2
    assert "either a folder of bags or --collection" in capsys.readouterr().err
