"""Pixels of a sensor_msgs/Image: every colour encoding to RGB, every depth encoding to numbers.

The names are those of ``sensor_msgs/image_encodings.hpp``. Their meaning is that of cv_bridge: `yuv422` is UYVY,
`yuv422_yuy2` is YUYV, both BT.601; 16 bit are brought to 8 by 255 / 65535; `8UC3` and `8UC4` name no colours and are
taken in OpenCV's order, blue first.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_perception.images.errors import ImageError

Rgb = NDArray[np.uint8]  # [H, W, 3]
_U8, _U16, _F32 = np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32)


@dataclasses.dataclass(frozen=True)
class _Encoding:
    item: np.dtype[np.generic]  # of one channel
    channels: int  # per pixel
    to_rgb: int | None = None  # OpenCV's conversion; None: it is RGB already
    rows: tuple[int, int] = (1, 1)  # rows of bytes per rows of pixels: 3 / 2 where chroma planes follow


# OpenCV calls a Bayer pattern by the second and third pixel of its SECOND row, ROS by its first two rows.
_BAYER = {
    "bayer_rggb": cv2.COLOR_BayerBG2RGB,
    "bayer_bggr": cv2.COLOR_BayerRG2RGB,
    "bayer_gbrg": cv2.COLOR_BayerGR2RGB,
    "bayer_grbg": cv2.COLOR_BayerGB2RGB,
}
_COLOURS: dict[str, tuple[int, int | None]] = {  # channels, conversion
    "rgb": (3, None),
    "bgr": (3, cv2.COLOR_BGR2RGB),
    "rgba": (4, cv2.COLOR_RGBA2RGB),
    "bgra": (4, cv2.COLOR_BGRA2RGB),
    "mono": (1, cv2.COLOR_GRAY2RGB),
    **{name: (1, code) for name, code in _BAYER.items()},
}
COLOUR: dict[str, _Encoding] = {
    **{f"{name}8": _Encoding(_U8, *how) for name, how in _COLOURS.items()},
    **{f"{name}16": _Encoding(_U16, *how) for name, how in _COLOURS.items()},
    "8UC1": _Encoding(_U8, 1, cv2.COLOR_GRAY2RGB),
    "8UC3": _Encoding(_U8, 3, cv2.COLOR_BGR2RGB),
    "8UC4": _Encoding(_U8, 4, cv2.COLOR_BGRA2RGB),
    "16UC1": _Encoding(_U16, 1, cv2.COLOR_GRAY2RGB),
    **dict.fromkeys(("yuv422", "uyvy"), _Encoding(_U8, 2, cv2.COLOR_YUV2RGB_UYVY)),
    **dict.fromkeys(("yuv422_yuy2", "yuyv"), _Encoding(_U8, 2, cv2.COLOR_YUV2RGB_YUY2)),
    "nv21": _Encoding(_U8, 1, cv2.COLOR_YUV2RGB_NV21, (3, 2)),
    "nv12": _Encoding(_U8, 1, cv2.COLOR_YUV2RGB_NV12, (3, 2)),
}
DEPTH: dict[str, _Encoding] = {
    "16UC1": _Encoding(_U16, 1),
    "mono16": _Encoding(_U16, 1),
    "32FC1": _Encoding(_F32, 1),
}


@dataclasses.dataclass(frozen=True, eq=False)
class RawImage:
    """A sensor_msgs/Image without its header."""

    height: int
    width: int
    encoding: str
    is_bigendian: bool
    step: int  # bytes from one row to the next
    data: bytes | memoryview


def rgb_of(image: RawImage) -> Rgb:
    """RGB [H, W, 3] uint8.

    Raises:
        ImageError: the encoding is not supported, or step or size are too small for it.
    """
    encoding = _encoding(image, COLOUR)
    return to_rgb(_pixels(image, encoding), encoding.to_rgb)


def to_rgb(pixels: NDArray[np.generic], code: int | None) -> Rgb:
    """Pixels of 8 or 16 bit, [H, W] or [H, W, channels], as RGB uint8, by OpenCV's conversion."""
    converted = (
        np.ascontiguousarray(pixels) if code is None else cv2.cvtColor(np.ascontiguousarray(pixels), code)
    )
    if converted.dtype == np.uint16:
        return np.asarray(cv2.convertScaleAbs(converted, alpha=255.0 / 65535.0), dtype=np.uint8)
    return np.asarray(converted, dtype=np.uint8)


def depth_values(image: RawImage) -> NDArray[np.generic]:
    """Depth [H, W] as it was sent, uint16 or float32; see :class:`DepthScale` for the unit.

    Raises:
        ImageError: the encoding is none of depth, or step or size are too small for it.
    """
    return _pixels(image, _encoding(image, DEPTH))


def check_raw(image: RawImage, *, depth: bool) -> None:
    """Whether the image can be decoded, without doing it. Raises ImageError."""
    _check_size(image, _encoding(image, DEPTH if depth else COLOUR))


def bayer_code(encoding: str) -> int | None:
    """OpenCV's conversion to RGB of a Bayer encoding; None for others."""
    return _BAYER.get(encoding.rstrip("0123456789"))


# ---- inside --------------------------------------------------------------------------------------------
def _encoding(image: RawImage, known: dict[str, _Encoding]) -> _Encoding:
    found = known.get(image.encoding) or known.get(image.encoding.lower())
    if found is None:
        raise ImageError(
            f"encoding is `{image.encoding}`, supported are {', '.join(known)}; set the camera driver's pixel "
            "format to one of these"
        )
    return found


def _check_size(image: RawImage, encoding: _Encoding) -> tuple[int, int]:
    """Bytes of pixels in a row, and rows of bytes."""
    row = image.width * encoding.channels * encoding.item.itemsize
    more, per = encoding.rows
    rows = image.height * more // per
    size = f"image {image.width}x{image.height} {image.encoding}"
    if image.height < 1 or image.width < 1:
        raise ImageError(f"{size} is empty; the camera driver fills in a wrong size")
    if image.step < row or len(image.data) < rows * image.step:
        raise ImageError(
            f"{size} has step {image.step} and {len(image.data)} bytes, needs step >= {row} and "
            f"{rows * max(image.step, row)} bytes; the camera driver fills in a wrong size"
        )
    even = encoding.to_rgb in (cv2.COLOR_YUV2RGB_UYVY, cv2.COLOR_YUV2RGB_YUY2) or per > 1
    if (even and image.width % 2) or image.height % per:
        raise ImageError(f"{size}: its pixels share colours by two, so its size must be even")
    return row, rows


def _pixels(image: RawImage, encoding: _Encoding) -> NDArray[np.generic]:
    row, rows = _check_size(image, encoding)
    item = encoding.item.newbyteorder(">" if image.is_bigendian else "<")
    flat = np.frombuffer(image.data, dtype=np.uint8, count=rows * image.step).reshape(rows, image.step)
    lines = flat if image.step == row else np.ascontiguousarray(flat[:, :row])
    pixels = lines.view(item).astype(encoding.item, copy=False)
    return pixels if encoding.channels == 1 else pixels.reshape(image.height, image.width, encoding.channels)
