"""What the flow learns from: the field's error, where it matters and as far as it can be explained.

x_t = (1 - t) x_0 + t x_1 with x_0 ~ N(0, 1) and x_1 of the data; the field learns x_1 - x_0 (Liu et al. 2022). Times
are drawn logit-normally (Esser et al. 2024). Were the latent noise itself, the least mean squared error at t would be
1 / (t^2 + (1 - t)^2): the error is told as a share of it, or the middle would count double.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from foley_synthesis.flow.networks.contact_field import ContactField


@dataclasses.dataclass(frozen=True, eq=False)
class FlowDraw:
    """What is random of a step."""

    noise: Tensor  # [b, latent, n]
    t: Tensor  # [b]

    def __getitem__(self, rows: slice) -> FlowDraw:
        """Some of it."""
        return FlowDraw(self.noise[rows], self.t[rows])


def draw_flow(
    batch: int,
    latent: int,
    frames: int,
    generator: torch.Generator,
    *,
    mean: float = 0.0,
    spread: float = 1.0,
) -> FlowDraw:
    """Noise and logit-normal times."""
    noise = torch.randn(batch, latent, frames, generator=generator)
    t = torch.sigmoid(mean + spread * torch.randn(batch, generator=generator))
    return FlowDraw(noise, t)


def even_times(batch: int, generator: torch.Generator, *, mean: float = 0.0, spread: float = 1.0) -> Tensor:
    """The same distribution, one time from each of as many equal shares of it, in any order [batch]."""
    shares = (torch.randperm(batch, generator=generator) + 0.5) / batch
    return torch.sigmoid(mean + spread * torch.special.ndtri(shares))


def flow_errors(
    field: ContactField,
    data: Tensor,  # [b, latent, n] at unit variance
    condition: Tensor,  # [b, n, c]
    draw: FlowDraw,
) -> Tensor:
    """Squared error of the field [b, latent, n], as a share of what noise alone would leave."""
    t = draw.t.to(data)
    between = t[:, None, None]
    noise = draw.noise.to(data)
    predicted = field((1.0 - between) * noise + between * data, t, condition)
    share = t.square() + (1.0 - t).square()
    errors: Tensor = (predicted - (data - noise)).square() * share[:, None, None]
    return errors


def channel_weights(changes: Tensor, level_weight: float) -> Tensor:
    """Weights of the error of each channel [latent], level last, that add up to 1.

    Args:
        changes: by how much the sound changes with each channel of content [content], in any unit.
        level_weight: of the level against all the content.
    """
    content = changes / changes.sum()
    return torch.cat([content, content.new_tensor([level_weight])]) / (1.0 + level_weight)


def weighted_mean(errors: Tensor, frames: Tensor, channels: Tensor) -> Tensor:
    """Mean of errors [b, latent, n] with a weight for each frame [b, n] and each channel [latent].

    The weights of frames have mean 1 over the training data and are not normalised here: a step on two halves of a
    batch is the same as one on the whole.
    """
    return (errors * frames.to(errors)[:, None] * channels.to(errors)[:, None]).sum(1).mean()
