"""What any vision encoder offers, so that another can take the default one's place."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class VisionEncoder(Protocol):
    """Images in, one vector each out; frozen."""

    @property
    def dims(self) -> int:
        """Length of a feature vector."""

    @property
    def identity(self) -> str:
        """Name and hash of the weights: features of two encoders must never meet."""

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features [n, dims] of RGB images [n, 128, 128, 3]."""


def check_images(images: NDArray[np.uint8]) -> None:
    """Raises ValueError unless they are RGB images [n, H, W, 3] uint8."""
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise ValueError(f"images are {images.dtype} {images.shape}, must be uint8 [n, H, W, 3]")
