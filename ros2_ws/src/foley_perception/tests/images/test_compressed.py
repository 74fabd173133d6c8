from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest

from foley_perception.images import ImageError, compressed_depth, compressed_rgb, compressed_size

RED = np.zeros((32, 48, 3), np.uint8)
RED[..., 2] = 250  # OpenCV's order is BGR
NOISE = np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8)
DEPTH_MM = np.array([[0, 500, 1000], [65535, 1, 2345]], dtype=np.uint16)


def file(pixels: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("form", ["jpeg", "rgb8; jpeg compressed bgr8", "bgr8; png compressed bgr8", ""])
def test_colours(form: str, suffix: str) -> None:
    seen = compressed_rgb(form, file(RED, suffix))
    assert seen.shape == (32, 48, 3) and np.abs(seen[16, 24].astype(int) - (250, 0, 0)).max() < 6


def test_a_file_whose_red_and_blue_changed_places() -> None:
    """`compressed rgb8`: the publisher took RGB for OpenCV's BGR."""
    assert compressed_rgb("rgb8; png compressed rgb8", file(RED[..., ::-1]))[16, 24].tolist() == [250, 0, 0]


def test_grey_16_bit_and_transparent() -> None:
    assert (
        compressed_rgb("mono8; jpeg compressed ", file(np.full((8, 8), 90, np.uint8), ".jpg"))[4, 4].tolist()
        == [90] * 3
    )
    sixteen = np.full((4, 4), 32768, np.uint16)
    assert compressed_rgb("mono16; png compressed mono16", file(sixteen))[0, 0].tolist() == [128] * 3
    deep = RED.astype(np.uint16) * 257
    assert compressed_rgb("bgr16; png compressed bgr16", file(deep))[0, 0].tolist() == [250, 0, 0]
    alpha = np.dstack([RED, np.full(RED.shape[:2], 9, np.uint8)])
    assert compressed_rgb("bgra8; png compressed bgra8", file(alpha))[0, 0].tolist() == [250, 0, 0]


def test_a_mosaic_in_a_file() -> None:
    mosaic = np.zeros((8, 8), np.uint8)
    mosaic[::2, ::2] = 200  # the red ones of rggb
    assert compressed_rgb("bayer_rggb8; png compressed ", file(mosaic))[4, 4].tolist() == [200, 0, 0]


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_size_without_decoding(suffix: str) -> None:
    assert compressed_size("jpeg", file(NOISE, suffix)) == (48, 32)
    progressive = cv2.imencode(
        ".jpg", NOISE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2]
    )
    assert compressed_size("jpeg", progressive[1].tobytes()) == (48, 32)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_cut_file_is_damaged(suffix: str) -> None:
    """OpenCV fills the rest of a JPEG with grey and says nothing."""
    body = file(NOISE, suffix)
    for length in (0, 3, 30, len(body) // 2, len(body) - 3):
        with pytest.raises(ImageError):
            compressed_size("jpeg", body[:length])


def test_changed_bytes_are_damage() -> None:
    body = bytearray(file(NOISE))
    body[len(body) // 2] ^= 4
    with pytest.raises(ImageError, match="checksum"):
        compressed_rgb("png", bytes(body))
    body = bytearray(file(NOISE, ".jpg"))
    body[len(body) // 2 : len(body) // 2 + 2] = b"\xff\x42"
    with pytest.raises(ImageError, match="damaged at byte"):
        compressed_rgb("jpeg", bytes(body))


def test_other_files_are_refused() -> None:
    with pytest.raises(ImageError, match=r"neither JPEG nor PNG.*`webp`"):
        compressed_rgb("webp", b"RIFF....WEBPVP8 ")


def test_depth_keeps_its_numbers() -> None:
    body = struct.pack("<iff", 0, 0.0, 0.0) + file(DEPTH_MM)
    assert np.array_equal(compressed_depth("16UC1; compressedDepth png", body), DEPTH_MM)
    assert compressed_size("16UC1; compressedDepth png", body, depth=True) == (3, 2)


def test_inverse_depth() -> None:
    quantised = np.array([[0, 510, 1010], [10, 5, 2010]], dtype=np.uint16)
    metres = compressed_depth(
        "32FC1; compressedDepth png", struct.pack("<iff", 0, 1000.0, 10.0) + file(quantised)
    )
    assert np.isnan(metres[[0, 1, 1], [0, 0, 1]]).all()
    assert metres[[0, 0, 1], [1, 2, 2]] == pytest.approx([2.0, 1.0, 0.5])
