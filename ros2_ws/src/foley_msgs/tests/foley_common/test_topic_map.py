"""Which foreign topics stand for which of ours."""

from __future__ import annotations

from typing import Any

import pytest

from foley_common import topic_map
from foley_common.topics import TopicError


def test_names_and_roles_mean_the_same() -> None:
    entries = ["microphone=/robot/mic", "camera/image_raw=wrist/image", "/tf=/robot/tf", "left/wrench=/l/ft"]
    mapping = topic_map.parse(entries, "--map")
    assert mapping == {
        "mic/audio": "/robot/mic",
        "camera/image_raw": "/wrist/image",
        "/tf": "/robot/tf",
        "left/wrench": "/l/ft",
    }
    assert topic_map.parse(topic_map.entries(mapping), "again") == mapping
    assert topic_map.section(mapping, "robot.yaml") == mapping


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (["mic/audoi=/a"], "no topic of Foley is called `mic/audoi`; is `mic/audio`"),
        (["robot/wrench=/a"], "or `wrench` meant?"),
        (["zzzzzz=/a"], "known are mic/audio, contact_mic/audio, ee_pose"),
        (["mic/audio"], "`mic/audio` is not NAME=TOPIC, such as mic/audio=/robot/mic"),
        (["mic/audio="], "is not NAME=TOPIC"),
        (["mic/audio=/a b"], "`/a b`, which `mic/audio` is mapped to, is not the name of a topic"),
        (["mic/audio=/a", "microphone=/b"], "mic/audio is mapped to /a and to /b"),
        (["mic/audio=/a", "contact_mic/audio=/a"], "/a is given for mic/audio and for contact_mic/audio"),
        (["heartbeat=/a"], "every node has its own ~/heartbeat"),
    ],
)
def test_what_is_refused(entries: list[str], said: str) -> None:
    with pytest.raises(TopicError) as refused:
        topic_map.parse(entries, "--map")
    assert str(refused.value).startswith("--map: ") and said in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (["mic/audio"], "`topics` is a list, expected a mapping"),
        ({"mic/audio": 3}, "`topics` holds 'mic/audio': 3, expected a name and a topic"),
        ({"camera/image": "/a"}, "is `camera/image_raw`"),
    ],
)
def test_a_section_that_is_refused(content: Any, said: str) -> None:
    with pytest.raises(TopicError, match=r"robot\.yaml: ") as refused:
        topic_map.section(content, "robot.yaml")
    assert said in str(refused.value)


def test_the_particular_holds() -> None:
    general = {"mic/audio": "/a", "wrench": "/w", "ee_pose": "/p"}
    both = topic_map.merged(general, {"mic/audio": "/b", "left/wrench": "/w"})
    assert both == {"ee_pose": "/p", "mic/audio": "/b", "left/wrench": "/w"}


def test_what_lies_beside_pictures() -> None:
    raw = topic_map.implied({"camera/image_raw": "/wrist/color/image_raw"})
    assert raw == {
        "camera/image_raw/compressed": "/wrist/color/image_raw/compressed",
        "camera/camera_info": "/wrist/color/camera_info",
    }
    jpeg = topic_map.implied(
        {"camera/image_raw/compressed": "/c/image/compressed", "camera/camera_info": "/i"}
    )
    assert jpeg == {}
    assert topic_map.implied({"camera/image_raw/compressed": "/c/image/compressed"}) == {
        "camera/camera_info": "/c/camera_info"
    }
    assert topic_map.implied({"mic/audio": "/m"}) == {}
    assert topic_map.ours({"camera/image_raw/compressed": "/c/image/compressed"}) == {
        "/c/image/compressed": "camera/image_raw/compressed",
        "/c/camera_info": "camera/camera_info",
    }


def test_near_names_come_first() -> None:
    there = ["/clock", "/robot/microphone", "/robot/mic_audio", "/tf"]
    assert topic_map.near("/robot/mic", there)[:2] == ["/robot/mic_audio", "/robot/microphone"]
