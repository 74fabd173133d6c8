"""What one camera saw, over the time of a recording: how sharp and how well exposed. Fed picture by picture.

Some pictures are looked at, 2 a second at first and fewer as the recording goes on, so that an hour costs what some
minutes do.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_perception.images import ImageError, RawImage, compressed_rgb, rgb_of
from foley_perception.quality.time_line import TimeLine
from foley_perception.recording import cdr
from foley_perception.recording.bag import BagTopic

LOOK_HZ = 2.0
MOST_LOOKS = 600  # then every other one is forgotten, and half as many are looked at
BLACK, SATURATED = 8, 250  # of 255
WIDTH = 640  # [px] of what is judged; wider pictures are made smaller, so that cameras can be compared
_THUMBS = 8
_THUMB_WIDTH = 160  # [px]
_LOW_PASS = 9  # [px]
_STEP_OF_NOISE = 0.6  # three times what smoothing leaves of noise of 1 between neighbours
_LEAST_STEP = 0.2  # of 255: below it is quantisation
_LEAST_EDGES = 0.001  # share of the pixels that must be edges, or there is nothing that could be sharp


def blur_of(gray: NDArray[np.float32]) -> float:
    """How blurred a picture [H, W] (0 to 255) is: 0 sharp, 1 blurred; NaN where it shows nothing but one grey.

    How much less its neighbours differ after a low pass, as blurring what is blurred changes little. Contrast and
    brightness have no part in it. Crete, Dolmiere, Ladret and Nicolas, "The blur effect: perception and estimation with
    a new no-reference perceptual blur metric" (SPIE 6492, 2007); noise, which looks sharp, is smoothed beforehand, and
    steps that may be what is left of it do not count.
    """
    least = max(_STEP_OF_NOISE * _noise_of(gray), _LEAST_STEP)
    smooth = cv2.GaussianBlur(gray, (0, 0), 1.0)
    worst = 0.0
    for axis, kernel in ((0, (1, _LOW_PASS)), (1, (_LOW_PASS, 1))):
        before = np.abs(np.diff(smooth, axis=axis))
        after = np.abs(np.diff(cv2.blur(smooth, kernel), axis=axis))
        edges = before > least
        if np.count_nonzero(edges) < _LEAST_EDGES * edges.size:
            return math.nan
        total = float(np.dot(before.ravel(), edges.ravel()))
        lost = float(np.dot(np.maximum(before - after, 0.0).ravel(), edges.ravel()))
        worst = max(worst, (total - lost) / total)
    return worst


def _noise_of(gray: NDArray[np.float32]) -> float:
    """Standard deviation of a picture's noise, by a mask that is blind to edges and slopes (Immerkaer 1996), median."""
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    return float(np.median(np.abs(cv2.filter2D(gray, cv2.CV_32F, mask))[::3, ::3])) / (0.6745 * 6.0)


class PictureMeter:
    """Of one topic of colour images.

    Args:
        start_ns: of the recording, by arrival.
    """

    def __init__(self, topic: BagTopic, start_ns: int) -> None:
        self._compressed = topic.type == "sensor_msgs/msg/CompressedImage"
        self._start_ns = start_ns
        self._period_s, self._next_s = 1.0 / LOOK_HZ, 0.0
        self._rows: list[
            tuple[float, float, float, float, float]
        ] = []  # blur, Laplacian, mean, black, saturated
        self._lines = {name: TimeLine(1.0 / LOOK_HZ) for name in ("blur", "brightness")}
        self._thumbs: list[tuple[float, bytes]] = []
        self._thumb_every_s, self._next_thumb_s = self._period_s, 0.0
        self.looked = self.bad = 0
        self.first_wrong = ""
        self.size = (0, 0)

    def add(self, data: cdr.Buffer, arrival_ns: int) -> None:
        """A message, and when it arrived."""
        time_s = (arrival_ns - self._start_ns) * 1e-9
        if time_s < self._next_s:
            return
        self._next_s = max(self._next_s + self._period_s, time_s)
        self.looked += 1
        try:
            picture = self._read(data)
        except (ImageError, cdr.CdrError) as error:
            self.bad += 1
            self.first_wrong = self.first_wrong or str(error)
            return
        self.size = (picture.shape[1], picture.shape[0])
        self._judge(picture, time_s)
        if len(self._rows) > MOST_LOOKS:
            self._rows = self._rows[::2]
            self._period_s *= 2

    def _read(self, data: cdr.Buffer) -> NDArray[np.uint8]:
        if self._compressed:
            head = cdr.read_compressed_head(data)
            return compressed_rgb(head.format, memoryview(data)[head.offset : head.offset + head.size])
        image = cdr.read_image_head(data)
        body = memoryview(data)[image.offset : image.offset + image.size]
        return rgb_of(
            RawImage(image.height, image.width, image.encoding, bool(image.is_bigendian), image.step, body)
        )

    def _judge(self, picture: NDArray[np.uint8], time_s: float) -> None:
        height, width = picture.shape[:2]
        small = picture
        if width > WIDTH:
            small = cv2.resize(
                picture, (WIDTH, max(round(height * WIDTH / width), 1)), interpolation=cv2.INTER_AREA
            )
        gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        numbers = gray.astype(np.float32)
        blur, laplacian = blur_of(numbers), float(cv2.Laplacian(numbers, cv2.CV_32F).var())
        mean, black = float(gray.mean()) / 255.0, float(np.mean(gray < BLACK))
        saturated = float(np.mean(small.max(axis=2) > SATURATED))
        self._rows.append((blur, laplacian, mean, black, saturated))
        self._lines["blur"].add(time_s, blur)
        self._lines["brightness"].add(time_s, mean)
        if time_s >= self._next_thumb_s:
            self._thumbs.append((time_s, jpeg(small, _THUMB_WIDTH)))
            if len(self._thumbs) > 2 * _THUMBS:
                self._thumbs, self._thumb_every_s = self._thumbs[::2], 2 * self._thumb_every_s
            self._next_thumb_s = self._thumbs[-1][0] + self._thumb_every_s

    def figures(self) -> dict[str, Any]:
        """Of the pictures that were looked at; NaN where none could be."""
        rows = np.array(self._rows, np.float64).reshape(-1, 5)
        blur, laplacian, mean, black, saturated = rows.T
        sharp = blur[np.isfinite(blur)]
        none = math.nan
        return {
            "width": self.size[0],
            "height": self.size[1],
            "looked": self.looked,
            "bad": self.bad,
            "bad_share": self.bad / self.looked if self.looked else none,
            "first_wrong": self.first_wrong,
            "blur_median": float(np.median(sharp)) if sharp.size else none,
            "blur_p90": float(np.quantile(sharp, 0.9)) if sharp.size else none,
            "laplacian_variance": float(np.median(laplacian)) if rows.size else none,
            "brightness": float(mean.mean()) if rows.size else none,
            "black_share": float(black.mean()) if rows.size else none,
            "saturated_share": float(saturated.mean()) if rows.size else none,
            "blur_line": self._lines["blur"].told(),
            "brightness_line": self._lines["brightness"].told(),
        }

    def thumbs(self) -> list[tuple[float, bytes]]:
        """Some pictures over the recording as JPEG, each with its time [s]."""
        if len(self._thumbs) <= _THUMBS:
            return self._thumbs
        at = np.linspace(0, len(self._thumbs) - 1, _THUMBS).round().astype(int)
        return [self._thumbs[i] for i in at.tolist()]


def jpeg(picture: NDArray[np.uint8], width: int, quality: int = 70) -> bytes:
    """A picture [H, W, 3] RGB as JPEG, no wider than ``width``."""
    if picture.shape[1] > width:
        size = (width, max(round(picture.shape[0] * width / picture.shape[1]), 1))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return data.tobytes() if done else b""
