"""What the header of a photograph says: its size and how it was held, without decoding it.

Every reader of scenes takes pixels as they are STORED, as COLMAP and the intrinsics of most tools do. A camera that was
held upright stores the turned picture and an EXIF orientation of 3, 6 or 8, which changes nothing about a pinhole
camera; one of 2, 4, 5 or 7 stores a mirror image, in which nothing fits a world, and is refused.
"""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path
from typing import BinaryIO

SUFFIXES = (".jpg", ".jpeg", ".png")
UPRIGHT_CURE = "write the pictures upright, as with `mogrify -auto-orient *.jpg`"

_ORIENTATION_TAG = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_MIRRORED = (2, 4, 5, 7)
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))
_FRAME_STARTS = tuple(marker for marker in range(0xC0, 0xD0) if marker not in (0xC4, 0xC8, 0xCC))


class PhotoError(ValueError):
    """A picture cannot be used; the message names it, the reason and the cure."""


@dataclasses.dataclass(frozen=True)
class PhotoHeader:
    """Size of the stored pixels, and the EXIF orientation that says how to turn them for people (1: not at all)."""

    width: int
    height: int
    orientation: int = 1

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height

    @property
    def turns_sideways(self) -> bool:
        """Whether a viewer shows width for height."""
        return self.orientation in _SIDEWAYS


def read_header(path: Path) -> PhotoHeader | None:
    """Of a JPEG or PNG; None for any other format.

    Raises:
        PhotoError: the header is damaged, or the picture is stored as a mirror image.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(8)
            if begin[:2] == _JPEG:
                header = _jpeg(file)
            elif begin == _PNG:
                header = _png(file)
            else:
                return None
    except (OSError, struct.error, ValueError) as error:
        raise PhotoError(
            f"{path}: not an image, or damaged ({error}); remove it, or copy it again"
        ) from error
    if header.orientation in _MIRRORED:
        raise PhotoError(
            f"{path}: its EXIF orientation is {header.orientation}: it is stored as a mirror image; {UPRIGHT_CURE}"
        )
    return header


def _jpeg(file: BinaryIO) -> PhotoHeader:
    file.seek(2)
    orientation, size = 1, None
    while size is None:
        marker = file.read(1)
        if marker != b"\xff":
            raise ValueError("its header ends early")
        while marker == b"\xff":
            marker = file.read(1)
        if not marker or marker[0] in (0xD9, 0xDA):
            raise ValueError("its header names no size")
        if marker[0] in _WITHOUT_LENGTH:
            continue
        (length,) = struct.unpack(">H", file.read(2))
        content = file.read(max(length - 2, 0))
        if marker[0] in _FRAME_STARTS:
            _, height, width = struct.unpack(">BHH", content[:5])
            size = width, height
        elif marker[0] == 0xE1 and content[:6] == b"Exif\0\0" and orientation == 1:
            orientation = _orientation(content[6:])
    return _header(*size, orientation)


def _png(file: BinaryIO) -> PhotoHeader:
    file.seek(len(_PNG))
    orientation, size = 1, (0, 0)
    while True:
        length, name = struct.unpack(">I4s", file.read(8))
        if name == b"IHDR":
            size = struct.unpack(">II", file.read(8))
            length -= 8
        elif name == b"eXIf":
            orientation = _orientation(file.read(min(length, 1 << 16)))
            break
        elif name in (b"IDAT", b"IEND"):  # readers of pictures look no further
            break
        file.seek(length + 4, 1)
    return _header(*size, orientation)


def _header(width: int, height: int, orientation: int) -> PhotoHeader:
    if width < 1 or height < 1:
        raise ValueError("its header names no size")
    return PhotoHeader(width, height, orientation)


def _orientation(exif: bytes) -> int:
    """Of the first directory of a TIFF; 1 where there is none that means something."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2], "")
    try:
        (begin,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, begin)
        for at in range(begin + 2, begin + 2 + 12 * count, 12):
            tag, kind, number, value = struct.unpack_from(f"{order}HHIH", exif, at)
            if tag == _ORIENTATION_TAG and kind == 3 and number == 1:
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
