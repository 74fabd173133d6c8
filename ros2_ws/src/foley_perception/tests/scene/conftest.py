"""Photographs with the EXIF orientations that cameras write."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def set_orientation() -> Callable[..., None]:
    """`set_orientation(path, 6)` puts the EXIF tag into a JPEG or PNG."""
    return _set_orientation


def _set_orientation(path: Path, orientation: int, *, order: str = "<") -> None:
    mark = {"<": b"II", ">": b"MM"}[order]
    tags = struct.pack(f"{order}HHIHH", 0x0103, 3, 1, 6, 0) + struct.pack(
        f"{order}HHIHH", 0x0112, 3, 1, orientation, 0
    )
    exif = mark + struct.pack(f"{order}HIH", 42, 8, 2) + tags + bytes(4)
    content = path.read_bytes()
    if path.suffix == ".png":
        begin = 8 + 12 + 13  # after the signature and IHDR
        chunk = b"eXIf" + exif
        piece = struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    else:
        begin = 2
        piece = b"\xff\xe1" + struct.pack(">H", 2 + 6 + len(exif)) + b"Exif\0\0" + exif
    path.write_bytes(content[:begin] + piece + content[begin:])
