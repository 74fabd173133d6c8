"""Rectified flow: straight paths from noise to data, and Euler's steps along them (Liu et al. 2022).

x_t = (1 - t) x_0 + t x_1 with x_0 ~ N(0, 1) and x_1 of the data; the field learns x_1 - x_0. With classifier-free
guidance (Ho and Salimans 2022) each step follows v(null) + g (v(condition) - v(null)), and in training the null
condition takes the condition\'s place in a share of the samples (condition dropout).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

import torch
from torch import Tensor

Field = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(x [b, c, n], t [b], condition [b, n, d]) -> [b, c, n]"""


@dataclasses.dataclass(frozen=True)
class SampleConfig:
    """How a sound is sampled. Hearing Hands: 26 points in time, hence 25 steps, and a guidance of 4.5."""

    steps: int = 25
    guidance: float = 4.5

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps is {self.steps}, must be at least 1")
        if not self.guidance >= 0.0:
            raise ValueError(f"guidance is {self.guidance}, must not be negative; 1 is none")


def flow_loss(
    field: Field,
    data: Tensor,
    condition: Tensor,
    null_condition: Tensor,
    generator: torch.Generator,
    *,
    condition_dropout: float = 0.2,
) -> Tensor:
    """Mean squared error of the field at random times.

    Args:
        data: [b, c, n] of unit variance.
        condition: [b, n, d]; ``null_condition`` [b, n, d] takes its place in the share
            ``condition_dropout`` of the samples.
    """
    noise = torch.randn(data.shape, generator=generator).to(data)
    t = torch.rand(len(data), generator=generator).to(data)
    kept = torch.rand(len(data), generator=generator).to(data) >= condition_dropout
    seen = torch.where(kept[:, None, None], condition, null_condition)
    between = t[:, None, None]
    predicted = field((1 - between) * noise + between * data, t, seen)
    return (predicted - (data - noise)).square().mean()


@torch.no_grad()
def sample(
    field: Field, noise: Tensor, condition: Tensor, null_condition: Tensor, config: SampleConfig | None = None
) -> Tensor:
    """Data [b, c, n] from noise of this shape."""
    config = config or SampleConfig()
    x = noise
    times = torch.linspace(0.0, 1.0, config.steps + 1).to(noise)
    for begin, end in itertools.pairwise(times):
        t = begin.expand(len(x))
        if config.guidance == 1.0:
            speed = field(x, t, condition)
        else:
            both = field(torch.cat([x, x]), torch.cat([t, t]), torch.cat([condition, null_condition]))
            known, unknown = both.chunk(2)
            speed = unknown + config.guidance * (known - unknown)
        x = x + (end - begin) * speed
    return x
