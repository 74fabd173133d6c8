"""The network of Eq. 2 and 3 with parts that can be left out, and its training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor, nn

from foley_synthesis.training.steps import Best, falling, step
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.networks.sound_net import VisInput, robust_loss
from foley_synthesis.vis.training.batches import Tensors, inputs_for, training_inputs
from foley_synthesis.vis.training.loop import Split


@dataclasses.dataclass(frozen=True)
class Parts:
    """What a variant has."""

    spacetime: bool = True  # F_t
    recurrent: bool = True  # the LSTM; else every frame by itself
    action: bool = False  # the measured motion, which the paper's model does not have


VARIANTS: dict[str, Parts] = {
    "full": Parts(),
    "no spacetime": Parts(spacetime=False),
    "no RNN": Parts(recurrent=False),
    "full, with action": Parts(action=True),
}
"""Those that are trained."""


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """How long and how fast."""

    epochs: int = 40
    batch: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 2e-2
    clip_norm: float = 1.0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1:
            raise ValueError(f"epochs is {self.epochs} and batch {self.batch}, both must be at least 1")


class AblationNet(nn.Module):
    """s_t = W h_t + b from phi(I_1), and from phi(F_t) and a_t where the variant has them."""

    def __init__(self, config: ModelConfig, parts: Parts) -> None:
        super().__init__()
        self.config, self.parts = config, parts

        def reduce(dims: int, units: int) -> nn.Sequential:
            return nn.Sequential(nn.Dropout(config.dropout), nn.Linear(dims, units), nn.Tanh())

        self.still = reduce(config.still_dims, config.still_units)
        inputs = config.still_units
        if parts.spacetime:
            self.frame = reduce(config.encoder_dims, config.frame_units)
            inputs += config.frame_units
        if parts.action:
            inputs += config.action_dims
        if parts.recurrent:
            self.lstm = nn.LSTM(inputs, config.hidden, batch_first=True)
        else:
            self.step = nn.Sequential(nn.Linear(inputs, config.hidden), nn.ReLU())
        self.drop = nn.Dropout(config.dropout)
        self.output = nn.Linear(config.hidden, config.components)

    def forward(self, batch: VisInput) -> Tensor:
        """Sound features [n, t, components]."""
        steps = self.config.sound_frames
        columns = [self.still(batch.still)[:, None].expand(-1, steps, -1)]
        if self.parts.spacetime:
            columns.append(self.frame(batch.frames).repeat_interleave(self.config.replication, dim=1))
        if self.parts.action:
            columns.append(batch.action)
        inputs = torch.cat(columns, dim=-1)
        states = self.lstm(inputs)[0] if self.parts.recurrent else self.step(inputs)
        result: Tensor = self.output(self.drop(states))
        return result


def fit(
    tensors: Tensors,
    split: Split,
    model: ModelConfig,
    parts: Parts,
    config: FitConfig,
    *,
    seed: int,
    progress: Callable[[], None] = lambda: None,
) -> AblationNet:
    """Train with the loss of Eq. 4; the weights of the best validation loss are kept.

    Args:
        progress: called after every epoch.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    torch.manual_seed(seed)
    net = AblationNet(model, parts)
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    best = Best(net)
    for epoch in range(config.epochs):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        torch.manual_seed(seed * 1_000_003 + epoch)  # dropout
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * falling(epoch, config.epochs, warm_up=3)
        net.train()
        order = split.train[torch.randperm(len(split.train), generator=generator)]
        for index in torch.tensor_split(order, max(1, len(order) // config.batch)):
            inputs, target = training_inputs(tensors, index, 0.0, generator)
            step(robust_loss(net(inputs), target), optimiser, net, config.clip_norm, epoch)
        predicted = predict(net, tensors, split.validation)
        best.see(float(robust_loss(predicted, tensors.sound[split.validation])))
        progress()
    best.restore()
    return net


@torch.no_grad()
def predict(net: AblationNet, tensors: Tensors, rows: Tensor) -> Tensor:
    """Sound features [n, t, components] of these rows."""
    net.eval()
    parts = [net(inputs_for(tensors, index, executed=True)) for index in torch.split(rows, 256)]
    return torch.cat(parts)
