"""An encoder without weights: colour and contrast on a coarse grid. For tests, and as a floor to compare with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GRID = 4


class ColourEncoder:
    """Mean and standard deviation of each channel in each of 4 x 4 cells."""

    dims = _GRID * _GRID * 6
    identity = "colour-1"

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features [n, 96] of images [n, H, W, 3]; H and W are multiples of 4."""
        n, height, width, _ = images.shape
        cells = (
            images.reshape(n, _GRID, height // _GRID, _GRID, width // _GRID, 3).astype(np.float32) / 128 - 1
        )
        mean, std = cells.mean(axis=(2, 4)), cells.std(axis=(2, 4))
        return np.asarray(np.concatenate([mean.reshape(n, -1), std.reshape(n, -1)], axis=1), np.float32)
