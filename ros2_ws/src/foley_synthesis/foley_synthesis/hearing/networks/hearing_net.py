"""From the log-mel spectrogram of a contact to what was touched, and how."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from foley_synthesis.beliefs.belief import LOG10_E_CENTRE
from foley_synthesis.hearing.output import GROUPS, LOG10_DENSITY_CENTRE, STD_RANGE, HearingOutput, NetConfig


class HearingNet(nn.Module):
    """Convolutions over time and frequency.

    What it is given, [n, 2, frames, bands], is level and mask of `front_end.normalised`. The first layer also sees each
    band's level against the band's own peak, which no microphone's colour can change, its slope in time, and where on
    the frequency axis it is.
    """

    coordinate: Tensor

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("coordinate", torch.linspace(-1.0, 1.0, config.bands), persistent=False)
        first = config.widths[0]
        self.stem = nn.Sequential(
            nn.Conv2d(5, first, 5, stride=2, padding=2, bias=False), nn.GroupNorm(GROUPS, first), nn.SiLU()
        )
        widths = [first, *(w for w in config.widths[1:] for _ in range(config.blocks))]
        self.stages = nn.Sequential(
            *(_Block(width, following, stride)
              for width, following, stride in zip(widths[:-1], widths[1:], config.strides, strict=True))
        )  # fmt: skip
        self.squeeze = nn.Conv2d(config.widths[-1], config.squeezed, 1)
        pooled = 2 * config.squeezed * config.times * config.frequencies
        self.embed = nn.Sequential(
            nn.LayerNorm(pooled), nn.Dropout(config.dropout), nn.Linear(pooled, config.embedding), nn.SiLU(),
            nn.LayerNorm(config.embedding),
        )  # fmt: skip
        self.dropout = nn.Dropout(config.dropout)
        self.material = nn.Linear(config.embedding, config.materials)
        self.action = nn.Linear(config.embedding, config.actions)
        self.numbers = nn.Linear(config.embedding, 7)

    def forward(self, features: Tensor) -> HearingOutput:
        found = self.squeeze(self.stages(self.stem(self._seen(features))))
        cells = (self.config.times, self.config.frequencies)
        pooled = torch.cat(
            [functional.adaptive_avg_pool2d(found, cells), functional.adaptive_max_pool2d(found, cells)],
            dim=1,
        )
        embedding = self.embed(pooled.flatten(1))
        kept = self.dropout(embedding)
        e_mean, e_std, density, density_std, rough, hollow, contact = self.numbers(kept).unbind(-1)
        return HearingOutput(
            self.material(kept),
            LOG10_E_CENTRE + e_mean,
            _positive(e_std),
            LOG10_DENSITY_CENTRE + density,
            _positive(density_std),
            rough.sigmoid(),
            hollow.sigmoid(),
            self.action(kept),
            contact,
            embedding,
        )

    def _seen(self, features: Tensor) -> Tensor:
        """Five channels [n, 5, frames, bands]."""
        level, known = features.unbind(1)
        own = (level - level.amax(dim=1, keepdim=True)) * known
        slope = functional.pad(level[:, 2:] - level[:, :-2], (0, 0, 1, 1))
        both = functional.pad(known[:, 2:] * known[:, :-2], (0, 0, 1, 1))
        where = self.coordinate.expand_as(level)
        return torch.stack([2.0 * level - 1.0, known, own, 4.0 * slope * both, where], dim=1)


class _Block(nn.Module):
    """A convolution and its residual."""

    def __init__(self, width: int, following: int, stride: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(width, following, 3, stride, 1, bias=False), nn.GroupNorm(GROUPS, following), nn.SiLU()
        )
        same = width == following and max(stride) == 1
        self.skip = nn.Identity() if same else nn.Conv2d(width, following, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.main(x) + self.skip(x)
        return result


def _positive(log_std: Tensor) -> Tensor:
    return log_std.clamp(math.log(STD_RANGE[0]), math.log(STD_RANGE[1])).exp()


class HearingEnsemble(nn.Module):
    """Several networks as one: logits and numbers are means, spreads those of the mixture, embeddings side by side."""

    def __init__(self, members: list[HearingNet]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, features: Tensor) -> HearingOutput:
        outputs = [member(features) for member in self.members]
        if len(outputs) == 1:
            single: HearingOutput = outputs[0]
            return single
        means = {
            name: torch.stack([getattr(o, name) for o in outputs]).mean(dim=0)
            for name in HearingOutput._fields
            if name != "embedding"
        }
        for number in ("log10_e", "log10_density"):
            mean = torch.stack([getattr(o, f"{number}_mean") for o in outputs])
            std = torch.stack([getattr(o, f"{number}_std") for o in outputs])
            means[f"{number}_std"] = (std.square().mean(dim=0) + mean.var(dim=0, unbiased=False)).sqrt()
        return HearingOutput(**means, embedding=torch.cat([o.embedding for o in outputs], dim=1))
