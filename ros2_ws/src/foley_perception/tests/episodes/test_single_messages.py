"""One message that is damaged, unstamped or wild costs itself; a step of some topics' clock is seen against others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from foley_perception.dataset.build import build_dataset
from foley_perception.dataset.reader import ClipDataset
from foley_perception.episodes import EpisodeError, read_episode

MakeBag = Callable[..., Path]
S = 1_000_000_000


def cut_one(bag: Path, to: Path, topic: str, number: int) -> Path:
    """A copy in which one message of a topic is 9 bytes long."""
    with Reader(bag) as reader, Writer(to, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        made = {}
        for c in reader.connections:
            made[c.id] = writer.add_connection(
                c.topic, c.msgtype, msgdef=c.msgdef.data, rihs01=c.digest, serialization_format="cdr"
            )
        seen = 0
        for connection, time_ns, data in reader.messages():
            if connection.topic.lstrip("/") == topic:
                data = data[:9] if seen == number else data
                seen += 1
            writer.write(made[connection.id], time_ns, data)
    return to


@pytest.mark.parametrize(
    ("topic", "number"),
    [
        ("mic/audio", 50),
        ("ee_pose", 100),
        ("wrench", 100),
        ("joint_states", 100),
        ("sim/contacts", 1),
        ("camera/image_raw", 20),
        ("planned_joint_trajectory", 1),
        ("tf_static", 0),
    ],
)
def test_a_message_that_cannot_be_read_costs_itself(
    make_bag: MakeBag, tmp_path: Path, topic: str, number: int
) -> None:
    bag = cut_one(make_bag(), tmp_path / "cut", topic, number)
    episode = read_episode(bag)
    told = [p for p in episode.problems if topic in p and ("cannot be read" in p or "cannot be used" in p)]
    assert told and len(episode.truth) == (2 if topic == "sim/contacts" else 3)
    if topic != "tf_static":
        report = build_dataset([bag], tmp_path / "ds", workers=1)
        data = ClipDataset(tmp_path / "ds")
        assert report.manifest["problems"]
        for clip in data.clips:
            assert np.allclose(clip.position, (0.05, 0.0, 0.05))


def shifted(message: Any, ns: int) -> Any:
    stamp = message.header.stamp
    time_ns = stamp.sec * S + stamp.nanosec + ns
    moved = dataclasses.replace(stamp, sec=time_ns // S, nanosec=time_ns % S)
    return dataclasses.replace(message, header=dataclasses.replace(message.header, stamp=moved))


@pytest.mark.parametrize("topic", ["ee_pose", "wrench", "camera/image_raw", "mic/audio"])
@pytest.mark.parametrize("first", [False, True])
def test_a_stamp_that_cannot_be_costs_its_message(
    make_bag: MakeBag, tmp_path: Path, topic: str, first: bool
) -> None:
    seen = [0]

    def wild(arrival: int, name: str, kind: str, message: Any) -> list[Any]:
        if name == topic:
            seen[0] += 1
            if seen[0] == (1 if first else 40):
                message = shifted(message, 450_000 * S)
        return [(arrival, name, kind, message)]

    bag = make_bag(plans=False, edit=wild)
    episode = read_episode(bag)
    assert any("lie far from those beside them" in p and topic in p for p in episode.problems)
    build_dataset([bag], tmp_path / "ds", workers=1)
    clips = ClipDataset(tmp_path / "ds").clips
    assert len(clips) == 3 and np.allclose([c.position for c in clips], (0.05, 0.0, 0.05))


def test_contacts_may_be_told_as_late_as_they_like(make_bag: MakeBag) -> None:
    late = iter((0, 3 * S, 200_000_000))

    def told_late(arrival: int, name: str, kind: str, message: Any) -> list[Any]:
        return [(arrival + (next(late) if name == "sim/contacts" else 0), name, kind, message)]

    episode = read_episode(make_bag(seconds=8.0, plans=False, edit=told_late))
    assert len(episode.truth) == 3 and not episode.problems


@pytest.mark.parametrize("size_s", [-0.1, -0.03, 0.5])
@pytest.mark.parametrize(
    "together", [("ee_pose", "wrench", "joint_states"), ("camera/image_raw", "mic/audio")]
)
def test_a_step_of_one_computers_topics_is_seen_against_the_others(
    make_bag: MakeBag, together: tuple[str, ...], size_s: float
) -> None:
    rng = np.random.default_rng(0)

    def step(arrival: int, name: str, kind: str, message: Any) -> list[Any]:
        if name in together and (arrival - 1_800_000_000 * S) > 5.2 * S:
            message = shifted(message, round(size_s * S))
        return [(arrival + int(rng.exponential(3e5)), name, kind, message)]

    times = tuple(float(t) + 0.5 for t in range(1, 9))
    with pytest.raises(EpisodeError, match=r"its stamps step by [-+]\d+ ms against the other topics'"):
        read_episode(make_bag(seconds=10.0, contact_times=times, plans=False, edit=step))


def test_sound_of_which_some_chunks_have_no_stamp_is_whole(make_bag: MakeBag) -> None:
    count = [0]

    def unstamped(arrival: int, name: str, kind: str, message: Any) -> list[Any]:
        if name == "mic/audio":
            count[0] += 1
            if count[0] % 7 == 0:
                stamp = dataclasses.replace(message.header.stamp, sec=0, nanosec=0)
                message = dataclasses.replace(
                    message, header=dataclasses.replace(message.header, stamp=stamp)
                )
        return [(arrival, name, kind, message)]

    episode = read_episode(make_bag(plans=False, edit=unstamped))
    assert episode.audio is not None and not episode.gaps
    assert any("first_sample places them" in p for p in episode.problems)


def test_a_count_that_no_stream_reaches(make_bag: MakeBag) -> None:
    def negative(arrival: int, name: str, kind: str, message: Any) -> list[Any]:
        if name == "mic/audio":
            message = dataclasses.replace(message, first_sample=2**64 - 480 + message.first_sample % 480)
        return [(arrival, name, kind, message)]

    with pytest.raises(EpisodeError, match="which no stream reaches"):
        read_episode(make_bag(plans=False, edit=negative))
