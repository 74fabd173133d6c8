"""Files inside of sensor_msgs/CompressedImage: JPEG and PNG, and depth as compressedDepth writes it.

``format`` is read as compressed_image_transport does: `rgb8; jpeg compressed bgr8` is a picture that was rgb8 and is
in the file as any program reads it; `compressed rgb8` has red and blue changed places in the file. A one-channel file
of a Bayer encoding is the mosaic itself.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_perception.images.errors import ImageError
from foley_perception.images.raw import DEPTH, Rgb, bayer_code, to_rgb

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_DEPTH_HEADER = struct.Struct("<iff")  # of compressedDepth: an enum, and the two numbers of inverse depth
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))  # markers of a JPEG without a length
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers that tell the size
_CHANNELS = {2: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}


def compressed_rgb(form: str, data: bytes | memoryview) -> Rgb:
    """RGB [H, W, 3] uint8 of a JPEG or PNG.

    Raises:
        ImageError: it is neither, or is damaged.
    """
    compressed_size(form, data)
    pixels = _decoded(data)
    encoding, _, how = form.partition(";")
    if pixels.ndim == 2:
        code = bayer_code(encoding.strip())
        return to_rgb(pixels, cv2.COLOR_GRAY2RGB if code is None else code)
    if "compressed rgb" in how:
        return to_rgb(pixels[..., :3], None)
    return to_rgb(pixels, _CHANNELS.get(pixels.shape[2], cv2.COLOR_BGR2RGB))


def compressed_depth(form: str, data: bytes | memoryview) -> NDArray[np.generic]:
    """Depth [H, W] as it was sent, of a PNG behind the 12-byte header of image_transport's compressedDepth.

    16UC1 holds integers, to be scaled by :class:`DepthScale`; 32FC1 holds inverse depth q, and depth = a / (q - b)
    with a and b from the header; NaN where unknown.

    Raises:
        ImageError: another format, or damaged.
    """
    encoding = _depth_encoding(form)
    body = _depth_file(form, data)
    _png_size(body)
    pixels: NDArray[Any] = _decoded(body)
    if pixels.dtype != np.uint16 or pixels.ndim != 2:
        raise ImageError("a depth image holds no PNG of 16 bit grey, or is damaged")
    if encoding != "32FC1":
        return pixels
    _, a, b = _DEPTH_HEADER.unpack_from(data)
    metres = np.full(pixels.shape, np.nan, dtype=np.float32)
    known = pixels > 0
    with np.errstate(divide="ignore"):
        depth = a / (pixels[known].astype(np.float64) - b)
    metres[known] = np.where(np.isfinite(depth) & (depth > 0), depth, np.nan)
    return metres


def compressed_size(form: str, data: bytes | memoryview, *, depth: bool = False) -> tuple[int, int]:
    """Width and height; the file is looked through for damage, but not decoded.

    OpenCV fills what is missing of a JPEG with grey and says nothing, so its markers are followed to the end.

    Raises:
        ImageError: neither JPEG nor PNG, or damaged.
    """
    if depth:
        _depth_encoding(form)
        return _png_size(_depth_file(form, data))
    begin = bytes(data[:8])
    if begin.startswith(_JPEG):
        return _jpeg_size(data)
    if begin == _PNG:
        return _png_size(data)
    raise ImageError(
        f"a compressed image is neither JPEG nor PNG, or is damaged (format is `{form}`); set the publisher's format "
        "to jpeg or png"
    )


# ---- inside --------------------------------------------------------------------------------------------
def _decoded(data: bytes | memoryview) -> NDArray[np.generic]:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16):
        raise ImageError("a compressed image is damaged")
    return np.asarray(pixels)


def _depth_encoding(form: str) -> str:
    encoding, _, kind = (part.strip() for part in form.partition(";"))
    plain = kind.startswith("png compressed") and encoding != "32FC1"  # by the transport of colour images
    if encoding not in DEPTH or not (plain or kind in ("compressedDepth", "compressedDepth png")):
        raise ImageError(
            f"format is `{form}`, supported are `16UC1; compressedDepth png` and `32FC1; compressedDepth png`; set "
            "the publisher's compressedDepth format to png"
        )
    return encoding


def _depth_file(form: str, data: bytes | memoryview) -> bytes | memoryview:
    body = data[_DEPTH_HEADER.size :] if "compressedDepth" in form else data
    if bytes(body[:8]) != _PNG:
        raise ImageError("a depth image holds no PNG of 16 bit grey, or is damaged")
    return body


def _png_size(data: bytes | memoryview) -> tuple[int, int]:
    """Size of a PNG whose chunks are all there and right."""
    size, at, ended = (0, 0), 8, False
    while not ended:
        if len(data) < at + 12:
            raise ImageError(f"a PNG ends after {len(data)} bytes, in the middle")
        (length,), kind = struct.unpack_from(">I", data, at), bytes(data[at + 4 : at + 8])
        if len(data) < at + 12 + length:
            raise ImageError(f"a PNG ends after {len(data)} bytes, in the middle")
        (told,) = struct.unpack_from(">I", data, at + 8 + length)
        if zlib.crc32(data[at + 4 : at + 8 + length]) != told:
            raise ImageError("a PNG is damaged: the checksum of a chunk is wrong")
        if kind == b"IHDR" and length >= 8:
            size = struct.unpack_from(">II", data, at + 8)
        at, ended = at + 12 + length, kind == b"IEND"
    return size


def _jpeg_size(data: bytes | memoryview) -> tuple[int, int]:
    """Size of a JPEG whose markers lead from its begin to its end."""
    size, at = (0, 0), 2
    while True:
        if len(data) < at + 4:
            raise ImageError(f"a JPEG ends after {len(data)} bytes, in the middle")
        if data[at] != 0xFF:
            raise ImageError(f"a JPEG is damaged: no marker at byte {at}")
        marker = data[at + 1]
        if marker == 0xFF or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _FRAMES and length >= 7 and len(data) >= at + 9:
            height, width = struct.unpack_from(">HH", data, at + 5)
            size = (width, height)
        at += 2 + length
        if marker != 0xDA:
            continue
        at = _end_of_scan(data, at)
        if data[at + 1] == 0xD9:
            return size


def _end_of_scan(data: bytes | memoryview, start: int) -> int:
    """Where the next marker behind a scan's bytes stands; in them 0xFF is followed by 0 or a restart marker."""
    pixels = np.frombuffer(data, np.uint8)[start:]
    marks = np.flatnonzero(pixels[:-1] == 0xFF)
    kinds = pixels[marks + 1]
    real = marks[(kinds != 0) & (kinds != 0xFF) & ~((kinds >= 0xD0) & (kinds <= 0xD7))]
    if not real.size:
        raise ImageError(f"a JPEG ends after {len(data)} bytes, in the middle")
    at = start + int(real[0])
    if data[at + 1] not in (0xC4, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)):
        raise ImageError(f"a JPEG is damaged at byte {at}")
    return at
