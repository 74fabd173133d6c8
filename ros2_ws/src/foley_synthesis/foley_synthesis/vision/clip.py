"""CLIP's image features, the vision of Hearing Hands (section 4), by OpenCLIP.

No package ships its weights, so the user supplies them: OpenCLIP's `open_clip_model.safetensors` (or the same tensors
as .pt) at ``$FOLEY_CLIP``, or in the cache folder under `encoders/`. ``$FOLEY_CLIP_MODEL`` names another architecture
than ViT-B-32 with OpenAI's activation. Nothing is downloaded, and pickles are read by torch's restricted reader.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_synthesis.checkpoint import sha256_of
from foley_synthesis.vision.supplied import find_weights, read_weights, through

DEFAULT_MODEL = "ViT-B-32-quickgelu"
_PREFIX = "visual."
# Of the pictures that OpenAI's and most of OpenCLIP's weights were trained on.
_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
_STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
_NEEDED = (
    f"the encoder `clip` needs weights at {{}}: open_clip_model.safetensors of a {DEFAULT_MODEL} (FOLEY_CLIP names "
    "another place, FOLEY_CLIP_MODEL another architecture)"
)


class ClipEncoder:
    """Unit vectors [n, dims] of the image tower; 512 numbers for ViT-B-32."""

    def __init__(self, *, threads: int = 1, path: Path | None = None, model: str = "") -> None:
        """Raises ValueError where the weights are missing or do not fit; the message says where they go."""
        import torch

        torch.set_num_threads(threads)
        weights = path or find_weights("FOLEY_CLIP", "*clip*.*", "open_clip_model.safetensors", _NEEDED)
        name = model or os.environ.get("FOLEY_CLIP_MODEL", "") or DEFAULT_MODEL
        self._tower, self._size, self.dims = _load(weights, name)
        self.identity = f"clip-{name}-{sha256_of(weights)[:16]}"

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features [n, dims] of RGB images [n, H, W, 3], brought to the tower's size.

        Raises:
            ValueError: another shape or type.
        """
        return through(self._tower, images, self.dims, self._size, _MEAN, _STD, cv2.INTER_CUBIC)


def _load(path: Path, name: str) -> tuple[Any, int, int]:
    """The image tower, the side of its pictures, and the length of its vectors."""
    import open_clip
    import torch

    config = open_clip.get_model_config(name)
    if config is None:
        known = ", ".join(open_clip.list_models()[:6])
        raise ValueError(
            f"FOLEY_CLIP_MODEL is `{name}`, which OpenCLIP does not know; known are {known}, ..."
        )
    model = open_clip.create_model(name, pretrained=None)
    tower = model.visual
    try:
        state = read_weights(path)
        state = state.get("state_dict", state)
        inside = {
            key.removeprefix("module.").removeprefix(_PREFIX): value
            for key, value in state.items()
            if _PREFIX in key
        }
        tower.load_state_dict(inside or state)
    except Exception as error:  # whatever a file that is something else raises
        raise ValueError(f"{path}: does not hold the image tower of {name} ({str(error)[:300]})") from error
    size = config["vision_cfg"]["image_size"]
    tower = tower.float().eval()
    return (
        lambda pixels: torch.nn.functional.normalize(tower(pixels), dim=-1),
        int(size),
        int(config["embed_dim"]),
    )
