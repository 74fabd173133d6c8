"""Spacetime images: motion made visible to an image network (Visually Indicated Sounds, Eq. 2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LUMA = np.array([77, 150, 29], np.uint16)  # ITU-R BT.601 in 1/256


def spacetime_images(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey previous, current and next frame as the three channels of each image.

    The first and the last frame stand in for the missing neighbours.

    Args:
        frames: [n, H, W, 3] RGB.

    Returns:
        [n, H, W, 3].

    Raises:
        ValueError: another shape or type.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"frames are {frames.dtype} {frames.shape}, must be uint8 [n, H, W, 3]")
    grey = ((frames.astype(np.uint16) @ _LUMA) >> 8).astype(np.uint8)
    before = np.concatenate([grey[:1], grey[:-1]])
    after = np.concatenate([grey[1:], grey[-1:]])
    return np.stack([before, grey, after], axis=-1)
