"""Layers of a vector field: blocks that read a condition and the flow's time, and a look at earlier sounds."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

TIME_CHANNELS = 128
"""Of the flow's time."""


def zeroed(layer: nn.Linear) -> nn.Linear:
    """A layer that says nothing at first."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def waves(values: Tensor, width: int) -> Tensor:
    """Sines and cosines [n, width] of values [n] (Vaswani et al. 2017)."""
    rates = torch.exp(torch.arange(width // 2, device=values.device) * (-math.log(10_000.0) / (width // 2)))
    angles = values.float()[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def rotations(frames: int, dims: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines [frames, dims / 2] of rotary positions."""
    rates = torch.exp(torch.arange(dims // 2, device=device) * (-math.log(1_000.0) / (dims // 2)))
    angles = torch.arange(frames, device=device)[:, None] * rates
    return angles.cos(), angles.sin()


def _turned(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """[..., frames, dims] turned by each frame's angles."""
    cos, sin = (part.to(x.dtype) for part in turns)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class FieldBlock(nn.Module):
    """A convolution of each channel along time, a feed-forward across channels and, in some, an attention.

    Args:
        inner: channels of the condition.
        attention: heads, and how many frames it reaches back and ahead; None: there is none.
    """

    def __init__(
        self, width: int, inner: int, kernel: int, expansion: int, attention: tuple[int, int] | None
    ) -> None:
        super().__init__()
        attends = attention is not None
        self._norm = nn.LayerNorm(width, elementwise_affine=False)
        self._time = zeroed(nn.Linear(TIME_CHANNELS, (6 if attends else 3) * width))
        self._known = nn.Linear(inner, width, bias=False)
        self._along = nn.Conv2d(width, width, (1, kernel), padding=(0, kernel // 2), groups=width)
        self._across = nn.Sequential(
            nn.Linear(width, expansion * width),
            nn.GELU(),  # its approximation by tanh is four times slower on a CPU
            nn.Linear(expansion * width, width),
        )
        self._attention = _Attention(width, *attention) if attention is not None else None

    def forward(self, x: Tensor, time: Tensor, condition: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
        """[b, n, width] -> the same shape."""
        parts = self._time(time)[:, None].float().split(x.shape[-1], dim=-1)
        seen = self._norm(x.float()) * (1.0 + parts[0]) + parts[1] + self._known(condition)
        # In float32: on a CPU a convolution of each channel is slower in bfloat16. One row high, channels last: a view.
        with torch.autocast(x.device.type, enabled=False):
            along = self._along(seen.float().transpose(1, 2).unsqueeze(2)).squeeze(2).transpose(1, 2)
        x = x + parts[2] * self._across(along)
        if self._attention is not None:
            seen = self._norm(x.float()) * (1.0 + parts[3]) + parts[4]
            x = x + parts[5] * self._attention(seen, turns)
        return x


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int, reach: int) -> None:
        super().__init__()
        self._heads, self._reach = heads, reach
        self._inwards = nn.Linear(width, 3 * width, bias=False)
        self._outwards = nn.Linear(width, width)

    def forward(self, x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
        batch, length, width = x.shape
        query, key, value = (
            part.view(batch, length, self._heads, -1).transpose(1, 2)
            for part in self._inwards(x).chunk(3, dim=-1)
        )
        places = torch.arange(length, device=x.device)
        near = (places[:, None] - places).abs() <= self._reach
        mixed = _attend(_turned(query, turns), _turned(key, turns), value, near)
        result: Tensor = self._outwards(mixed.transpose(1, 2).reshape(batch, length, width))
        return result


class HitPool(nn.Module):
    """Each frame's look at earlier contacts: attention of its motion to theirs, and to none of them."""

    def __init__(self, latent: int, inner: int, frames: int) -> None:
        super().__init__()
        self._sound = nn.Sequential(
            nn.Conv1d(latent + inner, inner, 4, stride=2, padding=1),
            nn.GELU(),
            nn.Conv1d(inner, inner, 4, stride=2, padding=1),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(inner * frames // 4, inner),
        )
        self._none = nn.Parameter(torch.zeros(inner))
        self._query = nn.Linear(inner, inner)
        self._key = nn.Linear(inner, inner)
        self._value = nn.Linear(inner, inner)

    def forward(self, moved: Tensor, sounds: Tensor, motions: Tensor, use: Tensor) -> Tensor:
        """Of frames [b, n, inner] and hits' sounds [b, k, latent, 16] and motions [b, k, 16, inner]: [b, n, inner]."""
        both = torch.cat([sounds, motions.transpose(2, 3).to(sounds.dtype)], dim=2)
        hits = self._sound(both.flatten(0, 1)).unflatten(0, both.shape[:2])
        hits = torch.cat([hits, self._none.expand(len(hits), 1, -1).to(hits.dtype)], dim=1)
        # One place more than hits: none of them is always to be chosen.
        allowed = torch.cat([use, torch.ones_like(use[..., :1])], dim=-1)
        result: Tensor = _attend(self._query(moved), self._key(hits), self._value(hits), allowed)
        return result


def _attend(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor) -> Tensor:
    """Attention [..., n, d] of n queries to k keys and values, as far as allowed [..., n, k].

    For few short sequences plain products are five times faster in training on a CPU than the fused operation.
    """
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    weights = scores.float().masked_fill(~allowed, -torch.inf).softmax(dim=-1)
    return weights.to(value.dtype) @ value
