"""Messages to arrays and back, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")

from foley_msgs.msg import AudioChunk, HandTrajectory
from foley_ros import convert
from foley_ros.convert import ConversionError

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("time_ns", [0, 1, 999_999_999, 1_000_000_000, 1_795_000_000_123_456_789])
def test_times_keep_every_nanosecond(time_ns: int) -> None:
    assert convert.to_ns(convert.to_stamp(time_ns)) == time_ns


def test_times_outside_the_range_are_clamped() -> None:
    assert convert.to_ns(convert.to_stamp(-5)) == 0
    assert convert.to_stamp(2**63 - 1).sec == 2**31 - 1


@pytest.mark.parametrize(
    ("encoding", "shape", "dtype"),
    [("rgb8", (4, 6, 3), np.uint8), ("bgra8", (4, 6, 4), np.uint8), ("mono8", (4, 6), np.uint8),
     ("16UC1", (4, 6), np.uint16), ("32FC1", (4, 6), np.float32)],
)  # fmt: skip
def test_image_round_trip(encoding: str, shape: tuple[int, ...], dtype: type) -> None:
    pixels = (RNG.random(shape) * 200).astype(dtype)
    message = convert.array_to_image(pixels, encoding, 7, "camera")
    assert message.step * message.height == len(message.data)
    flat = np.frombuffer(message.data, dtype)
    np.testing.assert_array_equal(flat.reshape(pixels.shape), pixels)


def test_an_array_that_does_not_fit_its_encoding_is_refused() -> None:
    with pytest.raises(ConversionError, match=r"\(2, 2\) uint16 does not fit encoding `mono8`"):
        convert.array_to_image(np.ones((2, 2), np.uint16), "mono8", 0, "c")


@pytest.mark.parametrize("channels", [1, 2])
def test_audio_round_trip(channels: int) -> None:
    samples = RNG.standard_normal((480, channels)).astype(np.float32)
    message = convert.array_to_audio(
        samples, time_ns=3, frame_id="microphone", stream_id="s", first_sample=2**40, sample_rate=48_000
    )
    assert message.channels == channels and message.first_sample == 2**40
    np.testing.assert_array_equal(convert.audio_to_array(message), samples)


@pytest.mark.parametrize(
    "fields",
    [
        {"channels": 0, "sample_rate": 48_000},
        {"channels": 1, "sample_rate": 0},
        {"channels": 2, "sample_rate": 8},
    ],
)
def test_audio_that_does_not_divide_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ConversionError, match="audio chunk"):
        convert.audio_to_array(AudioChunk(samples=[0.1, 0.2, 0.3], **fields))


def test_poses_and_transforms_round_trip() -> None:
    position, quaternion = RNG.standard_normal(3), np.array([0.1, 0.2, 0.3, 0.9])
    pose = convert.pose_stamped(position, quaternion, 5, "world").pose
    np.testing.assert_allclose(convert.pose_to_arrays(pose)[0], position)
    np.testing.assert_allclose(convert.pose_to_arrays(pose)[1], quaternion)
    message = convert.arrays_to_transform(position, quaternion, 5, "world", "tool")
    assert (message.header.frame_id, message.child_frame_id) == ("world", "tool")
    np.testing.assert_allclose(np.concatenate(convert.transform_to_arrays(message)), [*position, *quaternion])


def test_keypoints_keep_an_absent_hand() -> None:
    keypoints = RNG.standard_normal((2, 21, 3))
    keypoints[0] = np.nan
    message = convert.array_to_keypoints(keypoints, time_ns=1, frame_id="world")
    assert (message.left_confidence, message.right_confidence) == (0.0, 1.0)
    np.testing.assert_array_equal(convert.keypoints_to_array(message), keypoints)
    with pytest.raises(ConversionError, match=r"\(2, 20, 3\)"):
        convert.array_to_keypoints(keypoints[:, :20], time_ns=1, frame_id="world")


def test_trajectory_round_trip() -> None:
    times = np.array([10, 20, 35], dtype=np.int64) * 10_000_000
    keypoints = RNG.standard_normal((3, 2, 21, 3))
    message = convert.arrays_to_trajectory(times, keypoints, frame_id="world", plan_id="p")
    again_times, again = convert.trajectory_to_arrays(message)
    np.testing.assert_array_equal(again_times, times)
    np.testing.assert_array_equal(again, keypoints)


def test_trajectories_that_lie_are_refused() -> None:
    with pytest.raises(ConversionError, match="0 times"):
        convert.trajectory_to_arrays(HandTrajectory(plan_id="p"))
    message = convert.arrays_to_trajectory(
        np.array([0, 10**9]), np.zeros((2, 2, 21, 3)), frame_id="world", plan_id="p"
    )
    message.time_from_start = [0.5, 0.5]
    with pytest.raises(ConversionError, match="does not increase"):
        convert.trajectory_to_arrays(message)


@pytest.mark.parametrize("count", [1_763_000_000_000_000_000, 2**63, 2**64 - 1, 2**31 * 48_000 + 1])
def test_a_count_that_no_stream_reaches_is_refused(count: int) -> None:
    chunk = convert.array_to_audio(
        np.zeros(4), time_ns=3, frame_id="m", stream_id="s", first_sample=count, sample_rate=48_000
    )
    with pytest.raises(convert.ConversionError, match="must count from 0"):
        convert.audio_to_array(chunk)


def test_a_rate_that_no_microphone_has_is_refused_before_anything_is_made_for_it() -> None:
    """A ring of ten seconds at 4 GHz would be 160 GB."""
    message = convert.array_to_audio(
        np.zeros(480, np.float32), time_ns=0, frame_id="microphone", stream_id="s", first_sample=0,
        sample_rate=4_000_000_000,
    )  # fmt: skip
    with pytest.raises(convert.ConversionError, match="4000000000 Hz"):
        convert.audio_to_array(message)
