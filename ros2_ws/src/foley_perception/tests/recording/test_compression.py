"""The parameter `compression`, and images as they are encoded."""

from __future__ import annotations

import threading
from typing import Any

import cv2
import numpy as np
import pytest

from foley_perception.images.compressed import compressed_depth, compressed_rgb
from foley_perception.images.errors import ImageError
from foley_perception.recording import cdr
from foley_perception.recording.compression import Compression, Form, encoded_topic
from foley_perception.recording.config import RecorderConfig
from foley_perception.recording.encode import Encoder, encoded

IMAGE = "sensor_msgs/msg/Image"
TIME_NS = 1_800_000_000_123_456_789


def image(serialise: Any, pixels: np.ndarray, encoding: str) -> bytes:
    types = serialise.types
    stamp = types["builtin_interfaces/msg/Time"](TIME_NS // 10**9, TIME_NS % 10**9)
    header = types["std_msgs/msg/Header"](stamp, "camera_optical")
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels).view(np.uint8).ravel()
    message = types[IMAGE](header, height, width, encoding, 0, data.size // height, data)
    return bytes(serialise(IMAGE, message))


def colours() -> np.ndarray:
    row = np.linspace(0, 255, 64, dtype=np.uint8)
    return np.stack(
        [np.tile(row, (48, 1)), np.tile(row[::-1], (48, 1)), np.full((48, 64), 90, np.uint8)], axis=2
    )


def opened(data: bytes) -> tuple[cdr.CompressedHead, bytes]:
    head = cdr.read_compressed_head(data)
    assert head.header == (TIME_NS, "camera_optical")
    return head, data[head.offset : head.offset + head.size]


@pytest.mark.parametrize(("encoding", "turn"), [("rgb8", False), ("bgr8", True)])
@pytest.mark.parametrize("form", [Form("png"), Form("jpeg", 95)])
def test_colour_as_image_transport_writes_it(serialise: Any, encoding: str, turn: bool, form: Form) -> None:
    rgb = colours()
    data = encoded("/camera/image_raw", form, image(serialise, rgb[..., ::-1] if turn else rgb, encoding))
    head, file = opened(data)
    assert head.format == f"{encoding}; {form.kind} compressed bgr8"
    found = compressed_rgb(head.format, file)
    assert np.abs(found.astype(int) - rgb.astype(int)).max() <= (0 if form.kind == "png" else 12)
    # Any program that opens the file sees the same: OpenCV gives blue first.
    assert np.array_equal(cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)[..., ::-1], found)


def test_grey_and_depth(serialise: Any) -> None:
    grey = colours()[..., 0]
    head, file = opened(encoded("/a/image_raw", Form("png"), image(serialise, grey, "mono8")))
    assert (
        head.format == "mono8; png compressed " and cv2.imdecode(np.frombuffer(file, np.uint8), -1).ndim == 2
    )
    assert np.array_equal(compressed_rgb(head.format, file)[..., 1], grey)
    depth = (np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21) % 65535
    head, file = opened(encoded("/camera/depth/image_raw", Form("png"), image(serialise, depth, "16UC1")))
    assert head.format == "16UC1; compressedDepth png"
    assert np.array_equal(compressed_depth(head.format, file), depth)


@pytest.mark.parametrize(
    ("topic", "form", "pixels", "encoding", "said"),
    [
        ("/camera/depth/image_raw", "png", np.ones((4, 4), np.float32), "32FC1", "lose precision as PNG; use zstd"),
        ("/thermal", "png", np.ones((4, 4), np.uint16), "mono16", "would cost precision; use zstd"),
        ("/thermal", "jpeg", np.ones((4, 4), np.uint16), "16UC1", "would cost precision; use zstd"),
        ("/colour", "png", np.ones((4, 4), np.uint8), "bayer_rggb8", "with a loss; use zstd or jpeg"),
        ("/colour", "png", np.ones((4, 4, 4), np.uint8), "rgba8", "with a loss; use zstd or jpeg"),
        ("/colour", "png", np.ones((4, 4, 2), np.uint8), "yuyv", "with a loss; use zstd or jpeg"),
        ("/colour", "jpeg", np.ones((4, 4, 3), np.uint16), "rgb16", "would cost precision; use zstd"),
    ],
)  # fmt: skip
def test_what_would_change_what_was_measured_is_not_encoded(
    serialise: Any, topic: str, form: str, pixels: np.ndarray, encoding: str, said: str
) -> None:
    with pytest.raises(ImageError, match=said):
        encoded(topic, Form(form), image(serialise, pixels, encoding))


def test_more_than_can_be_encoded_stays_as_it_is(serialise: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounded: images beyond the bound are handed back at once, and later ones are taken again."""
    go_on = threading.Event()
    data = image(serialise, colours(), "rgb8")
    original = cv2.imencode

    def slow(*args: Any) -> Any:
        go_on.wait(60)
        return original(*args)

    monkeypatch.setattr(cv2, "imencode", slow)
    encoder = Encoder(3 * len(data))
    put = [encoder.put("/a", Form("jpeg"), data) for _ in range(5)]
    assert [done.done() for done in put] == [False] * 3 + [True] * 2
    assert "faster than they can be encoded" in str(put[4].result())
    go_on.set()
    assert all(isinstance(done.result(), bytes) for done in put[:3])
    assert isinstance(encoder.put("/a", Form("jpeg"), b"\0\1\0\0").result(), str)  # no image at all
    assert isinstance(encoder.put("/a", Form("jpeg"), data).result(), bytes)
    encoder.close()


# ---- the parameter -----------------------------------------------------------------------------------------
def test_topics_come_before_types_and_depth_is_never_jpeg() -> None:
    config = RecorderConfig(
        compression=(f"{IMAGE}=jpeg:90", "foley_msgs/msg/AudioChunk=zstd", "contact_mic/audio=none"),
        topic_map=("camera/image_raw=/wrist/colour",),
    )
    forms = config.forms({f"/{spec.name.lstrip('/')}": spec for spec in config.specs})
    assert {topic: str(form) for topic, form in forms.items()} == {
        "/wrist/colour": "jpeg:90",
        "/camera/depth/image_raw": "png",
        "/mic/audio": "zstd",
    }
    assert encoded_topic("/camera/depth/image_raw", forms["/camera/depth/image_raw"]).endswith(
        "/compressedDepth"
    )
    mapped = RecorderConfig(
        compression=("camera/image_raw=png",), topic_map=("camera/image_raw=/wrist/colour",)
    )
    assert (
        str(mapped.forms({"/wrist/colour": next(s for s in mapped.specs if s.name == "/wrist/colour")}))
        != "{}"
    )
    compressed = Compression.parse([f"{IMAGE}=jpeg"]).of(["/a/compressed"], "sensor_msgs/msg/CompressedImage")
    assert compressed.kind == "none" and RecorderConfig().forms({}) == {}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("camera/image_raw", "`camera/image_raw` is not `topic=form`"),
        ("camera/image_raw=gif", "`gif` in `camera/image_raw=gif`, known are none, zstd, png, jpeg"),
        ("camera/image_raw=jpeg:0", "quality is 0"),
        ("camera/depth/image_raw=jpeg", "JPEG would change depth; use png or zstd"),
        ("mic/audio=png", "mic/audio has type foley_msgs/msg/AudioChunk, png is for sensor_msgs/msg/Image; use zstd"),
        ("foley_msgs/msg/AudioChunk=jpeg", "jpeg is for sensor_msgs/msg/Image only"),
        ("mic/sound=zstd", "mic/sound is not recorded"),
    ],
)  # fmt: skip
def test_entries_that_are_refused(entry: str, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        RecorderConfig(compression=(entry,))
    assert said in str(refused.value)


def test_two_topics_never_become_one() -> None:
    both = (*RecorderConfig().topics, "camera/image_raw/compressed sensor_msgs/msg/CompressedImage image")
    assert RecorderConfig(topics=both, compression=(f"{IMAGE}=zstd",))
    with pytest.raises(ValueError, match="camera/image_raw/compressed, which is recorded itself; leave"):
        RecorderConfig(topics=both, compression=(f"{IMAGE}=jpeg",))


@pytest.mark.parametrize(
    "wrong", [{"split_s": -1.0}, {"split_mb": 0.5}, {"snapshot_s": float("nan")}, {"snapshot_mb": 0.0}]
)
def test_numbers_that_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RecorderConfig(**wrong)
