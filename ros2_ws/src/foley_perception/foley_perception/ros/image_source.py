"""Images of one topic of the registry, raw or compressed, whichever somebody publishes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from foley_common import topics
from foley_common.times import NS_PER_S
from foley_common.topics import Topic
from foley_perception.images import (
    DepthScale,
    ImageError,
    RawImage,
    compressed_depth,
    compressed_rgb,
    compressed_size,
    depth_values,
    rgb_of,
)
from foley_perception.images.lost_frames import FrameLoss
from foley_perception.images.raw import check_raw
from foley_perception.images.usual_size import UsualSize
from foley_perception.ros.image_topics import compressed_names, published_form
from foley_ros import convert, middleware

_LOOK_NS = NS_PER_S  # between two looks at who publishes

OnImage = Callable[[int, Callable[[], NDArray[np.generic]]], None]


class ImageSource:
    """Subscribes to what is published; hands over each good image with its stamp, to be decoded where it is needed.

    Call :meth:`poll` in the executor's thread now and then. Images that are damaged or of another size than the
    others are reported and left out.

    Args:
        node: owns the subscription, and is told what is wrong.
        topic: of raw images, colour or depth.
        on_image: is called with the stamp, and with what decodes the image: RGB [H, W, 3] or depth [H, W] in metres.
    """

    def __init__(self, node: Any, topic: Topic, on_image: OnImage, *, transport: str = "auto") -> None:
        self.topic = topic
        self._node, self._on_image, self._transport = node, on_image, transport
        self._depth = topic.reader == "depth"
        self._looked_ns: int | None = None
        self._size = UsualSize()
        self._loss = FrameLoss()
        self._unstamped = False  # the newest image
        self.scale = DepthScale()
        self.raw_name = node.resolve_topic_name(topic.name)
        self.name = ""  # of what is subscribed to
        self.frame_id = ""  # that the newest image names
        self._subscription: Any = None
        self._listen(compressed_names(self.raw_name)[0] if transport == "compressed" else self.raw_name)

    def poll(self) -> None:
        """Listen to what is published now."""
        now_ns = self._node.now_ns()
        if self._looked_ns is not None and 0 <= now_ns - self._looked_ns < _LOOK_NS:
            return
        self._looked_ns = now_ns
        wanted = published_form(self._node, self.raw_name, self._transport)
        if wanted is not None and wanted != self.name:
            self._listen(wanted)

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the images; None before the first."""
        return self._size.size

    @property
    def problem(self) -> str:
        """What is odd: of depth, of stamps, and how much is lost; empty where nothing is."""
        found = [self.scale.problem] if self.scale.problem else []
        if self._unstamped:
            found.append(
                "header.stamp is 0: the time at which images arrive is used, which is late by an unknown time; the "
                "driver must stamp them"
            )
        if (loss := self._loss.loss()) is not None:
            found.append(
                f"{100 * loss.share:.0f} % of frames are lost between publisher and here ({loss.sent_hz:.0f} Hz by "
                f"their stamps, {loss.received_hz:.0f} Hz arrive); {middleware.advice()}"
            )
        return f"{self.topic.name}: {'; '.join(found)}" if found else ""

    # ---- inside ------------------------------------------------------------------------------------------
    def _listen(self, name: str) -> None:
        if self._subscription is not None:
            self._node.entities.unsubscribe(self._subscription)
        self.name = name
        if name == self.raw_name:
            self._subscription = self._node.entities.subscribe(self.topic, self._on_raw)
            return
        role = f"{self.topic.role}_compressed"
        listened = dataclasses.replace(topics.topic(role), name=name)
        self._subscription = self._node.entities.subscribe(listened, self._on_compressed)

    def _on_raw(self, message: Image) -> None:
        image = RawImage(
            message.height,
            message.width,
            message.encoding,
            bool(message.is_bigendian),
            message.step,
            memoryview(message.data).cast("B"),
        )

        def look() -> tuple[int, int]:
            check_raw(image, depth=self._depth)
            return image.width, image.height

        self._take(message, look, lambda: depth_values(image) if self._depth else rgb_of(image))

    def _on_compressed(self, message: CompressedImage) -> None:
        form, data = message.format, memoryview(message.data).cast("B")
        read = compressed_depth if self._depth else compressed_rgb
        self._take(message, lambda: compressed_size(form, data, depth=self._depth), lambda: read(form, data))

    def _take(
        self, message: Any, look: Callable[[], tuple[int, int]], read: Callable[[], NDArray[np.generic]]
    ) -> None:
        try:
            size = look()
            if not self._size.takes(size):
                width, height = self._size.size or (0, 0)
                raise ImageError(
                    f"image is {size[0]}x{size[1]}, the others are {width}x{height}: it is left out"
                )
            if self._depth:
                values = read()
                self.scale.look(values)
        except ImageError as error:
            self._node.report(self.topic.name, str(error))
            return
        self._node.faults.clear(self.topic.name)
        self.frame_id = message.header.frame_id
        stamp_ns = convert.to_ns(message.header.stamp)
        self._unstamped = not stamp_ns
        if stamp_ns:
            self._loss.add(stamp_ns)
        self._on_image(
            stamp_ns or self._node.now_ns(), (lambda: self.scale.metres(values)) if self._depth else read
        )
