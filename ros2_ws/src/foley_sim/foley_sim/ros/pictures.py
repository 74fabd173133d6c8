"""Images as image_transport compresses them: JPEG for colour, PNG for depth."""

from __future__ import annotations

import struct

import cv2
import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage

from foley_ros import convert
from foley_sim.ros import topics
from foley_sim.ros.encode import CAMERA, Encoder, Outgoing

JPEG_QUALITY = 85
PNG_LEVEL = 1  # higher levels take three times as long for a tenth less
COLOUR_FORMAT = "rgb8; jpeg compressed bgr8"
DEPTH_FORMAT = "16UC1; compressedDepth png"
DEPTH_HEADER = struct.pack("<iff", 0, 0.0, 0.0)
"""image_transport's ConfigHeader: the format, and two parameters of inverse depth that millimetres do not use."""


class CompressedPictures:
    """Takes the place of an encoder's own images.

    Args:
        encoder: of the same scene; gives the calibration and the time.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def colour(self, time_ns: int, pixels: NDArray[np.uint8]) -> tuple[Outgoing, Outgoing]:
        """The calibration and the image [height, width, 3] RGB as JPEG."""
        body = _encoded(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        image = self._message(topics.IMAGE_JPEG, time_ns, COLOUR_FORMAT, body)
        return self._encoder.calibration(time_ns), image

    def depth(self, time_ns: int, millimetres: NDArray[np.uint16]) -> Outgoing:
        """Depth [height, width] behind image_transport's header, as PNG."""
        body = _encoded(".png", millimetres, [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL])
        return self._message(topics.DEPTH_PNG, time_ns, DEPTH_FORMAT, DEPTH_HEADER + body)

    def _message(self, topic: topics.Topic, time_ns: int, form: str, body: bytes) -> Outgoing:
        stamp = self._encoder.origin_ns + time_ns
        message = CompressedImage(header=convert.header(stamp, CAMERA), format=form)
        message.data = body
        return Outgoing(topic, stamp, stamp, serialize_message(message))


def _encoded(kind: str, pixels: NDArray[np.generic], options: list[int]) -> bytes:
    done, body = cv2.imencode(kind, np.ascontiguousarray(pixels), options)
    if not done:
        raise ValueError(f"an image of {pixels.shape} {pixels.dtype} cannot be encoded as {kind}")
    return body.tobytes()
