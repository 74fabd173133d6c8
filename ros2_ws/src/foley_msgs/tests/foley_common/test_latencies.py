"""Latencies by device, and stamps moved back."""

from __future__ import annotations

import struct

import pytest

from foley_common import topics
from foley_common.latencies import KEYS, Latencies, LatencyError, earlier, earlier_bytes, latency_key
from foley_common.robot_file import LATENCY_KEYS


def test_every_device_and_force_sensor_has_a_latency_and_nothing_else() -> None:
    assert set(KEYS) == set(LATENCY_KEYS), "what a robot file may hold"
    assert latency_key(topics.TF) == latency_key(topics.JOINT_STATES) == latency_key(topics.EE_POSE) == "arm"
    assert latency_key(topics.WRENCH) == "wrench" and latency_key(topics.LEFT_WRENCH) == "left_wrench"
    cameras = (topics.CAMERA, topics.CAMERA_INFO, topics.CAMERA_COMPRESSED, topics.CAMERA_DEPTH)
    assert {latency_key(topic) for topic in cameras} == {"camera"}
    planned = (topics.JOINT_PLAN, topics.TOOL_PLAN, topics.CONTACTS, topics.TRUE_CONTACTS)
    always = (topics.TF_STATIC, topics.HAND_KEYPOINTS, topics.ROBOT_DESCRIPTION)
    assert not any(latency_key(topic) for topic in (*planned, *always))


def test_entries_are_read_as_they_are_written() -> None:
    latencies = Latencies.parse(["microphone=0.012", " wrench = -0.0041 "])
    assert latencies.seconds == {"microphone": 0.012, "wrench": -0.0041}
    assert Latencies.parse(latencies.entries()) == latencies
    assert latencies.ns(topics.MICROPHONE) == 12_000_000 and latencies.ns(topics.WRENCH) == -4_100_000
    assert latencies.ns(topics.CAMERA) == 0
    assert latencies and not Latencies.parse(["camera=0"])


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("mic=0.1", "`mic` is no device; known are microphone"),
        ("camera", "`camera` is not DEVICE=SECONDS"),
        ("camera=soon", "`camera=soon` is not DEVICE=SECONDS"),
        ("camera=33", "camera is 33 s.*in milliseconds"),
        ("camera=nan", "camera is nan s"),
    ],
)
def test_what_cannot_be_is_refused(entry: str, told: str) -> None:
    with pytest.raises(LatencyError, match=told):
        Latencies.parse([entry])
    with pytest.raises(LatencyError, match="camera is given twice"):
        Latencies.parse(["camera=0.1", "camera=0.2"])


def test_a_stamp_of_zero_stays_and_none_becomes_zero() -> None:
    assert earlier(0, 5) == 0, "it says that there is no stamp"
    assert earlier(100, 5) == 95 and earlier(100, -5) == 105
    assert earlier(3, 5) == 1
    last = 2**31 * 10**9 - 1  # a stamp holds no more
    assert earlier(last, -5) == last == earlier(2**40 * 10**9, 5)


@pytest.mark.parametrize("little", [True, False])
def test_bytes_of_a_message_are_moved_in_its_own_byte_order(little: bool) -> None:
    order = "<" if little else ">"
    head = bytes([0, int(little), 0, 0])
    data = head + struct.pack(f"{order}iI", 7, 5_000_000) + b"rest"
    moved = earlier_bytes(data, 10_000_000)
    assert struct.unpack_from(f"{order}iI", moved, 4) == (6, 995_000_000)
    assert moved[:4] == head and moved[12:] == b"rest" and len(moved) == len(data)
    assert earlier_bytes(data[:9], 10_000_000) == data[:9], "cut short"


def test_each_transform_is_moved() -> None:
    serialization = pytest.importorskip("rclpy.serialization")
    messages = pytest.importorskip("tf2_msgs.msg")
    geometry = pytest.importorskip("geometry_msgs.msg")
    stamps = ((5, 3_000_000), (0, 0), (9, 999))
    sent = messages.TFMessage()
    for number, (sec, nanosec) in enumerate(stamps):
        transform = geometry.TransformStamped(child_frame_id="t" * (number + 1))
        transform.header.frame_id = "w" * (2 * number)
        transform.header.stamp.sec, transform.header.stamp.nanosec = sec, nanosec
        transform.transform.translation.x = number + 0.5
        sent.transforms.append(transform)
    data = earlier_bytes(serialization.serialize_message(sent), 4_000_000, transforms=True)
    got = serialization.deserialize_message(data, messages.TFMessage)
    assert [(t.header.stamp.sec, t.header.stamp.nanosec) for t in got.transforms] == [
        (4, 999_000_000),
        (0, 0),
        (8, 996_000_999),
    ]
    assert [t.transform.translation.x for t in got.transforms] == [0.5, 1.5, 2.5]
    assert [t.child_frame_id for t in got.transforms] == ["t", "tt", "ttt"]
