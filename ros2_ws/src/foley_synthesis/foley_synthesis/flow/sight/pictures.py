"""From local views to vectors: an encoder's features of the whole view and of its middle, colours, texture.

A vector is [whole, middle, colours, texture]. The middle is at the view's full resolution: where a tip will touch, the
grain of a surface says more of its material than its outline does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_synthesis.vision.protocol import VisionEncoder

Image = NDArray[np.uint8]

SIDE = 128  # [pixel] of what is encoded
_BINS = (8, 4, 4)  # of hue, saturation and value
COLOURS = int(np.prod(_BINS))
_OCTAVES = 4
TEXTURE = 6 * _OCTAVES


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the parts of a vector lie."""

    dims: int  # of the encoder

    @property
    def width(self) -> int:
        """Of a whole vector."""
        return 2 * self.dims + COLOURS + TEXTURE

    @property
    def colours(self) -> slice:
        """The histogram alone: what a look at colours would know."""
        return slice(2 * self.dims, 2 * self.dims + COLOURS)


def decoded(file: bytes) -> Image:
    """A JPEG file as RGB [H, W, 3].

    Raises:
        ValueError: it is damaged.
    """
    image = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("a view's JPEG file is damaged; make the session again")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def vectors(images: Sequence[Image], encoder: VisionEncoder) -> NDArray[np.float32]:
    """[n, width] of views [H, W, 3] at least SIDE wide and high."""
    layout = Layout(encoder.dims)
    if not len(images):
        return np.zeros((0, layout.width), np.float32)
    small = np.stack([cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for image in images])
    middle = np.stack([_middle(image) for image in images])
    own = np.stack([np.concatenate([_colours(image), _texture(image)]) for image in middle])
    return np.concatenate(
        [encoder.encode(small.astype(np.uint8)), encoder.encode(middle), own], axis=1
    ).astype(np.float32)


def _middle(image: Image) -> Image:
    top, left = (max(edge - SIDE, 0) // 2 for edge in image.shape[:2])
    cut = image[top : top + SIDE, left : left + SIDE]
    if cut.shape[:2] != (SIDE, SIDE):
        cut = cv2.resize(cut, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(cut, np.uint8)


def _colours(image: Image) -> NDArray[np.float32]:
    """Square roots of the shares of colours (Hellinger): distances of them are distances of histograms."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    counts = cv2.calcHist([hsv], [0, 1, 2], None, list(_BINS), [0, 180, 0, 256, 0, 256]).ravel()
    return np.asarray(np.sqrt(counts / counts.sum()), np.float32)


def _texture(image: Image) -> NDArray[np.float32]:
    """Contrast of three channels (luma and two of chroma) in octaves of scale, mean and spread over 16 parts each."""
    layers = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb).astype(np.float32) / 255
    found = []
    for _ in range(_OCTAVES):
        coarser = cv2.pyrDown(layers)
        detail = layers - cv2.pyrUp(coarser, dstsize=layers.shape[1::-1])
        quarter = detail.shape[0] // 4
        parts = np.square(detail).reshape(4, quarter, 4, quarter, 3).mean(axis=(1, 3)).reshape(16, 3)
        logs = np.log(parts + 1e-7)
        found += [logs.mean(axis=0), logs.std(axis=0)]
        layers = coarser
    return np.concatenate(found).astype(np.float32)
