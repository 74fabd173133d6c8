"""AlexNet's fc7 features, the image representation of Visually Indicated Sounds (section 5.1).

No package ships its ImageNet weights, so the user supplies them: torchvision's `alexnet-owt-*.pth`, or the same
tensors as safetensors, at ``$FOLEY_ALEXNET`` or in the cache folder under `encoders/`. Pickles are read by torch's
restricted reader, which knows tensors and nothing else.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.checkpoint import sha256_of
from foley_synthesis.vision.efficientnet import cache_folder
from foley_synthesis.vision.encoder import check_images

_BATCH = 16
_SIZE = 224
# Of ImageNet, as torchvision's weights expect them.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)


class AlexNetFc7:
    """Activations [n, 4096] of the second fully connected layer."""

    dims = 4096

    def __init__(self, *, threads: int = 1, path: Path | None = None) -> None:
        """Raises ValueError where the weights are missing or are not AlexNet's; the message says where they go."""
        import torch

        torch.set_num_threads(threads)
        weights = path or find_weights()
        self._network = _load(weights)
        self.identity = f"alexnet-fc7-{sha256_of(weights)[:16]}"

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features [n, 4096] of RGB images [n, H, W, 3], enlarged to 224 pixels.

        Raises:
            ValueError: another shape or type.
        """
        import cv2
        import torch

        check_images(images)
        features = np.empty((len(images), self.dims), np.float32)
        for begin in range(0, len(images), _BATCH):
            part = images[begin : begin + _BATCH]
            large = np.stack(
                [cv2.resize(image, (_SIZE, _SIZE), interpolation=cv2.INTER_LINEAR) for image in part]
            )
            pixels = ((large.astype(np.float32) / 255.0 - _MEAN) / _STD).transpose(0, 3, 1, 2)
            with torch.inference_mode():
                made = self._network(torch.from_numpy(np.ascontiguousarray(pixels)))
            features[begin : begin + len(part)] = made.numpy()
        return features


def find_weights() -> Path:
    """The file that the user supplied. Raises ValueError where there is none."""
    given = os.environ.get("FOLEY_ALEXNET")
    places = [Path(given)] if given else sorted((cache_folder() / "encoders").glob("alexnet*.*"))
    for place in places:
        if place.is_file():
            return place
    where = given or str(cache_folder() / "encoders" / "alexnet.pth")
    raise ValueError(
        f"the encoder `alexnet` needs ImageNet weights at {where}: torchvision's alexnet-owt-7be5be79.pth, or the same "
        "tensors as .safetensors (FOLEY_ALEXNET names another place)"
    )


def _load(path: Path) -> Any:
    import torch
    from torchvision.models import alexnet

    network = alexnet(weights=None)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except Exception as error:  # whatever a file that is not AlexNet's raises
        raise ValueError(f"{path}: does not hold AlexNet's weights ({str(error)[:300]})") from error
    network.classifier = network.classifier[:-1]  # up to fc7 and its ReLU
    return network.eval()
