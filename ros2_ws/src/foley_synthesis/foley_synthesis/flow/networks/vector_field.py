"""The network that says in which direction noise becomes sound, conditioned on sight and action.

Hearing Hands, section 4.1: features of the views at 4 Hz and hands at 30 Hz, brought to the rate of the latent by the
nearest value and summed, stand beside the noise as further channels. The blocks are two self-attentions and a
convolutional feed-forward with gated units (GEGLU, Shazeer 2020), as in the released network.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor, nn

ACTION_DIMS = 2 * 21 * 3


@dataclasses.dataclass(frozen=True)
class FieldConfig:
    """Its size.

    Raises:
        ValueError: a field has a value that cannot work; the message names it.
    """

    vision_dims: int  # of one moment: all views side by side
    condition: int  # channels that stand beside the noise; vision as it is where they are as many
    width: int
    depth: int
    heads: int
    latent: int = 20
    kernel: int = 9
    expansion: int = 4
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("vision_dims", "condition", "width", "depth", "heads", "latent", "kernel", "expansion"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        if self.width % (2 * self.heads):
            raise ValueError(f"width is {self.width}, must be a multiple of twice heads ({self.heads})")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel is {self.kernel}, must be odd")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout is {self.dropout}, must be in [0, 1)")


def paper(vision_dims: int = 3 * 512) -> FieldConfig:
    """The network of Hearing Hands: about 157 million parameters with CLIP's 512 numbers for each of three views."""
    return FieldConfig(vision_dims, condition=vision_dims, width=576, depth=4, heads=8)


def small(vision_dims: int) -> FieldConfig:
    """What a CPU trains."""
    return FieldConfig(vision_dims, condition=128, width=96, depth=3, heads=4, dropout=0.1)


def tiny(vision_dims: int) -> FieldConfig:
    """For first steps: learns in seconds, and not much."""
    return FieldConfig(vision_dims, condition=32, width=32, depth=1, heads=2)


SIZES = {"paper": paper, "small": small, "tiny": tiny}


class VectorField(nn.Module):
    """v(x, t | sight, action) of the latent.

    Sight and action can each be left out (``None``). The null condition, a learned vector, stands for both in guidance.
    """

    vision_mean: Tensor
    vision_std: Tensor
    action_mean: Tensor
    action_std: Tensor

    def __init__(self, config: FieldConfig) -> None:
        super().__init__()
        self.config = config
        for name, dims in (("vision", config.vision_dims), ("action", ACTION_DIMS)):
            self.register_buffer(f"{name}_mean", torch.zeros(dims))
            self.register_buffer(f"{name}_std", torch.ones(dims))
        same = config.condition == config.vision_dims
        self._vision: nn.Module = nn.Identity() if same else nn.Linear(config.vision_dims, config.condition)
        self._action = nn.Linear(ACTION_DIMS, config.condition)
        self._null_condition = nn.Parameter(torch.zeros(config.condition))
        self._inwards = nn.Linear(config.latent + config.condition, config.width)
        self._time = nn.Sequential(
            nn.Linear(config.width, 4 * config.width), nn.SiLU(), nn.Linear(4 * config.width, config.width)
        )
        self._blocks = nn.ModuleList(_Block(config) for _ in range(config.depth))
        self._outwards = nn.Sequential(nn.LayerNorm(config.width), nn.Linear(config.width, config.latent))

    def set_statistics(self, vision: Tensor, action: Tensor) -> None:
        """Mean and spread of training inputs [n, steps, dims], so that the first layers see unit size."""
        for name, values in (("vision", vision), ("action", action)):
            flat = values.flatten(0, -2)
            self.get_buffer(f"{name}_mean").copy_(flat.mean(0))
            self.get_buffer(f"{name}_std").copy_(flat.std(0).clamp(min=1e-3))

    def condition(self, vision: Tensor | None, action: Tensor | None, frames: int) -> Tensor:
        """What stands beside the noise [b, frames, condition].

        Args:
            vision: features of the views [b, moments, vision_dims], or already one for each frame.
            action: keypoints of both hands [b, steps, 126], 0 where a hand is absent.

        Raises:
            ValueError: neither is given.
        """
        if vision is None and action is None:
            raise ValueError("neither vision nor action is given, the model needs one of them")
        parts = []
        if vision is not None:
            parts.append(_at_rate(self._vision((vision - self.vision_mean) / self.vision_std), frames))
        if action is not None:
            moved = self._action((action - self.action_mean) / self.action_std)
            parts.append(_at_rate(nn.functional.normalize(moved, dim=-1), frames))
        return torch.stack(parts).sum(dim=0)

    def null_condition(self, batch: int, frames: int) -> Tensor:
        """The null condition of classifier-free guidance [b, frames, condition]."""
        return self._null_condition.expand(batch, frames, -1)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """The field [b, latent, n] at x [b, latent, n] and times t [b] in [0, 1]."""
        hidden = self._inwards(torch.cat([x.transpose(1, 2), condition], dim=-1))
        places = torch.arange(x.shape[2], device=x.device, dtype=x.dtype)
        hidden = (
            hidden
            + _waves(places, self.config.width)
            + self._time(_waves(1000.0 * t, self.config.width))[:, None]
        )
        for block in self._blocks:
            hidden = block(hidden)
        field: Tensor = self._outwards(hidden)
        return field.transpose(1, 2)


def latent_index(frames: int, steps: int) -> Tensor:
    """Which of so many steps is nearest to each frame of the same stretch of time [frames]."""
    return ((torch.arange(frames, dtype=torch.float64) + 0.5) * (steps / frames)).floor().long()


def _at_rate(values: Tensor, frames: int) -> Tensor:
    """[b, steps, c] -> [b, frames, c] by the nearest step."""
    return values if values.shape[1] == frames else values[:, latent_index(frames, values.shape[1])]


def _waves(values: Tensor, width: int) -> Tensor:
    """Sines and cosines [n, width] of values [n] (Vaswani et al. 2017)."""
    rates = torch.exp(
        torch.arange(width // 2, device=values.device, dtype=values.dtype)
        * (-math.log(10_000.0) / (width // 2))
    )
    angles = values[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class _Block(nn.Module):
    """Two self-attentions, then a gated feed-forward that looks along time."""

    def __init__(self, config: FieldConfig) -> None:
        super().__init__()
        self._attentions = nn.ModuleList(_Attention(config) for _ in range(2))
        self._norm = nn.LayerNorm(config.width)
        inner, half = config.expansion * config.width, config.kernel // 2
        self._gated = nn.Conv1d(config.width, 2 * inner, config.kernel, padding=half)
        self._back = nn.Conv1d(inner, config.width, config.kernel, padding=half)
        self._dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        for attention in self._attentions:
            x = x + attention(x)
        value, gate = self._gated(self._norm(x).transpose(1, 2)).chunk(2, dim=1)
        moved: Tensor = self._back(self._dropout(value * nn.functional.gelu(gate)))
        return x + moved.transpose(1, 2)


class _Attention(nn.Module):
    def __init__(self, config: FieldConfig) -> None:
        super().__init__()
        self._heads = config.heads
        self._dropout = config.dropout
        self._norm = nn.LayerNorm(config.width)
        self._inwards = nn.Linear(config.width, 3 * config.width, bias=False)
        self._outwards = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        query, key, value = (
            part.view(batch, length, self._heads, -1).transpose(1, 2)
            for part in self._inwards(self._norm(x)).chunk(3, dim=-1)
        )
        mixed = nn.functional.scaled_dot_product_attention(
            query, key, value, dropout_p=self._dropout if self.training else 0.0
        )
        result: Tensor = self._outwards(mixed.transpose(1, 2).reshape(batch, length, width))
        return result
