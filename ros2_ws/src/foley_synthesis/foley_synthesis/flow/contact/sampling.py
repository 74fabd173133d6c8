"""From noise to the latent of a sound: few steps, and guidance that never makes anything louder.

Classifier-free guidance (Ho and Salimans 2022) moves away from what would sound under no condition. On the level it
would exaggerate loudness, so it acts on the channels of content alone; within an interval of the flow's time
(Kynkaanniemi et al. 2024), where it helps; and the guided content gets back a share of the spread that it had without
guidance (Lin et al. 2024).

A flow that has not learned everything wanders further than sounds do. Noise that is scaled down at the start, by a
temperature, keeps it nearer to what it expects (as Popov et al. 2021 do for speech); 1 samples what was learned.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Literal

import torch
from torch import Tensor

from foley_synthesis.flow.networks.contact_field import ContactField


@dataclasses.dataclass(frozen=True)
class ContactSampling:
    """How a sound is sampled. `heun` asks the network twice a step, but for the last.

    Raises:
        ValueError: a field has a value that cannot work; the message names it.
    """

    steps: int = 12
    method: Literal["euler", "heun"] = "euler"
    guidance: float = 1.0  # 1: none, and half the time
    interval: tuple[float, float] = (0.2, 0.8)
    rescale: float = 0.7
    temperature: float = 1.0  # of the noise

    def __post_init__(self) -> None:
        object.__setattr__(self, "interval", tuple(float(value) for value in self.interval))
        if self.steps < 1:
            raise ValueError(f"steps is {self.steps}, must be at least 1")
        if self.method not in ("euler", "heun"):
            raise ValueError(f"method is `{self.method}`, must be euler or heun")
        if not self.guidance >= 0.0:
            raise ValueError(f"guidance is {self.guidance}, must not be negative; 1 is none")
        if len(self.interval) != 2 or not 0.0 <= self.interval[0] <= self.interval[1] <= 1.0:
            raise ValueError(f"interval is {self.interval}, must be two times in [0, 1], the earlier first")
        if not 0.0 <= self.rescale <= 1.0:
            raise ValueError(f"rescale is {self.rescale}, must be in [0, 1]")
        if not 0.0 <= self.temperature <= 2.0:
            raise ValueError(
                f"temperature is {self.temperature}, must be in [0, 2]; 1 is the noise of training"
            )


@torch.no_grad()
def sample_latent(
    field: ContactField,
    noise: Tensor,  # [b, latent, n]
    condition: Tensor,  # [b, n, c]
    null: Tensor | None,  # [b, n, c]; None: no guidance
    config: ContactSampling,
    fixed: Tensor | None = None,
) -> Tensor:
    """The latent at unit variance, of noise of this shape.

    Args:
        fixed: its first frames [b, latent, p], which are known: at every time of the flow they lie where their own
            straight path has them, as in training, and what follows is sampled so that it goes on from them.

    Raises:
        ValueError: there is to be guidance, but no null condition.
    """
    if null is None and config.guidance != 1.0:
        raise ValueError(f"guidance is {config.guidance}, which needs the null condition")
    start = config.temperature * noise
    x, times = start, torch.linspace(0.0, 1.0, config.steps + 1).tolist()
    for begin, end in itertools.pairwise(times):
        speed = _speed(field, x, begin, condition, null, config)
        ahead = _held(x + (end - begin) * speed, start, end, fixed)
        if config.method == "heun" and end < 1.0:
            speed = (speed + _speed(field, ahead, end, condition, null, config)) / 2
            ahead = _held(x + (end - begin) * speed, start, end, fixed)
        x = ahead
    return x


def _held(x: Tensor, start: Tensor, t: float, fixed: Tensor | None) -> Tensor:
    """A sample at a time, with its fixed frames on their way from the noise."""
    if fixed is None or not fixed.shape[-1]:
        return x
    known = fixed.shape[-1]
    return torch.cat([(1.0 - t) * start[..., :known] + t * fixed, x[..., known:]], dim=-1)


def _speed(
    field: ContactField, x: Tensor, t: float, condition: Tensor, null: Tensor | None, config: ContactSampling
) -> Tensor:
    at = torch.full((len(x),), t, device=x.device)
    within = config.interval[0] <= t <= config.interval[1]
    if null is None or config.guidance == 1.0 or not within:
        alone: Tensor = field(x, at, condition)
        return alone
    both: Tensor = field(torch.cat([x, x]), torch.cat([at, at]), torch.cat([condition, null]))
    known, unknown = both.chunk(2)
    return guided(x, t, known, unknown, field.config.content, config)


def guided(
    x: Tensor, t: float, known: Tensor, unknown: Tensor, content: int, config: ContactSampling
) -> Tensor:
    """The field with guidance on its first channels; the rest, the level, is that of the condition alone."""
    pushed = unknown[:, :content] + config.guidance * (known - unknown)[:, :content]
    # What the sample would become, and its spread over an item.
    end_known = x[:, :content] + (1.0 - t) * known[:, :content]
    end = x[:, :content] + (1.0 - t) * pushed
    ratio = end_known.std((1, 2), keepdim=True) / end.std((1, 2), keepdim=True).clamp(min=1e-6)
    end = end * (config.rescale * ratio + 1.0 - config.rescale)
    speed = (end - x[:, :content]) / max(1.0 - t, 1e-6)
    return torch.cat([speed, known[:, content:]], dim=1)
