"""From contact motion at 125 Hz to the level of each mel bin over the room's tone, by a U-shaped network.

What is predicted is the level of what the hand makes sound; the tone of the room is known and added to it as power, so
that a sound below it counts for nothing. With noise at every level of the network a draw of it is a draw of the sound:
slow noise stands for what is touched and how the room is, fast noise for the details of a contact.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from foley_synthesis.flow.networks.mel import BINS
from foley_synthesis.flow.regression.config import DOWN, RegressionConfig
from foley_synthesis.flow.regression.sound import tone_over_floor

_DB = 10.0 / math.log(10.0)  # of a neper of power
_UNIT_DB = 10.0  # of what the last layer gives and the floor is shown in
_INWARDS = 9  # frames that the first layer sees
_CLIP = 8.0  # of inputs in their spread


class RegressionNet(nn.Module):
    """Features [b, n, channels] and the room's floor [b, 80] in dB -> level over it [b, 80, n] in dB.

    It is never below that of the room's tone over its own floor.
    """

    mean: Tensor
    std: Tensor
    usual_floor: Tensor
    usual_level: Tensor
    tone: Tensor

    def __init__(self, config: RegressionConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.channels))
        self.register_buffer("std", torch.ones(config.channels))
        self.register_buffer("usual_floor", torch.full((BINS,), -80.0))
        self.register_buffer("usual_level", torch.full((BINS,), -80.0))
        self.register_buffer("tone", tone_over_floor().clone())
        inputs = config.channels + len(config.groups)
        widths = [config.width] + [config.deep_width] * config.levels
        kernel = config.kernel
        self._inwards = nn.Conv1d(inputs, config.width, _INWARDS, padding=_INWARDS // 2)
        self._room = nn.Linear(BINS, config.width)
        self._before = nn.ModuleList(nn.Sequential(_Block(w, kernel), _Block(w, kernel)) for w in widths)
        self._after = nn.ModuleList(nn.Sequential(_Block(w, kernel), _Block(w, kernel)) for w in widths[:-1])
        # A kernel of 6 with a stride of 4 and one of padding is centred on the four frames that it stands for.
        self._down = nn.ModuleList(
            nn.Conv1d(a, b, DOWN + 2, DOWN, padding=1) for a, b in itertools.pairwise(widths)
        )
        self._up = nn.ModuleList(
            nn.ConvTranspose1d(b, a, DOWN + 2, DOWN, padding=1) for a, b in itertools.pairwise(widths)
        )
        self._noise = nn.ModuleList(nn.Conv1d(config.noise, w, 1) for w in widths if config.noise)
        self._outwards = nn.Sequential(
            _Norm(config.width), nn.Conv1d(config.width, BINS, kernel, padding=kernel // 2)
        )

    @torch.no_grad()
    def set_statistics(self, features: Tensor, floors: Tensor, levels: Tensor) -> None:
        """Take what is usual from training data.

        Args:
            features: [..., channels]. A channel that never changes keeps a spread of 1.
            floors: [m, 80] of the rooms, in dB.
            levels: [80] of what sounds in them, in dB.
        """
        flat = features.reshape(-1, self.config.channels).double()
        spread = flat.std(dim=0, correction=0)
        self.mean.copy_(flat.mean(dim=0))
        self.std.copy_(torch.where(spread > 1e-6, spread, 1.0))
        self.usual_floor.copy_(floors.mean(dim=0))
        self.usual_level.copy_(levels)

    def draw_noise(self, batch: int, frames: int, generator: torch.Generator | None = None) -> list[Tensor]:
        """Standard normal noise for each level [b, channels, its frames]; empty where the network takes none."""
        if not self.config.noise:
            return []
        rows = -(-frames // self.config.stride) * self.config.stride
        return [
            torch.randn(batch, self.config.noise, rows // DOWN**level, generator=generator)
            for level in range(self.config.levels + 1)
        ]

    def forward(
        self,
        features: Tensor,
        floor: Tensor,
        kept: Tensor | None = None,
        noise: Sequence[Tensor] = (),
    ) -> Tensor:
        """Levels over the floor [b, 80, n] in dB.

        Args:
            features: [b, n, channels].
            kept: [b, groups], 0 where a group is to be left out; None: none is.
            noise: of :meth:`draw_noise`.

        Raises:
            ValueError: a network with noise is given none, or the other way round.
        """
        if len(noise) != len(self._noise):
            raise ValueError(f"noise is given for {len(noise)} levels, must be for {len(self._noise)}")
        frames = features.shape[1]
        inputs = self._inputs(features, kept)
        room = (floor - self.usual_floor) / _UNIT_DB
        x = self._inwards(inputs) + self._room(room)[:, :, None]
        skipped: list[Tensor] = []
        for level, blocks in enumerate(self._before):
            if level:
                x = self._down[level - 1](x)
            if noise:
                x = x + self._noise[level](noise[level])
            x = blocks(x)
            skipped.append(x)
        for level in reversed(range(self.config.levels)):
            x = self._after[level](skipped[level] + self._up[level](x))
        level_db = self._outwards(x)[..., :frames] * _UNIT_DB + self.usual_level[:, None]
        tone = self.tone[:, None]
        over: Tensor = tone + functional.softplus((level_db - floor[:, :, None] - tone) / _DB) * _DB
        return over

    def _inputs(self, features: Tensor, kept: Tensor | None) -> Tensor:
        """What is known, in unit size, and which groups are told; padded to whole frames of the lowest level."""
        values = ((features - self.mean) / self.std).clamp(-_CLIP, _CLIP)
        if kept is None:
            kept = values.new_ones(len(values), len(self.config.groups))
        sizes = torch.tensor([e - b for _, b, e in self.config.groups], device=values.device)
        present = kept.repeat_interleave(sizes, dim=-1, output_size=self.config.channels)
        flags = kept[:, None].expand(-1, values.shape[1], -1)
        inputs = torch.cat([values * present[:, None], flags], dim=-1).transpose(1, 2)
        return functional.pad(inputs, (0, -inputs.shape[-1] % self.config.stride), mode="replicate")


class _Norm(nn.Module):
    """Unit mean square over the channels of each frame: no frame's level depends on another's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self._gain = nn.Parameter(torch.ones(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-6) * self._gain


class _Block(nn.Module):
    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self._layers = nn.Sequential(
            _Norm(width),
            nn.Conv1d(width, width, kernel, padding=kernel // 2),
            nn.SiLU(),
            nn.Conv1d(width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = x + self._layers(x)
        return changed
