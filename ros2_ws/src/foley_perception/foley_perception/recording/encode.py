"""Images to JPEG and PNG while they are recorded, as image_transport's plugins write them.

Work is done by threads of its own: OpenCV lets go of the interpreter's lock meanwhile. Whoever writes waits for what
:meth:`Encoder.put` returned, so that messages stay in the order in which they came.
"""

from __future__ import annotations

import struct
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.images.errors import ImageError
from foley_perception.images.raw import RawImage, depth_values, rgb_of
from foley_perception.recording import cdr
from foley_perception.recording.compression import Encoded, Form, is_depth

_WORKERS = 2
_DEPTH_HEADER = struct.pack("<iff", 0, 0.0, 0.0)  # of compressedDepth: nothing is scaled in 16 bit
_MONO = ("mono8", "8UC1")
_NOT_AS_PNG = ("bayer", "yuv", "nv", "uyvy", "yuyv", "rgba", "bgra")


class Encoder:
    """Encodes in a few threads, in bounded memory.

    Args:
        most_bytes: of images that wait; beyond it images are kept as they came.
    """

    def __init__(self, most_bytes: int, workers: int = _WORKERS) -> None:
        self._most, self._waiting, self._lock = most_bytes, 0, threading.Lock()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="bag-encoder")

    def put(self, topic: str, form: Form, data: bytes) -> Future[Encoded]:
        """A serialised sensor_msgs/Image; it is not encoded where too many wait."""
        with self._lock:
            if self._waiting + len(data) > self._most:
                late = Future[Encoded]()
                late.set_result("images come faster than they can be encoded; give the recorder a core more")
                return late
            self._waiting += len(data)
        return self._pool.submit(self._encode, topic, form, data)

    def _encode(self, topic: str, form: Form, data: bytes) -> Encoded:
        try:
            return encoded(topic, form, data)
        except Exception as error:  # noqa: BLE001 - whatever an image is, it must not end the recording
            return " ".join(str(error).split()) or type(error).__name__
        finally:
            with self._lock:
                self._waiting -= len(data)

    def close(self) -> None:
        """Waits for what is being encoded."""
        self._pool.shutdown()


def encoded(topic: str, form: Form, data: bytes) -> bytes:
    """A serialised sensor_msgs/Image as a serialised sensor_msgs/CompressedImage: stamp and frame stay.

    Raises:
        ImageError, CdrError: it cannot be, or not without changing what it measures.
    """
    head = cdr.read_image_head(data)
    pixels = memoryview(data)[head.offset : head.offset + head.size]
    image = RawImage(head.height, head.width, head.encoding, bool(head.is_bigendian), head.step, pixels)
    if form.kind == "png" and is_depth(topic):
        return _depth(head.header, image)
    if head.encoding in ("16UC1", "32FC1") or head.encoding.endswith("16"):
        raise ImageError(f"encoding is {head.encoding}: {form.kind} would cost precision; use zstd")
    suffix, options = (
        (".jpg", [cv2.IMWRITE_JPEG_QUALITY, form.quality])
        if form.kind == "jpeg"
        else (".png", [])  # OpenCV's own choice is faster than any level, and no larger
    )
    if form.kind == "png" and head.encoding.startswith(_NOT_AS_PNG):
        raise ImageError(
            f"encoding is {head.encoding}: png would keep it as rgb8, with a loss; use zstd or jpeg"
        )
    if head.encoding in _MONO:
        grey = np.ascontiguousarray(rgb_of(image)[..., 0])
        return write_compressed(head.header, f"mono8; {form.kind} compressed ", _file(suffix, grey, options))
    # What is no colour image of 8 bit itself is one in the file: a mosaic or YUV is converted.
    name = head.encoding if head.encoding in ("rgb8", "bgr8", "rgba8", "bgra8") else "bgr8"
    bgr = cv2.cvtColor(rgb_of(image), cv2.COLOR_RGB2BGR)
    return write_compressed(head.header, f"{name}; {form.kind} compressed bgr8", _file(suffix, bgr, options))


def _depth(header: cdr.Header, image: RawImage) -> bytes:
    if image.encoding not in ("16UC1", "mono16"):
        raise ImageError(f"depth of encoding {image.encoding} would lose precision as PNG; use zstd")
    values = np.ascontiguousarray(depth_values(image), dtype=np.uint16)
    file = _file(".png", values, [])
    return write_compressed(header, "16UC1; compressedDepth png", _DEPTH_HEADER + file)


def _file(suffix: str, pixels: NDArray[np.generic], options: list[int]) -> bytes:
    done, file = cv2.imencode(suffix, pixels, options)
    if not done:
        raise ImageError(f"OpenCV cannot write {suffix} of {pixels.shape}")
    return file.tobytes()


def write_compressed(header: cdr.Header, form: str, file: bytes) -> bytes:
    """A serialised sensor_msgs/msg/CompressedImage."""
    out = bytearray(b"\0\1\0\0")
    out += struct.pack("<iI", *divmod(header.time_ns, NS_PER_S))
    for text in (header.frame_id, form):
        raw = text.encode() + b"\0"
        out += bytes(-(len(out) - 4) % 4) + struct.pack("<I", len(raw)) + raw
    out += bytes(-(len(out) - 4) % 4) + struct.pack("<I", len(file))
    return bytes(out) + file
