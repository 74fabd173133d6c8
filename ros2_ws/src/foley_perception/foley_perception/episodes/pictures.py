"""Images of a bag, raw or compressed, as frames that are decoded when asked for."""

from __future__ import annotations

import struct

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_perception.episodes.decode import Messages, increasing
from foley_perception.episodes.tracks import EpisodeError, FrameTrack
from foley_perception.recording import cdr
from foley_perception.recording.bag import BagTopic

_RGB: dict[str, int] = {
    "rgb8": -1,
    "bgr8": cv2.COLOR_BGR2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgra8": cv2.COLOR_BGRA2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
}
_CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1, "16UC1": 1, "mono16": 1, "32FC1": 1}
_DEPTH_HEADER = struct.Struct("<iff")  # of compressedDepth: an enum, and the two numbers of inverse depth


def frame_track(topic: BagTopic, messages: Messages, *, depth: bool) -> FrameTrack:
    """Frames by stamp; the first is decoded at once, so that a wrong encoding is told at once.

    Raises:
        EpisodeError: the encoding is not supported.
    """
    compressed = topic.type == "sensor_msgs/msg/CompressedImage"
    stamps = np.array([cdr.read_stamp(m.data, 4) or m.log_time for m in messages], dtype=np.int64)
    order = increasing(stamps)
    kept = [messages[i] for i in order]

    def decode(index: int) -> NDArray[np.generic]:
        data = kept[index].data
        if not compressed:
            return _image(topic.name, data, depth)
        return _compressed_depth(topic.name, data) if depth else _compressed(topic.name, data)

    decode(0)
    return FrameTrack(stamps[order], decode)


def _image(topic: str, data: cdr.Buffer, depth: bool) -> NDArray[np.generic]:
    try:
        head = cdr.read_image_head(data)
    except cdr.CdrError as error:
        raise EpisodeError(f"{topic}: an image cannot be read ({error})") from error
    allowed = ("16UC1", "mono16", "32FC1") if depth else tuple(_RGB)
    if head.encoding not in allowed:
        raise EpisodeError(
            f"{topic}: encoding is `{head.encoding}`, supported are {', '.join(allowed)}; set the camera "
            "driver's pixel format to one of these"
        )
    dtype = {"32FC1": np.float32, "16UC1": np.uint16, "mono16": np.uint16}.get(head.encoding, np.uint8)
    item = np.dtype(dtype).newbyteorder(">" if head.is_bigendian else "<")
    channels = _CHANNELS[head.encoding]
    row = head.width * channels * item.itemsize
    if head.step < row or head.size < head.height * head.step or head.height < 1:
        raise EpisodeError(
            f"{topic}: image {head.width}x{head.height} {head.encoding} has step {head.step} and {head.size} "
            "bytes, which is too few; the camera driver fills in a wrong size"
        )
    flat = np.frombuffer(data, dtype=np.uint8, count=head.height * head.step, offset=head.offset)
    rows = np.ascontiguousarray(flat.reshape(head.height, head.step)[:, :row]).view(item)
    if depth:
        metres = rows.astype(np.float32) * np.float32(1.0 if head.encoding == "32FC1" else 1e-3)
        metres[~(np.isfinite(metres) & (metres > 0))] = np.nan
        return metres
    pixels = rows if channels == 1 else rows.reshape(head.height, head.width, channels)
    code = _RGB[head.encoding]
    return (
        np.ascontiguousarray(pixels) if code < 0 else np.asarray(cv2.cvtColor(pixels, code), dtype=np.uint8)
    )


def _compressed(topic: str, data: cdr.Buffer) -> NDArray[np.uint8]:
    raw = bytes(data)
    begins = [at for mark in (b"\xff\xd8\xff", b"\x89PNG\r\n") if (at := raw.find(mark)) >= 0]
    image = cv2.imdecode(np.frombuffer(raw[min(begins) :], np.uint8), cv2.IMREAD_COLOR) if begins else None
    if image is None:
        raise EpisodeError(f"{topic}: a compressed image is neither JPEG nor PNG, or is damaged")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _compressed_depth(topic: str, data: cdr.Buffer) -> NDArray[np.float32]:
    """Metres [H, W] of a PNG behind the 12-byte header of image_transport's compressedDepth.

    16UC1 holds millimetres; 32FC1 holds inverse depth q, and depth = a / (q - b) with a and b from the header.
    """
    try:
        head = cdr.read_compressed_head(data)
    except cdr.CdrError as error:
        raise EpisodeError(f"{topic}: an image cannot be read ({error})") from error
    encoding, _, kind = (part.strip() for part in head.format.partition(";"))
    if encoding not in ("16UC1", "mono16", "32FC1") or kind not in ("compressedDepth", "compressedDepth png"):
        raise EpisodeError(
            f"{topic}: format is `{head.format}`, supported are `16UC1; compressedDepth png` and "
            "`32FC1; compressedDepth png`; set the publisher's compressedDepth format to png"
        )
    body = bytes(data[head.offset : head.offset + head.size])
    pixels = None
    if len(body) > _DEPTH_HEADER.size:
        pixels = cv2.imdecode(np.frombuffer(body, np.uint8, offset=_DEPTH_HEADER.size), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 2:
        raise EpisodeError(f"{topic}: a depth image holds no PNG of 16 bit grey, or is damaged")
    known = pixels > 0
    metres = np.full(pixels.shape, np.nan, dtype=np.float32)
    if encoding != "32FC1":
        metres[known] = pixels[known].astype(np.float32) * np.float32(1e-3)
        return metres
    _, a, b = _DEPTH_HEADER.unpack_from(body)
    with np.errstate(divide="ignore"):
        depth = a / (pixels[known].astype(np.float64) - b)
    metres[known] = np.where(np.isfinite(depth) & (depth > 0), depth, np.nan)
    return metres
