"""The core of Visually Indicated Sounds (Owens 2016), with the gripper's trajectory beside the frames.

    x_t = [phi(F_t), phi(I_1), a_t]        Eq. 2; a_t is the action, at the rate of the sound features
    s_t = W h_t + b, h_t = L(x_t, h_t-1)   Eq. 3
    E   = sum_t rho(|s_t - s~_t|), rho(r) = log(eps + r^2)   Eq. 4

One network serves two modes. Planned: no frames (zeros and a flag), the commanded trajectory, no force.
Executed: frames and measured trajectory. Training draws the mode of each example, so that neither is a guest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.networks.onset_net import OnsetNet
from foley_synthesis.vis.outputs import ACTION_LIMIT, ACTION_SCALE, VisOutput


class VisInput(NamedTuple):
    """A batch of contacts."""

    still: Tensor  # [n, d] phi(I_1)
    frames: Tensor  # [n, f, d] phi(F_t); zeros in planned mode
    action: Tensor  # [n, t, 8], see `normalise_action`
    executed: Tensor  # [n] 1 where frames and measured action are given, 0 in planned mode


def normalise_action(action: Tensor) -> Tensor:
    """Raw [.., t, 8] in SI units to about unit size; impact forces span decades.

    The border of the models: what is not known of a motion (NaN) is 0 from here on, in training and after it.
    """
    action = torch.nan_to_num(action)
    scaled = action / action.new_tensor(ACTION_SCALE)
    force = torch.log1p(action[..., 7:].clamp(min=0.0))
    return torch.cat([scaled[..., :7], force], dim=-1).clamp(-ACTION_LIMIT, ACTION_LIMIT)


def squared_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """The mean squared distance in the frames of [n, t, components].

    Beside the robust one, which forgives what is far off: with it the loud frames of a contact, a few among much
    background, are outliers, and the prediction stays with the background.
    """
    return (predicted - target).square().sum(-1).mean()


def robust_loss(predicted: Tensor, target: Tensor, epsilon: float = 1.0) -> Tensor:
    """Eq. 4, averaged: log(eps + r^2) of the distance r in each frame of [n, t, components].

    Frames have unit variance. A small eps spends itself on the background, of which there is most, and predicts
    contacts too quietly (0.04: 3 dB more loudness error than 1).
    """
    squared = (predicted - target).square().sum(-1)
    return torch.log(epsilon + squared).mean()


class VisNet(nn.Module):
    """The regression from sight and action to sound features."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.still = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(config.still_dims, config.still_units), nn.Tanh()
        )
        self.frame = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(config.encoder_dims, config.frame_units), nn.Tanh()
        )
        inputs = config.still_units + config.frame_units + config.action_dims + 1
        self.lstm = nn.LSTM(inputs, config.hidden, batch_first=True)
        self.drop = nn.Dropout(config.dropout)
        self.output = nn.Linear(config.hidden, config.components)
        self.onset = OnsetNet(config) if config.decoding == "onset" else None

    @property
    def background(self) -> NDArray[np.float32] | None:
        """Mean frame [channels] over which sounds stand; None where they are decoded as they are."""
        return None if self.onset is None else self.onset.background.numpy()

    def forward(self, batch: VisInput) -> VisOutput:
        steps = batch.action.shape[1]
        flag = batch.executed[:, None, None]
        still = self.still(batch.still)
        # The flag silences what dropout or bias would let through of frames that do not exist.
        frames = self.frame(batch.frames) * flag
        frames = frames.repeat_interleave(self.config.replication, dim=1)
        inputs = torch.cat(
            [still[:, None].expand(-1, steps, -1), frames, batch.action, flag.expand(-1, steps, 1)], dim=-1
        )
        states, _ = self.lstm(inputs)
        onset = self.onset(batch.action, still, batch.executed) if self.onset is not None else None
        return VisOutput(self.output(self.drop(states)), states, still, onset)
