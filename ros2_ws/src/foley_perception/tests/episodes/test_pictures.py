"""Images of bags in the encodings that drivers and image_transport send."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore

from foley_perception.episodes import EpisodeError
from foley_perception.episodes.pictures import frame_track
from foley_perception.recording.bag import BagTopic

STORE = get_typestore(Stores.ROS2_JAZZY)
TYPE = "sensor_msgs/msg/CompressedImage"
DEPTH_MM = np.array([[0, 500, 1000], [65535, 1, 2345]], dtype=np.uint16)


class _Message:
    def __init__(self, data: bytes) -> None:
        self.data, self.log_time, self.topic = data, 5, "/depth"


def track(form: str, body: bytes, *, depth: bool = True) -> Any:
    new = STORE.types
    header = new["std_msgs/msg/Header"](new["builtin_interfaces/msg/Time"](3, 7), "camera_optical")
    message = new[TYPE](header, form, np.frombuffer(body, np.uint8))
    data = bytes(STORE.serialize_cdr(message, TYPE))
    topic = BagTopic(name="/depth", type=TYPE, encoding="ros2msg", definition="")
    return frame_track(topic, [_Message(data)], depth=depth)


def raw_depth(rows: list[float]) -> Any:
    """Floats of 1x2 pixels, an image for each value."""
    new = STORE.types
    kind = "sensor_msgs/msg/Image"
    messages = []
    for k, value in enumerate(rows):
        header = new["std_msgs/msg/Header"](new["builtin_interfaces/msg/Time"](3 + k, 0), "camera_optical")
        pixels = np.full((1, 2), value, np.float32).view(np.uint8).ravel()
        messages.append(
            _Message(bytes(STORE.serialize_cdr(new[kind](header, 1, 2, "32FC1", 0, 8, pixels), kind)))
        )
    return frame_track(
        BagTopic(name="/depth", type=kind, encoding="ros2msg", definition=""), messages, depth=True
    )


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def test_compressed_depth_of_millimetres() -> None:
    frames = track("16UC1; compressedDepth png", struct.pack("<iff", 0, 0.0, 0.0) + png(DEPTH_MM))
    assert frames.times_ns.tolist() == [3_000_000_007]
    metres = frames.read(0)
    assert metres.dtype == np.float32 and np.isnan(metres[0, 0])
    assert metres.ravel()[1:] == pytest.approx(DEPTH_MM.ravel()[1:] / 1000.0)


def test_compressed_depth_of_inverse_metres() -> None:
    """depth = a / (q - b); a value that gives no depth is unknown."""
    a, b = 1000.0, 10.0
    quantised = np.array([[0, 510, 1010], [10, 5, 2010]], dtype=np.uint16)
    metres = track("32FC1; compressedDepth png", struct.pack("<iff", 0, a, b) + png(quantised)).read(0)
    assert np.isnan(metres[[0, 1, 1], [0, 0, 1]]).all()
    assert metres[[0, 0, 1], [1, 2, 2]] == pytest.approx([2.0, 1.0, 0.5])


@pytest.mark.parametrize(
    "form, body, reason",
    [
        ("16UC1; compressedDepth rvl", struct.pack("<iff", 0, 0, 0) + png(DEPTH_MM), "compressedDepth rvl"),
        ("16UC1; compressedDepth png", struct.pack("<iff", 0, 0, 0), "holds no PNG"),
        (
            "16UC1; compressedDepth png",
            struct.pack("<iff", 0, 0, 0) + png(DEPTH_MM.astype(np.uint8)),
            "16 bit",
        ),
        ("rgb8; jpeg compressed bgr8", png(DEPTH_MM), "format is `rgb8; jpeg"),
    ],
)
def test_other_depth_is_refused(form: str, body: bytes, reason: str) -> None:
    with pytest.raises(EpisodeError, match=reason):
        track(form, body)


def test_jpeg_comes_out_as_rgb() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 2] = 250  # OpenCV's order is BGR
    body = cv2.imencode(".jpg", red)[1].tobytes()
    pixels = track("rgb8; jpeg compressed bgr8", body, depth=False).read(0)
    assert pixels.shape == (16, 16, 3) and pixels[8, 8, 0] > 240 and pixels[8, 8, 2] < 10


def test_the_unit_is_looked_for_beyond_the_first_images() -> None:
    """The camera is covered for 400 images, and sends millimetres as floats."""
    frames = raw_depth([np.nan] * 400 + [950.0] * 1000)
    assert frames.read(1399) == pytest.approx(0.95) and np.isnan(frames.read(0)).all()
    assert "they are taken for millimetres" in str(frames.findings[0])
    with pytest.raises(EpisodeError, match="/depth: none of its 20 images holds a reading"):
        raw_depth([np.nan, np.inf, -1.0, 0.0] * 5)
    with pytest.raises(EpisodeError, match="/depth: none of 600 images holds a reading"):
        raw_depth([np.nan] * 900)
