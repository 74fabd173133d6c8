"""The regression of sound alone, without the heads that name a material: for comparisons of how it is trained."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from foley_synthesis.training.steps import Best, falling, step
from foley_synthesis.vis.networks.sound_net import VisNet
from foley_synthesis.vis.outputs import OnsetOutput, VisOutput
from foley_synthesis.vis.training.batches import (
    Tensors,
    inputs_for,
    sound_loss,
    training_batch,
    validation_target,
)
from foley_synthesis.vis.training.config import TrainConfig
from foley_synthesis.vis.training.loop import Split

_AT_ONCE = 256  # contacts


def train_sound(
    net: VisNet,
    tensors: Tensors,
    split: Split,
    config: TrainConfig,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[float]:
    """Train for planned and measured contacts as `loop.train` does; the losses on validation, of which the best's
    weights are kept.

    Args:
        config: of which `epochs` ends the training.
        progress: called with epochs done and their number.

    Raises:
        ValueError: epochs are not set.
        FloatingPointError: the loss is not finite.
    """
    if config.epochs is None:
        raise ValueError("epochs is None, must be set")
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    best, losses = Best(net), []
    for epoch in range(config.epochs):
        seed = config.seed * 1_000_003 + epoch
        torch.manual_seed(seed)  # dropout
        generator = torch.Generator().manual_seed(seed)
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * falling(epoch, config.epochs, warm_up=2)
        net.train()
        order = split.train[torch.randperm(len(split.train), generator=generator)]
        for index in torch.tensor_split(order, max(1, len(order) // config.batch)):
            inputs, target = training_batch(
                tensors, index, config.planned_share, config.plan_error_s, generator
            )
            step(sound_loss(net(inputs), target, config.loss), optimiser, net, config.clip_norm, epoch)
        target = validation_target(tensors, split.validation, config.plan_error_s)
        losses.append(float(sound_loss(planned_sounds(net, tensors, split.validation), target, config.loss)))
        best.see(losses[-1])
        progress(epoch + 1, config.epochs)
    best.restore()
    return losses


@torch.no_grad()
def planned_sounds(net: VisNet, tensors: Tensors, rows: Tensor) -> VisOutput:
    """What is predicted of contacts [n] from their plans, which are told as they are."""
    net.eval()
    parts = [net(inputs_for(tensors, index, executed=False)) for index in torch.split(rows, _AT_ONCE)]
    onsets = [part.onset for part in parts if part.onset is not None]
    features, states, still = (
        torch.cat([getattr(part, name) for part in parts]) for name in ("features", "states", "still")
    )
    onset = OnsetOutput(*(torch.cat(column) for column in zip(*onsets, strict=True))) if onsets else None
    return VisOutput(features, states, still, onset)
