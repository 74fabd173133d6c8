"""The three networks of one checkpoint, and the fixed maps in front of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foley_synthesis.beliefs.head_output import HeadOutput
from foley_synthesis.hearing.networks.heard_net import HeardNet
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.networks.predicted_net import PredictedNet
from foley_synthesis.vis.networks.sound_net import VisInput, VisNet
from foley_synthesis.vis.outputs import VisOutput


class Networks(nn.Module):
    """Sound from sight and action; material from predicted and from heard sound."""

    still_mean: Tensor
    still_std: Tensor
    frame_mean: Tensor
    frame_std: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.vis = VisNet(config)
        self.predicted = PredictedNet(config)
        self.heard = HeardNet(config.hearing)
        for name, dims in (("still", config.still_dims), ("frame", config.encoder_dims)):
            self.register_buffer(f"{name}_mean", torch.zeros(dims))
            self.register_buffer(f"{name}_std", torch.ones(dims))

    def set_statistics(self, still: Tensor, frames: Tensor, windows: Tensor) -> None:
        """Mean and spread of the training inputs, so that the networks see unit size.

        Args:
            still: phi(I_1) [n, still_dims].
            frames: phi(F_t) [n, f, encoder_dims].
            windows: cochleagrams around the contact, divided by their peak [n, heard_frames, channels].
        """
        frames = frames.flatten(0, 1)
        # The constant keeps features that hardly vary from being blown up.
        for name, value in (
            ("still_mean", still.mean(0)),
            ("still_std", still.std(0) + 0.05),
            ("frame_mean", frames.mean(0)),
            ("frame_std", frames.std(0) + 0.05),
        ):
            self.get_buffer(name).copy_(value)
        self.heard.set_statistics(windows)

    def normalise_still(self, still: Tensor) -> Tensor:
        """phi(I_1) [..., still_dims] to unit size."""
        return (still - self.still_mean) / self.still_std

    def normalise_frames(self, frames: Tensor) -> Tensor:
        """phi(F_t) [..., encoder_dims] to unit size."""
        return (frames - self.frame_mean) / self.frame_std

    def predict(
        self, batch: VisInput, head_gradient: float = 1.0, still_gradient: float = 1.0
    ) -> tuple[VisOutput, HeadOutput]:
        """Sound features and what they say.

        The head passes `head_gradient` of its gradient to the predicted sound and the LSTM, and `still_gradient`
        to what is kept of the still image.
        """
        sound = self.vis(batch)
        features = _scale_gradient(sound.features, head_gradient)
        states = _scale_gradient(sound.states, head_gradient)
        return sound, self.predicted(features, states, _scale_gradient(sound.still, still_gradient))

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


def _scale_gradient(value: Tensor, share: float) -> Tensor:
    if share == 1.0:
        return value
    return value * share + value.detach() * (1.0 - share)
