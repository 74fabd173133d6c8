"""Which topic plays which role, on robots of other shapes."""

from __future__ import annotations

from typing import Any

import pytest

from foley_perception.robot import facts
from foley_perception.robot.matching import Choice, match, robots
from foley_perception.robot.seen import SeenTopic, sound_facts

FOREIGN = "audio_common_msgs/msg/AudioDataStamped"


def topic(name: str, kind: str, rate: float = 100.0, **told: Any) -> SeenTopic:
    return SeenTopic(name, kind, messages=100, rate_hz=rate, facts=told)


def chosen(*there: SeenTopic, namespace: str = "") -> dict[str, Choice]:
    return {choice.role.topic.role: choice for choice in match(there, namespace)}


def names(choices: dict[str, Choice]) -> dict[str, str]:
    return {role: choice.found.name for role, choice in choices.items() if choice.found is not None}


REALSENSE = (
    topic("/wrist/color/image_raw", facts.IMAGE, 30, encoding="rgb8", width=640, height=480),
    topic("/wrist/color/image_raw/compressed", facts.COMPRESSED, 30, encoding="rgb8; jpeg compressed bgr8"),
    topic("/wrist/depth/image_rect_raw", facts.IMAGE, 30, encoding="16UC1", width=848, height=480),
    topic(
        "/wrist/aligned_depth_to_color/image_raw", facts.IMAGE, 30, encoding="16UC1", width=640, height=480
    ),
    topic("/wrist/infra1/image_rect_raw", facts.IMAGE, 30, encoding="mono8", width=848, height=480),
)
UR = (
    topic("/joint_states", facts.JOINTS, 500, joints=("elbow_joint", "wrist_1_joint")),
    topic("/force_torque_sensor_broadcaster/wrench", facts.WRENCH, 500),
    topic("/tcp_pose_broadcaster/pose", facts.POSE, 500, frame_id="base"),
    topic("/target_pose", facts.POSE, 50, frame_id="base"),
    topic("/scaled_joint_trajectory_controller/joint_trajectory", facts.JOINT_PLAN, 0.1),
    topic("/robot_description", facts.TEXT, 0.0, urdf="<robot/>"),
    topic("/robot_description_semantic", facts.TEXT, 0.0, urdf="<robot/>"),
)


def test_an_arm_with_a_camera_at_its_wrist() -> None:
    choices = chosen(*REALSENSE, *UR, topic("/audio", FOREIGN, 62.5), topic("/tf", facts.TRANSFORMS, 500))
    assert names(choices) == {
        "microphone": "/audio",
        "ee_pose": "/tcp_pose_broadcaster/pose",
        "joint_states": "/joint_states",
        "wrench": "/force_torque_sensor_broadcaster/wrench",
        "camera": "/wrist/color/image_raw",
        "camera_depth": "/wrist/aligned_depth_to_color/image_raw",
        "joint_plan": "/scaled_joint_trajectory_controller/joint_trajectory",
        "robot_description": "/robot_description",
        "tf": "/tf",
    }
    assert choices["microphone"].sure and "the only one of its type" in choices["microphone"].why
    assert "62.5 Hz" in choices["microphone"].why


@pytest.mark.parametrize("kind", facts.FOREIGN_AUDIO)
def test_foreign_audio_is_a_microphone(kind: str) -> None:
    assert names(chosen(topic("/respeaker/audio", kind)))["microphone"] == "/respeaker/audio"


def test_two_microphones() -> None:
    both = (topic("/gripper/contact_mic", FOREIGN), topic("/head/mic", FOREIGN), topic("/tts/audio", FOREIGN))
    found = names(chosen(*both))
    assert found["microphone"] == "/head/mic" and found["contact_microphone"] == "/gripper/contact_mic"


def test_of_the_same_sound_with_and_without_stamps_the_stamped_one_is_heard() -> None:
    plain = topic("/audio/audio", "audio_common_msgs/msg/AudioData", 50)
    choices = chosen(plain, topic("/audio/audio_stamped", FOREIGN, 50))
    assert names(choices) == {"microphone": "/audio/audio_stamped"} and choices["microphone"].sure
    assert names(chosen(plain)) == {"microphone": "/audio/audio"}


def test_the_rate_is_told_by_the_info_that_goes_with_the_sound() -> None:
    mic = topic("/audio/audio_stamped", FOREIGN)
    info = topic("/audio/audio_info", facts.AUDIO_INFO, sample_rate=16_000, channels=1, coding="wave")
    other = topic("/tts/audio_info", facts.AUDIO_INFO, sample_rate=22_050, channels=1)
    assert sound_facts([mic, other], mic) == ({}, "")
    told, whence = sound_facts([other, info, mic], mic)
    assert (told["sample_rate"], whence) == (16_000, "/audio/audio_info says")


def test_static_transforms_alone_are_not_tf() -> None:
    choices = chosen(topic("/tf_static", facts.TRANSFORMS, 0.0))
    assert names(choices) == {"tf_static": "/tf_static"} and not choices["tf"].others


def test_what_foley_says_itself_is_no_microphone() -> None:
    choices = chosen(topic("/predicted_sound", facts.OWN_AUDIO, 10), topic("/mic/audio", facts.OWN_AUDIO))
    assert names(choices) == {"microphone": "/mic/audio"} and choices["microphone"].others == ()


def test_where_two_are_as_likely_it_is_said() -> None:
    choice = chosen(topic("/a/mic", FOREIGN), topic("/b/mic", FOREIGN))["microphone"]
    assert choice.found is not None and not choice.sure
    assert [other.name for other in choice.others] == ["/b/mic"]


@pytest.mark.parametrize("name", ["/target_pose", "/goal_pose", "/object_pose", "/servo/cmd_tcp"])
def test_a_pose_that_is_commanded_or_of_a_thing_is_not_the_tool(name: str) -> None:
    choice = chosen(topic(name, facts.POSE))["ee_pose"]
    assert choice.found is None and "joint_states" in choice.role.cure


def test_the_registrys_own_name_comes_first() -> None:
    both = (topic("/left/ee_pose", facts.POSE), topic("/left/tcp_pose", facts.POSE))
    choice = chosen(*both, namespace="left")["ee_pose"]
    assert choice.found is not None and choice.found.name == "/left/ee_pose" and choice.sure


def test_pictures_that_are_only_compressed_and_a_silent_driver() -> None:
    jpeg = SeenTopic("/cam/image_raw/compressed", facts.COMPRESSED, messages=0)
    choice = chosen(jpeg)["camera"]
    assert choice.found == jpeg and "silent" in choice.why


def test_several_robots() -> None:
    two = [topic(f"/{side}/joint_states", facts.JOINTS) for side in ("left", "right")]
    assert robots(two) == ["left", "right"]
    assert robots([*two, topic("/joint_states", facts.JOINTS)]) == []  # one tells all
    assert robots(two[:1]) == []
