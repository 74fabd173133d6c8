"""What a motion says about the sound that it makes: features at the control rate, brought to the rate of the latent.

A contact is a matter of milliseconds, so motion is not brought to the latent's 31.25 Hz by its nearest value: strided
convolutions see each frame's neighbourhood at 125 Hz. Features come in named groups of channels, and any group may be
unknown: NaN in the data, dropped in training. Its values are 0 then and so is its presence flag, a channel of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from foley_common.session_file import MOTION_RATE
from foley_synthesis.flow.networks.motion_taken import taken

STRIDE = 4  # rows of motion for each frame of the latent
_KERNELS = (9, 7, 5)  # of the blocks at 125, 62.5 and 31.25 Hz; with the strides each frame sees +- 0.23 s


@dataclasses.dataclass(frozen=True)
class MotionConfig:
    """Its inputs and size.

    Raises:
        ValueError: a field has a value that cannot work; the message names it.
    """

    groups: tuple[tuple[str, int, int], ...]  # name, first channel, the one behind the last
    output: int = 128
    width: int = 64  # at 125 Hz
    group_dropout: float = 0.2  # in training, of each group of each item
    without: tuple[str, ...] = ()  # ablation: groups that are never looked at
    rate_hz: float = float(MOTION_RATE)  # below 125: the nearest row of this rate is held

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", tuple((str(n), int(b), int(e)) for n, b, e in self.groups))
        at = 0
        for name, begin, end in self.groups:
            if begin != at or end <= begin:
                raise ValueError(f"groups: `{name}` is [{begin}, {end}), must begin at {at} and not be empty")
            at = end
        if not self.groups:
            raise ValueError("groups is empty, must name at least one")
        object.__setattr__(self, "without", tuple(self.without))
        for name in self.without:
            if name not in self.names:
                raise ValueError(f"without is `{name}`, groups are {', '.join(self.names)}")
        if not self.taken:
            raise ValueError("without names every group, must leave at least one")
        if not 1.0 <= self.rate_hz <= MOTION_RATE:
            raise ValueError(f"rate_hz is {self.rate_hz}, must be in [1, {MOTION_RATE}]")
        for name in ("output", "width"):
            if getattr(self, name) < 2 or getattr(self, name) % 2:
                raise ValueError(f"{name} is {getattr(self, name)}, must be even and positive")
        if not 0.0 <= self.group_dropout < 1.0:
            raise ValueError(f"group_dropout is {self.group_dropout}, must be in [0, 1)")

    @classmethod
    def of(cls, groups: Mapping[str, slice], output: int = 128, width: int = 64) -> MotionConfig:
        """That of slices of the channel axis, which follow one another."""
        return cls(tuple((name, part.start, part.stop) for name, part in groups.items()), output, width)

    @property
    def channels(self) -> int:
        """Of the features."""
        return self.groups[-1][2]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the groups."""
        return tuple(name for name, _, _ in self.groups)

    @property
    def taken(self) -> tuple[int, ...]:
        """Indices of the groups that are looked at."""
        return tuple(index for index, name in enumerate(self.names) if name not in self.without)


class MotionEncoder(nn.Module):
    """Features [b, n, channels] at 125 Hz -> [b, n / 4, output] at 31.25 Hz; frame k lies amid rows 4 k to 4 k + 3."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: MotionConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.channels))
        self.register_buffer("std", torch.ones(config.channels))
        wide, middle, narrow = config.width, (config.width + config.output) // 2, config.output
        inputs = config.channels + len(config.groups)
        self._inwards = nn.Conv1d(inputs, wide, _KERNELS[0], padding=_KERNELS[0] // 2)
        # A kernel of 6 with a stride of 2 is centred between two rows: a frame looks as far back as ahead.
        self._levels = nn.Sequential(
            _Block(wide, _KERNELS[0]),
            nn.Conv1d(wide, middle, 6, stride=2, padding=2),
            _Block(middle, _KERNELS[1]),
            nn.Conv1d(middle, narrow, 6, stride=2, padding=2),
            _Block(narrow, _KERNELS[2]),
        )
        self._norm = nn.LayerNorm(narrow)

    def set_statistics(self, features: Tensor) -> None:
        """Mean and spread of training features [..., channels], so that the first layer sees unit size, NaN left out.

        A channel that is never known, or never changes, keeps a spread of 1.
        """
        flat = features.reshape(-1, self.config.channels).double()
        known = flat.isfinite()
        count = known.sum(0).clamp(min=1)
        mean = torch.where(known, flat, 0.0).sum(0) / count
        spread = (torch.where(known, flat - mean, 0.0).square().sum(0) / count).sqrt()
        self.mean.copy_(mean)
        self.std.copy_(torch.where(spread > 1e-6, spread, 1.0))

    def groups_kept(self, batch: int, generator: torch.Generator | None = None) -> Tensor:
        """A draw of group dropout [b, groups], 1 where a group is kept; never are all of an item dropped."""
        groups, taken = len(self.config.groups), torch.tensor(self.config.taken)
        kept = torch.rand(batch, groups, generator=generator) >= self.config.group_dropout
        kept &= torch.isin(torch.arange(groups), taken)
        saved = taken[torch.randint(len(taken), (batch, 1), generator=generator)]
        kept |= (~kept.any(1, keepdim=True)) & (torch.arange(groups) == saved)
        return kept.float()

    def forward(self, features: Tensor, kept: Tensor | None = None) -> Tensor:
        """What is known of a motion.

        Args:
            features: [b, n, channels] of all groups at 125 Hz, whatever the network takes of them; NaN where not
                known: a group with a NaN counts as absent in that row.
            kept: [b, groups], 0 where a group is to be left out; None: drawn anew in training, else all are kept.

        Raises:
            ValueError: n is no multiple of 4.
        """
        if features.shape[1] % STRIDE:
            raise ValueError(f"there are {features.shape[1]} rows of motion, must be a multiple of {STRIDE}")
        if kept is None and self.training and self.config.group_dropout:
            kept = self.groups_kept(len(features))
        config = self.config
        features = taken(features, config.names, config.without, config.rate_hz)
        values = (features - self.mean) / self.std
        finite = values.isfinite()
        flags = torch.stack([finite[..., b:e].all(-1) for _, b, e in config.groups], dim=-1).to(values)
        flags[..., [index for index, name in enumerate(config.names) if name in config.without]] = 0.0
        if kept is not None:
            flags = flags * kept.to(values)[:, None]
        sizes = torch.tensor([e - b for _, b, e in self.config.groups], device=values.device)
        present = flags.repeat_interleave(sizes, dim=-1, output_size=self.config.channels) > 0
        inputs = torch.cat([torch.where(present, values, 0.0), flags], dim=-1)
        hidden = self._levels(self._inwards(inputs.transpose(1, 2)))
        result: Tensor = self._norm(hidden.transpose(1, 2))
        return result


class _Block(nn.Module):
    """A residual of a convolution of each channel along time, then of a feed-forward across channels (ConvNeXt)."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self._along = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self._across = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[b, width, n] -> the same shape."""
        moved: Tensor = self._across(self._along(x).transpose(1, 2))
        return x + moved.transpose(1, 2)
