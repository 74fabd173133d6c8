"""The right pixel of every encoding: red on the left, green above, blue below, white on the right."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from foley_perception.images import ImageError, RawImage, depth_values, rgb_of
from foley_perception.images.raw import check_raw

RED, GREEN, BLUE, WHITE, GREY = (200, 0, 0), (0, 180, 0), (0, 0, 160), (255, 255, 255), (90, 90, 90)


def raw(
    pixels: np.ndarray, encoding: str, *, big: bool = False, padding: int = 0, height: int = 0
) -> RawImage:
    """Pixels [H, W] or [H, W, channels] as a driver sends them."""
    lines = pixels.reshape(pixels.shape[0], -1)
    lines = lines.astype(lines.dtype.newbyteorder(">" if big else "<"))
    rows = lines.view(np.uint8).reshape(len(lines), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    height, width = height or pixels.shape[0], pixels.shape[1]
    return RawImage(height, width, encoding, big, rows.shape[1], rows.tobytes())


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("order", ["rgb", "bgr", "rgba", "bgra"])
def test_colours_in_their_order(order: str, bits: int, padding: int) -> None:
    wanted = np.array([[RED, GREEN, BLUE], [WHITE, GREY, RED]], np.uint8)
    channels = [*wanted.transpose(2, 0, 1), np.full((2, 3), 255, np.uint8)]
    pixels = np.stack([channels["rgba".index(c)] for c in order], axis=-1)
    if bits == 16:
        pixels = pixels.astype(np.uint16) * 257
    for big in (False, True):
        assert np.array_equal(rgb_of(raw(pixels, f"{order}{bits}", big=big, padding=padding)), wanted)


@pytest.mark.parametrize(("encoding", "first"), [("8UC3", 3), ("8UC4", 4)])
def test_what_names_no_colours_is_blue_first(encoding: str, first: int) -> None:
    pixels = np.array([[[10, 20, 30, 40][:first]]], np.uint8)
    assert rgb_of(raw(pixels, encoding)).tolist() == [[[30, 20, 10]]]


@pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
def test_grey(encoding: str) -> None:
    grey = np.array([[0, 90, 255]], np.uint8)
    assert rgb_of(raw(grey, encoding)).tolist() == [[[0, 0, 0], [90, 90, 90], [255, 255, 255]]]


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
def test_grey_of_16_bit(encoding: str, big: bool) -> None:
    grey = np.array([[0, 257, 32768, 65535]], np.uint16)
    assert rgb_of(raw(grey, encoding, big=big, padding=2))[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer(pattern: str, bits: int) -> None:
    """Four fields of one colour each; in the middle of a field its own colour is seen."""
    size = 16
    colours = np.zeros((2 * size, 2 * size, 3), np.uint8)
    for k, colour in enumerate((RED, GREEN, BLUE, (200, 100, 50))):
        colours[k // 2 * size : (k // 2 + 1) * size, k % 2 * size : (k % 2 + 1) * size] = colour
    rows, columns = np.mgrid[0 : 2 * size, 0 : 2 * size]
    which = np.array(["rgb".index(c) for c in pattern]).reshape(2, 2)[rows % 2, columns % 2]
    mosaic = colours[rows, columns, which]
    if bits == 16:
        mosaic = mosaic.astype(np.uint16) * 257
    seen = rgb_of(raw(mosaic, f"bayer_{pattern}{bits}"))
    for k, colour in enumerate((RED, GREEN, BLUE, (200, 100, 50))):
        at = (k // 2 * size + size // 2, k % 2 * size + size // 2)
        assert tuple(seen[at].tolist()) == colour


def limited(red: int, green: int, blue: int) -> tuple[int, int, int]:
    """Y, U, V of BT.601, by its formula."""
    y = 16 + (65.738 * red + 129.057 * green + 25.064 * blue) / 256
    u = 128 + (-37.945 * red - 74.494 * green + 112.439 * blue) / 256
    v = 128 + (112.439 * red - 94.154 * green - 18.285 * blue) / 256
    return round(y), round(u), round(v)


@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv", "nv21", "nv12"])
def test_yuv(encoding: str) -> None:
    colours = (RED, GREEN, BLUE, GREY)  # of 2x2 pixels each, side by side
    known = [limited(*colour) for colour in colours]
    if encoding.startswith("nv"):
        luma = np.repeat([y for y, _, _ in known], 2)
        chroma = np.ravel([(u, v) if encoding == "nv12" else (v, u) for _, u, v in known])
        pixels = np.stack([luma, luma, chroma]).astype(np.uint8)
        image = raw(pixels, encoding, height=2)
    else:
        uyvy = encoding in ("yuv422", "uyvy")
        pairs = [((u, y), (v, y)) if uyvy else ((y, u), (y, v)) for y, u, v in known]
        image = raw(np.array([sum(pairs, ())] * 2, np.uint8), encoding)
    seen = rgb_of(image)
    assert seen.shape == (2, 8, 3)
    wanted = np.repeat(np.array(colours), 2, axis=0)
    assert np.abs(seen[1].astype(int) - wanted).max() <= 3


@pytest.mark.parametrize("big", [False, True])
def test_depth_as_it_was_sent(big: bool) -> None:
    millimetres = np.array([[0, 1234, 65535]], np.uint16)
    assert np.array_equal(depth_values(raw(millimetres, "16UC1", big=big, padding=2)), millimetres)
    metres = np.array([[np.nan, 0.5, 2.25]], np.float32)
    assert np.array_equal(depth_values(raw(metres, "32FC1", big=big)), metres, equal_nan=True)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"encoding": "rgb7"}, "encoding is `rgb7`, supported are rgb8, "),
        ({"step": 8}, "step 8 and 18 bytes, needs step >= 9"),
        ({"data": b"1234567"}, "step 9 and 7 bytes, needs step >= 9 and 18 bytes"),
        ({"height": 0}, "3x0 rgb8 is empty"),
        ({"encoding": "yuv422"}, "must be even"),
    ],
)
def test_wrong_fields_are_told(changes: dict[str, Any], told: str) -> None:
    image = dataclasses.replace(raw(np.zeros((2, 3, 3), np.uint8), "rgb8"), **changes)
    for read in (rgb_of, lambda image: check_raw(image, depth=False)):
        with pytest.raises(ImageError, match=told):
            read(image)


def test_depth_is_no_colour() -> None:
    with pytest.raises(ImageError, match="`rgb8`, supported are 16UC1, mono16, 32FC1"):
        depth_values(raw(np.zeros((2, 3, 3), np.uint8), "rgb8"))
