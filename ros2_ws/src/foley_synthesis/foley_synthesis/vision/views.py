"""Which images of a contact the encoder sees: the same code for training and for live prediction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foley_perception.scene.spacetime import spacetime_images


def still_views(still: NDArray[np.uint8], views: int) -> NDArray[np.uint8]:
    """The middle half of the crop, its middle quarter, and so on, each enlarged to full size.

    The touched thing fills about a third of the crop. On held-out simulated objects a linear classifier reached
    0.72 from half and quarter, 0.64 from the half alone and 0.45 from the whole crop.

    Args:
        still: [S, S, 3].

    Returns:
        [views, S, S, 3].
    """
    import cv2

    size = still.shape[0]
    images = []
    for view in range(views):
        edge = (size - (size >> (view + 1))) // 2
        middle = still[edge : size - edge, edge : size - edge]
        images.append(np.asarray(cv2.resize(middle, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8))
    return np.stack(images)


def encoded_spacetime(frames: NDArray[np.uint8], stride: int) -> NDArray[np.uint8]:
    """Every `stride`-th spacetime image of [n, S, S, 3], taken from the middle of its span."""
    return spacetime_images(frames)[stride // 2 :: stride]


def vary(still: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Another look at the same place: mirrored, moved a little, under another light."""
    image = still[:, ::-1] if rng.random() < 0.5 else still
    across, down = rng.integers(-6, 7, size=2)
    image = np.roll(image, (down, across), axis=(0, 1))
    gain = rng.uniform(0.8, 1.2) * rng.uniform(0.95, 1.05, size=3)
    return np.asarray(np.clip(image * gain + rng.uniform(-12, 12), 0, 255), np.uint8)
