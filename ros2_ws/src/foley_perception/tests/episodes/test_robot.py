"""A recording is read as the file of its robot says: the one that it was made with, or the one that is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foley_common.robot_file import Frames, RobotFile, Sound
from foley_perception.episodes import EpisodeError, read_episode
from foley_perception.episodes.frames import FrameNames

MakeBag = Callable[..., Path]
RECORDED = "{frames: {fixed: base, tool: tool0}, hand: panda}"


def test_frames_come_from_the_option_then_from_the_file_then_as_usual(make_bag: MakeBag) -> None:
    def renamed(time: int, topic: str, kind: str, message: Any) -> list[Any]:
        if hasattr(message, "header") and message.header.frame_id == "world":
            message.header.frame_id = "base"
        for transform in getattr(message, "transforms", []):
            transform.header.frame_id = transform.header.frame_id.replace("world", "base")
            transform.child_frame_id = transform.child_frame_id.replace("tool", "tool0")
            transform.header.frame_id = transform.header.frame_id.replace("tool", "tool0")
        return [(time, topic, kind, message)]

    bag = make_bag(plans=False, robot=RECORDED, edit=renamed)
    episode = read_episode(bag)
    assert episode.frame_names == FrameNames("base", "tool0", "tip") and episode.robot.hand == "panda"
    assert episode.ee_pose is not None and not episode.tip_problem
    asked = read_episode(bag, frames=Frames(tip="stick"))
    assert asked.frame_names == FrameNames("base", "tool0", "stick")
    given = read_episode(bag, robot=RobotFile(frames=Frames(fixed="base", tool="tool0", tip="tip")))
    assert given.frame_names == episode.frame_names and given.robot.hand == ""


def test_another_channel_is_heard(make_bag: MakeBag) -> None:
    def second(time: int, topic: str, kind: str, message: Any) -> list[Any]:
        """The sound on the second channel, silence on the first."""
        if topic == "mic/audio":
            sound = np.asarray(message.samples, np.float32)
            message.samples, message.channels = np.stack([0 * sound, sound], 1).ravel(), 2
        return [(time, topic, kind, message)]

    plain = make_bag("plain", plans=False)
    bag = make_bag("two", plans=False, edit=second, robot="sound: {microphone: {channel: 1}}")
    heard, expected = read_episode(bag).audio, read_episode(plain).audio
    assert heard is not None and expected is not None
    start = expected.start_ns
    np.testing.assert_array_equal(heard.slice(start, 48000, 48000)[0], expected.slice(start, 48000, 48000)[0])
    with pytest.raises(EpisodeError, match="channel 0 holds 0 in all"):
        read_episode(bag, robot=RobotFile())
    with pytest.raises(EpisodeError, match="channel 2 was asked for, there are 2"):
        read_episode(bag, robot=RobotFile(sound={"microphone": Sound(channel=2)}))


def test_a_file_that_cannot_be_read_is_told(make_bag: MakeBag) -> None:
    episode = read_episode(make_bag(plans=False, robot="hnad: x"))
    assert any("`hnad` is not known" in text for text in episode.problems)


def test_the_namespace_of_the_file_says_whose_topics_are_meant(make_bag: MakeBag) -> None:
    def both(time: int, topic: str, kind: str, message: Any) -> list[Any]:
        if topic.startswith("/"):
            return [(time, topic, kind, message)]
        return [(time, f"/{side}/{topic}", kind, message) for side in ("one", "two")]

    bag = make_bag(plans=False, edit=both)
    with pytest.raises(EpisodeError, match="several topics could be"):
        read_episode(bag)
    assert read_episode(bag, robot=RobotFile(namespace="two")).audio is not None
    mapped = make_bag("mapped", plans=False, robot="namespace: nodes")  # nothing of the bag lies there
    assert read_episode(mapped).audio is not None
