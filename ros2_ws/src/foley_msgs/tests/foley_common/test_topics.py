"""The registry of topics: look-ups, what it refuses, and an entry for each kind of device."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from foley_common import topics
from foley_common.topics import Topic, TopicError


def test_look_ups() -> None:
    assert topics.topic("microphone") is topics.MICROPHONE and topics.MICROPHONE.name == "mic/audio"
    assert topics.devices("audio")[:2] == ("microphone", "contact_microphone")
    assert topics.devices("pose")[:2] == ("arm", "left") and topics.devices("image")[0] == "camera"
    assert [t.role for t in topics.read_by("image", device="camera")] == ["camera", "camera_compressed"]
    assert topics.LEFT_EE_POSE.further and not topics.EE_POSE.further and not topics.CONTACTS.further
    with pytest.raises(TopicError, match=r"role `gripper_microphone`; known are microphone, .*topics\.py"):
        topics.topic("gripper_microphone")
    with pytest.raises(TopicError, match="no reader is called sound"):
        topics.read_by("sound")


def test_what_is_recorded() -> None:
    entries = [t.recorder_entry for t in topics.recorded()]
    assert len(entries) == len(set(entries)) >= 31
    assert entries[0] == "mic/audio foley_msgs/msg/AudioChunk audio required"
    assert "camera/camera_info sensor_msgs/msg/CameraInfo state required" in entries
    assert "/diagnostics diagnostic_msgs/msg/DiagnosticArray event" in entries


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"role": "My Mic"}, "a role is lower case"),
        ({"name": "mic//audio"}, "`mic//audio` is not the name of a topic"),
        ({"type": "AudioChunk"}, "type `AudioChunk` is not package/msg/Name"),
        ({"qos": "fast"}, "qos is `fast`, known are audio"),
        ({"reader": "sound"}, "reader is `sound`, known are audio"),
        ({"device": "../x"}, "device is `../x`"),
        ({"recorded": False}, "required, but not recorded"),
        ({"recorded_qos": "heartbeat"}, "recorded with `heartbeat`"),
    ],
)
def test_bad_entries(change: dict[str, Any], told: str) -> None:
    with pytest.raises(TopicError, match=r"topic `.*`: ") as error:
        dataclasses.replace(topics.MICROPHONE, **change)
    assert told in str(error.value)


def test_two_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    again = topics.microphone("microphone", "other/audio", "another")
    with pytest.raises(TopicError, match="`microphone` is given to mic/audio and other/audio"):
        topics.check((*topics.TOPICS, *again))
    monkeypatch.setattr(topics, "TOPICS", (*topics.TOPICS, *again))
    with pytest.raises(TopicError, match="`microphone` is given to mic/audio, other/audio"):
        topics.topic("microphone")
    same: tuple[Topic, ...] = topics.microphone("second", "mic/audio", "the same")
    with pytest.raises(TopicError, match="mic/audio is the topic of `microphone` and of `second`"):
        topics.check((*topics.TOPICS[:1], *same))


def test_devices_give_all_their_topics() -> None:
    wrist = topics.camera("wrist_camera", "wrist/camera", "a camera at the wrist")
    assert {t.name for t in wrist if t.recorded} == {
        "wrist/camera/image_raw",
        "wrist/camera/camera_info",
        "wrist/camera/depth/image_raw",
    }
    assert all(t.device == "wrist_camera" and t.further for t in wrist)
    right = topics.arm("right", "right", "a third hand")
    assert {t.reader for t in right} == {"pose", "wrench", "joint_plans", "contacts"}
    topics.check((*topics.TOPICS, *wrist, *right))
