"""What encoders share whose weights the user supplies: where the file lies, how it is read, how pictures go through."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_synthesis.vision.cache import cache_folder
from foley_synthesis.vision.protocol import check_images

_BATCH = 16


def find_weights(variable: str, pattern: str, usual: str, message: str) -> Path:
    """The file that an environment variable names, else the first in the cache folder that fits a pattern.

    Args:
        usual: the file's name in the message.
        message: what it says after where it should be.

    Raises:
        ValueError: there is none.
    """
    given = os.environ.get(variable)
    places = [Path(given)] if given else sorted((cache_folder() / "encoders").glob(pattern))
    for place in places:
        if place.is_file():
            return place
    raise ValueError(message.format(given or str(cache_folder() / "encoders" / usual)))


def read_weights(path: Path) -> dict[str, Any]:
    """Tensors by name, from safetensors or by torch's reader of weights, which knows tensors and nothing else."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return dict(load_file(path))
    import torch

    loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return loaded


def through(
    network: Callable[[Any], Any],
    images: NDArray[np.uint8],
    dims: int,
    size: int,
    mean: NDArray[np.float32],
    std: NDArray[np.float32],
    interpolation: int = cv2.INTER_LINEAR,
) -> NDArray[np.float32]:
    """Features [n, dims] of RGB images [n, H, W, 3], brought to ``size`` pixels and normalised by mean and std.

    Raises:
        ValueError: another shape or type.
    """
    import torch

    check_images(images)
    features = np.empty((len(images), dims), np.float32)
    for begin in range(0, len(images), _BATCH):
        part = images[begin : begin + _BATCH]
        sized = np.stack([cv2.resize(image, (size, size), interpolation=interpolation) for image in part])
        pixels = ((sized.astype(np.float32) / 255.0 - mean) / std).transpose(0, 3, 1, 2)
        with torch.inference_mode():
            made = network(torch.from_numpy(np.ascontiguousarray(pixels)))
        features[begin : begin + len(part)] = made.numpy()
    return features
