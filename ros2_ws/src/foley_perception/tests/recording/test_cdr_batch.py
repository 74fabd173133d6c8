"""Many serialised poses and transforms at once are as each of them."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest

pytest.importorskip("rclpy")
from rclpy.serialization import serialize_message
from tf2_msgs.msg import TFMessage

from foley_perception.recording.cdr_batch import read_poses, read_transforms
from foley_ros import convert

RNG = np.random.default_rng(3)


def pose(frame: str, time_ns: int) -> tuple[bytes, np.ndarray]:
    numbers = RNG.normal(size=7)
    message = convert.pose_stamped(numbers[:3], numbers[3:], time_ns, frame)
    return serialize_message(message), numbers


def test_poses_in_several_frames_are_read_in_their_places() -> None:
    frames = [("world", "base_link", "", "ba_e_link")[i % 4] for i in range(40)]
    made = [pose(frame, 5 + 1_700_000_000_123_456_789 * (i > 0) + i) for i, frame in enumerate(frames)]
    found: dict[int, tuple[str, int, np.ndarray]] = {}
    for part in read_poses([data for data, _ in made]):
        for row, time_ns, numbers in zip(part.rows, part.times_ns, part.numbers, strict=True):
            found[int(row)] = (part.parent, int(time_ns), numbers)
    assert len(found) == 40
    for i, (_, numbers) in enumerate(made):
        frame, time_ns, read = found[i]
        assert frame == frames[i] and time_ns == (5 if i == 0 else 1_700_000_000_123_456_794 + i)
        np.testing.assert_array_equal(read, numbers)


def test_big_endian_poses_are_read() -> None:
    text = b"base\0"
    data = (
        bytes([0, 0, 0, 0])
        + struct.pack(">iII", 7, 8, len(text))
        + text
        + bytes(7)
        + struct.pack(">7d", *range(7))
    )
    (part,) = read_poses([data])
    assert (part.parent, part.times_ns.tolist()) == ("base", [7_000_000_008])
    assert part.numbers.tolist() == [[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]


def test_transforms_of_messages_that_hold_several_are_read() -> None:
    messages, told = [], []
    for i in range(6):
        message = TFMessage()
        for child in ("a", "long_name", "b")[: 1 + i % 3]:
            numbers = RNG.normal(size=7)
            message.transforms.append(
                convert.arrays_to_transform(numbers[:3], numbers[3:], 10 * i, "world", child)
            )
            told.append((i, child, 10 * i, numbers))
        messages.append(serialize_message(message))
    found = [
        (int(row), part.child, int(time_ns), numbers)
        for part in read_transforms(messages)
        for row, time_ns, numbers in zip(part.rows, part.times_ns, part.numbers, strict=True)
    ]
    assert [f[:3] for f in sorted(found, key=lambda f: f[:2])] == sorted(t[:3] for t in told)
    by_place = {f[:2]: f[3] for f in found}
    for row, child, _, numbers in told:
        np.testing.assert_array_equal(by_place[(row, child)], numbers)


def test_damaged_messages_are_left_out_and_the_others_read() -> None:
    rng = random.Random(1)
    whole = [pose("world", i)[0] for i in range(50)]
    messages = list(whole)
    for _ in range(400):
        damaged = bytearray(rng.choice(whole))
        for _ in range(rng.randrange(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        messages.insert(rng.randrange(len(messages)), bytes(damaged[: rng.randrange(len(damaged) + 1)]))
    read = {messages[row] for part in read_poses(messages) for row in part.rows}
    assert set(whole) <= read
    assert not any(part.rows.size for part in read_transforms([b"", b"\0", bytes(4), b"\xff" * 90]))
    many = b"\0\1\0\0" + struct.pack("<I", 2**32 - 1) + bytes(200)
    assert not list(read_transforms([many]))
