"""Which topics of a bag play which roles: by name, by namespace, and as they are mapped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from foley_common import topics
from foley_perception.episodes import EpisodeError, read_episode
from foley_perception.episodes.names import Naming, overridden, resolve

MakeBag = Callable[..., Path]
FOREIGN = {
    "mic/audio": "/robot/mic",
    "camera/image_raw": "/wrist/color/image_raw",
    "camera/camera_info": "/wrist/color/camera_info",
    "ee_pose": "/arm/tcp",
    "wrench": "/ft_sensor/data",
    "joint_states": "/arm/joints",
    "sim/contacts": "/truth",
}
KIND = {topic.name: topic.type for topic in topics.TOPICS}


def renamed(time_ns: int, topic: str, kind: str, message: Any) -> list[Any]:
    return [(time_ns, FOREIGN.get(topic, topic), kind, message)]


def a_bag(there: dict[str, str], stored: Any = None) -> Any:
    """Topics of a bag -> the registry's names whose type they have."""
    kinds = {topic: SimpleNamespace(type=KIND.get(name, name)) for topic, name in there.items()}
    return SimpleNamespace(path="bag", topics=kinds, session={} if stored is None else {"topics": stored})


def test_a_foreign_bag_is_read_like_ours(make_bag: MakeBag) -> None:
    ours = read_episode(make_bag("ours"))
    mapping = {name: topic for name, topic in FOREIGN.items() if name != "camera/camera_info"}
    theirs = read_episode(make_bag("theirs", edit=renamed), mapping=mapping)
    assert theirs.audio is not None and ours.audio is not None
    assert np.array_equal(theirs.audio.segments[0].samples, ours.audio.segments[0].samples)
    assert np.array_equal(theirs.tip_path[1], ours.tip_path[1])
    assert [c.time_ns for c in theirs.truth] == [c.time_ns for c in ours.truth]
    assert theirs.force is not None and theirs.force[1].max() == pytest.approx(20.0)
    assert theirs.camera is not None and theirs.frames is not None and len(theirs.frames) == 120
    assert theirs.problems == ()


def test_a_foreign_bag_without_a_mapping_names_the_option(make_bag: MakeBag) -> None:
    with pytest.raises(
        EpisodeError, match=r"no messages on mic/audio; the bag has /robot/mic, .*--map mic/audio="
    ):
        read_episode(make_bag(edit=renamed), require=("mic/audio",))


def test_mapped_comes_before_the_name() -> None:
    names, told = resolve(
        a_bag({"/mic/audio": "mic/audio", "/good": "mic/audio"}), "", {"mic/audio": "/good"}
    )
    assert names == {"microphone": "/good"} and not told


def test_a_mapped_topic_that_is_not_there() -> None:
    bag = a_bag({"/clock": "x", "/robot/mic_audio": "mic/audio", "/a/wrench": "wrench"})
    with pytest.raises(EpisodeError) as refused:
        resolve(bag, "", {"mic/audio": "/robot/mic"})
    said = "mic/audio is mapped to /robot/mic, which is not in the bag; the bag has /robot/mic_audio, "
    assert said in str(refused.value)
    names, told = resolve(bag, "", {"wrench": "/b/wrench"})  # of use without it
    assert "wrench" not in names
    assert told == [
        "wrench is mapped to /b/wrench, which is not in the bag; the bag has /a/wrench, /robot/mic_audio, /clock; "
        "it is left out (wrench)"
    ]


def test_a_mapped_topic_of_a_wrong_type() -> None:
    bag = a_bag({"/picture": "camera/image_raw/compressed", "/talk": "std_msgs/msg/String"})
    with pytest.raises(EpisodeError) as refused:
        resolve(bag, "", {"camera/image_raw": "/picture"})
    assert (
        "camera/image_raw is mapped to /picture, which has type sensor_msgs/msg/CompressedImage, expected "
        "sensor_msgs/msg/Image; map camera/image_raw/compressed to it instead"
    ) in str(refused.value)
    with pytest.raises(
        EpisodeError, match="has type std_msgs/msg/String, expected foley_msgs/msg/AudioChunk"
    ):
        resolve(bag, "", {"microphone": "/talk"})
    bag = a_bag(
        {"/talk": "std_msgs/msg/String", "/b": "wrench", "/mic": "mic/audio", "/robot/mic": "mic/audio"}
    )
    with pytest.raises(EpisodeError, match="of that type the bag has /mic, /robot/mic: --map mic/audio=/mic"):
        resolve(bag, "", {"microphone": "/talk"})


def test_pictures_are_found_compressed_as_well() -> None:
    bag = a_bag(
        {"/w/image/compressed": "camera/image_raw/compressed", "/w/camera_info": "camera/camera_info"}
    )
    names, told = resolve(bag, "", {"camera/image_raw": "/w/image"})
    assert names == {"camera_compressed": "/w/image/compressed", "camera_info": "/w/camera_info"} and not told


def test_calibration_of_another_camera_is_not_taken() -> None:
    bag = a_bag({"/w/image": "camera/image_raw", "/camera/camera_info": "camera/camera_info"})
    names, told = resolve(bag, "", {"camera/image_raw": "/w/image"})
    assert names == {"camera": "/w/image"}
    assert "--map camera/camera_info=/camera/camera_info" in told[0]
    both = {"camera/image_raw": "/w/image", "camera/camera_info": "/camera/camera_info"}
    assert resolve(bag, "", both) == ({"camera": "/w/image", "camera_info": "/camera/camera_info"}, [])


# ---- several robots ----------------------------------------------------------------------------------------
def test_the_error_says_which_and_whose() -> None:
    bag = a_bag({"/a/mic/audio": "mic/audio", "/b/mic/audio": "mic/audio"})
    with pytest.raises(EpisodeError) as refused:
        resolve(bag)
    assert "--map mic/audio=/a/mic/audio, or whose: --namespace a" in str(refused.value)
    assert resolve(bag, "b")[0] == {"microphone": "/b/mic/audio"}
    assert resolve(bag, "", {"mic/audio": "/b/mic/audio"})[0] == {"microphone": "/b/mic/audio"}


def test_two_wrenches_cost_the_wrench() -> None:
    names, told = resolve(a_bag({"/a/wrench": "wrench", "/b/wrench": "wrench", "/ee_pose": "ee_pose"}))
    assert names == {"ee_pose": "/ee_pose"} and "--map wrench=/a/wrench" in told[0]


def test_what_the_left_hand_feels_is_not_taken_for_the_other() -> None:
    names, told = resolve(a_bag({"/r/ee_pose": "ee_pose", "/r/left/wrench": "wrench"}))
    assert names == {"ee_pose": "/r/ee_pose", "left_wrench": "/r/left/wrench"} and not told
    names, told = resolve(a_bag({"/a/ee_pose": "ee_pose", "/b/wrench": "wrench"}))
    assert names["wrench"] == "/b/wrench" and "another namespace" in told[0]
    assert not resolve(a_bag({"/a/ee_pose": "ee_pose", "/b/wrench": "wrench"}), "", {"wrench": "/b/wrench"})[
        1
    ]


# ---- what the recorder kept --------------------------------------------------------------------------------
def test_metadata_map_and_are_overridden() -> None:
    bag = a_bag({"/old": "mic/audio", "/new": "mic/audio"}, stored={"mic/audio": "/old"})
    assert resolve(bag) == ({"microphone": "/old"}, []) and overridden(bag, {}) == []
    assert resolve(bag, "", {"mic/audio": "/new"}) == ({"microphone": "/new"}, [])
    (told,) = overridden(bag, {"mic/audio": "/new"})
    assert told == "bag: its metadata say that mic/audio is /old; /new is taken for it"


def test_metadata_that_map_nothing_are_told() -> None:
    names, told = resolve(a_bag({"/mic/audio": "mic/audio"}, stored=["a", "b"]))
    assert names == {"microphone": "/mic/audio"} and "`topics` is a list" in told[0]


def test_identity() -> None:
    assert Naming().identity == Naming("/").identity == ""
    assert len({Naming().identity, Naming("a").identity, Naming("", {"wrench": "/w"}).identity}) == 3


def test_a_namespace_with_nothing_in_it_is_named_with_those_that_there_are() -> None:
    bag = a_bag(
        {"/robot1/mic/audio": "mic/audio", "/robot2/mic/audio": "mic/audio", "/robto1/odometry": "x/msg/Y"}
    )
    with pytest.raises(
        EpisodeError, match=r"^bag: --namespace robto1: .* lie in robot1, robot2: --namespace robot1$"
    ):
        resolve(bag, "robto1")
    assert resolve(bag, "/robot1/")[0] == {"microphone": "/robot1/mic/audio"}
    assert resolve(bag, "robto1", {"mic/audio": "/robto1/odometry"}, readers=())[0] == {}
    with pytest.raises(EpisodeError, match="they lie in no namespace: leave --namespace out"):
        resolve(a_bag({"/left/ee_pose": "left/ee_pose"}), "right")
    assert resolve(a_bag({"/left/ee_pose": "ee_pose"}), "left")[0] == {"ee_pose": "/left/ee_pose"}
