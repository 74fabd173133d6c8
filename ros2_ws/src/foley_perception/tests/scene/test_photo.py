"""Headers of photographs: sizes as they are stored, and how the camera was held."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from foley_perception.scene.photo import PhotoError, read_header

Tag = Callable[..., None]


def write_photograph(path: Path) -> NDArray[np.uint8]:
    """A picture of noise, 80x60."""
    assert cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8))
    return np.asarray(cv2.imread(str(path)), np.uint8)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", [None, 1, 3, 6, 8])
def test_size_and_orientation_are_those_that_opencv_sees(
    tmp_path: Path, name: str, order: str, orientation: int | None, set_orientation: Tag
) -> None:
    stored = write_photograph(tmp_path / name)
    if orientation is not None:
        set_orientation(tmp_path / name, orientation, order=order)
    header = read_header(tmp_path / name)
    assert header is not None and header.orientation == (orientation or 1)
    assert header.size == (80, 60) and stored.shape[:2] == (60, 80)
    shown = cv2.imread(str(tmp_path / name), cv2.IMREAD_COLOR)
    assert (shown.shape[:2] == (80, 60)) == header.turns_sideways == (orientation in (6, 8))
    assert np.array_equal(shown, stored) == (orientation in (None, 1))


@pytest.mark.parametrize("orientation", [2, 4, 5, 7])
def test_a_mirror_image_is_refused_with_the_tag_and_the_cure(
    tmp_path: Path, orientation: int, set_orientation: Tag
) -> None:
    write_photograph(tmp_path / "a.jpg")
    set_orientation(tmp_path / "a.jpg", orientation)
    with pytest.raises(PhotoError, match=rf"a\.jpg: its EXIF orientation is {orientation}: .* -auto-orient"):
        read_header(tmp_path / "a.jpg")


def test_an_orientation_that_means_nothing_is_none(tmp_path: Path, set_orientation: Tag) -> None:
    for orientation in (0, 9):
        write_photograph(tmp_path / "a.jpg")
        set_orientation(tmp_path / "a.jpg", orientation)
        assert read_header(tmp_path / "a.jpg").orientation == 1  # type: ignore[union-attr]
    content = (tmp_path / "a.jpg").read_bytes()
    for exif in (b"", b"II", b"II*\0\xff\xff\xff\xff", b"XX*\0\x08\0\0\0\x01\0"):
        piece = b"\xff\xe1" + struct.pack(">H", 8 + len(exif)) + b"Exif\0\0" + exif
        (tmp_path / "a.jpg").write_bytes(content[:2] + piece + content[2:])
        assert read_header(tmp_path / "a.jpg").size == (80, 60)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_damage_is_refused_or_read_but_never_anything_else(
    tmp_path: Path, name: str, set_orientation: Tag
) -> None:
    write_photograph(tmp_path / name)
    set_orientation(tmp_path / name, 6)
    whole, rng = (tmp_path / name).read_bytes(), np.random.default_rng(0)
    for end in range(8, 24):  # before the size is told
        (tmp_path / name).write_bytes(whole[:end])
        with pytest.raises(PhotoError, match="not an image, or damaged"):
            read_header(tmp_path / name)
    for _ in range(300):
        damaged = bytearray(whole)
        for at in rng.integers(0, 200, 3):
            damaged[at] ^= 1 << int(rng.integers(8))
        (tmp_path / name).write_bytes(damaged)
        try:
            header = read_header(tmp_path / name)
        except PhotoError:
            continue
        assert header is None or min(header.size) > 0
    (tmp_path / name).write_text("a text")
    assert read_header(tmp_path / name) is None
