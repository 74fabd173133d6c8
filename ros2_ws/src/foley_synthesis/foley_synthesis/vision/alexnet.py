"""AlexNet's fc7 features, the image representation of Visually Indicated Sounds (section 5.1).

No package ships its ImageNet weights, so the user supplies them: torchvision's `alexnet-owt-*.pth`, or the same
tensors as safetensors, at ``$FOLEY_ALEXNET`` or in the cache folder under `encoders/`. Pickles are read by torch's
restricted reader, which knows tensors and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.checkpoint import sha256_of
from foley_synthesis.vision.supplied import find_weights, read_weights, through

_SIZE = 224
# Of ImageNet, as torchvision's weights expect them.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)
_NEEDED = (
    "the encoder `alexnet` needs ImageNet weights at {}: torchvision's alexnet-owt-7be5be79.pth, or the same tensors "
    "as .safetensors (FOLEY_ALEXNET names another place)"
)


class AlexNetFc7:
    """Activations [n, 4096] of the second fully connected layer."""

    dims = 4096

    def __init__(self, *, threads: int = 1, path: Path | None = None) -> None:
        """Raises ValueError where the weights are missing or are not AlexNet's; the message says where they go."""
        import torch

        torch.set_num_threads(threads)
        weights = path or find_weights("FOLEY_ALEXNET", "alexnet*.*", "alexnet.pth", _NEEDED)
        self._network = _load(weights)
        self.identity = f"alexnet-fc7-{sha256_of(weights)[:16]}"

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features [n, 4096] of RGB images [n, H, W, 3], enlarged to 224 pixels.

        Raises:
            ValueError: another shape or type.
        """
        return through(self._network, images, self.dims, _SIZE, _MEAN, _STD)


def _load(path: Path) -> Any:
    from torchvision.models import alexnet

    network = alexnet(weights=None)
    try:
        network.load_state_dict(read_weights(path))
    except Exception as error:  # whatever a file that is not AlexNet's raises
        raise ValueError(f"{path}: does not hold AlexNet's weights ({str(error)[:300]})") from error
    network.classifier = network.classifier[:-1]  # up to fc7 and its ReLU
    return network.eval()
