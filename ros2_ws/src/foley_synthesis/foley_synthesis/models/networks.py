"""The three networks of one checkpoint, and the fixed maps in front of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foley_synthesis.models.config import ModelConfig
from foley_synthesis.models.heads import HeadOutput, HeardNet, PredictedNet
from foley_synthesis.models.vis import VisInput, VisNet, VisOutput


class Networks(nn.Module):
    """Sound from sight and action; material from predicted and from heard sound."""

    feature_mean: Tensor
    feature_std: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.vis = VisNet(config)
        self.predicted = PredictedNet(config)
        self.heard = HeardNet(config)
        self.register_buffer("feature_mean", torch.zeros(config.encoder_dims))
        self.register_buffer("feature_std", torch.ones(config.encoder_dims))

    def set_feature_statistics(self, features: NDArray[np.floating[Any]]) -> None:
        """Mean and spread of encoder features [n, encoder_dims], so that the networks see unit size."""
        self.feature_mean.copy_(torch.from_numpy(features.mean(axis=0).astype(np.float32)))
        self.feature_std.copy_(torch.from_numpy((features.std(axis=0) + 0.05).astype(np.float32)))

    def normalise(self, features: Tensor) -> Tensor:
        """Encoder features [..., k * encoder_dims] to unit size."""
        shape = (*features.shape[:-1], -1, self.config.encoder_dims)
        return ((features.reshape(shape) - self.feature_mean) / self.feature_std).reshape(features.shape)

    def predict(self, batch: VisInput, head_gradient: float = 1.0) -> tuple[VisOutput, HeadOutput]:
        """Sound features and what they say. The head passes this share of its gradient to the sound."""
        sound = self.vis(batch)
        features = _scale_gradient(sound.features, head_gradient)
        states = _scale_gradient(sound.states, head_gradient)
        return sound, self.predicted(features, states)

    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """For a checkpoint."""
        return {name: value.detach().cpu().numpy() for name, value in self.state_dict().items()}

    def load_tensors(self, tensors: dict[str, NDArray[Any]]) -> None:
        """From a checkpoint; tensors of other parts (such as `pca.`) are left aside.

        Raises:
            ValueError: a tensor is missing or has another shape.
        """
        own = self.state_dict()
        missing = sorted(set(own) - set(tensors))
        if missing:
            raise ValueError(f"the checkpoint lacks {len(missing)} tensors, such as `{missing[0]}`")
        for name, value in own.items():
            if tuple(value.shape) != tensors[name].shape:
                raise ValueError(
                    f"tensor `{name}` is {tensors[name].shape}, the model needs {tuple(value.shape)}"
                )
        self.load_state_dict({name: torch.from_numpy(np.array(tensors[name])) for name in own})


def peak_normalised(window: Tensor) -> Tensor:
    """Windows [n, frames, channels] of a cochleagram, each divided by its own peak."""
    return window / window.amax(dim=(1, 2), keepdim=True).clamp(min=1e-4)


def _scale_gradient(value: Tensor, share: float) -> Tensor:
    if share == 1.0:
        return value
    return value * share + value.detach() * (1.0 - share)
