"""From features of a sound, heard or predicted, to what it says about the material."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from foley_synthesis.vis.config import ModelConfig

# log10 of Young's modulus [Pa] is predicted around this value and in this unit: 0.01 GPa to 1 TPa is +-2.5.
LOG10_E_CENTRE = 10.0
_STD_RANGE = (0.1, 2.0)


class HeadOutput(NamedTuple):
    """One row per contact."""

    logits: Tensor  # [n, m]
    log10_e_mean: Tensor  # [n]
    log10_e_std: Tensor  # [n]
    roughness: Tensor  # [n] in [0, 1]
    hollowness: Tensor  # [n] in [0, 1]


class Targets(NamedTuple):
    """What is known about each contact; -1 and NaN where it is not."""

    material: Tensor  # [n] int64
    log10_e: Tensor  # [n]
    roughness: Tensor  # [n]
    hollowness: Tensor  # [n]


class MaterialHead(nn.Module):
    """Affine maps from a vector [n, dims]."""

    def __init__(self, dims: int, materials: int) -> None:
        super().__init__()
        self.material = nn.Linear(dims, materials)
        self.numbers = nn.Linear(dims, 4)

    def forward(self, features: Tensor) -> HeadOutput:
        mean, log_std, rough, hollow = self.numbers(features).unbind(-1)
        return HeadOutput(
            self.material(features),
            LOG10_E_CENTRE + mean,
            log_std.clamp(math.log(_STD_RANGE[0]), math.log(_STD_RANGE[1])).exp(),
            rough.sigmoid(),
            hollow.sigmoid(),
        )


def head_loss(output: HeadOutput, targets: Targets, class_weights: Tensor | None = None) -> Tensor:
    """Cross entropy + Gaussian negative log likelihood of log10 E + squared errors, each over what is known."""
    zero = output.logits.sum() * 0.0
    known = targets.material >= 0
    loss = zero
    if bool(known.any()):
        loss = loss + functional.cross_entropy(
            output.logits[known], targets.material[known], weight=class_weights, label_smoothing=0.05
        )
    known = targets.log10_e.isfinite()
    if bool(known.any()):
        std = output.log10_e_std[known]
        z = (targets.log10_e[known] - output.log10_e_mean[known]) / std
        # The weight keeps a confident regression from drowning the classes.
        loss = loss + 0.3 * (0.5 * z.square() + std.log()).mean()
    for value, target in ((output.roughness, targets.roughness), (output.hollowness, targets.hollowness)):
        known = target.isfinite()
        if bool(known.any()):
            loss = loss + 2.0 * (value[known] - target[known]).square().mean()
    return loss


class HeardNet(nn.Module):
    """A small network over the cochleagram from just before the onset on.

    The window [n, frames, channels] is divided by its own peak by the caller, so that neither the gain of the
    microphone nor the force of the hit tells anything. Its frames are averaged over spans that grow with time
    from the onset, as decays do: with some hundred objects to learn from, a convolutional network on the whole
    window was slower and worse.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.spans = spans(config.heard_before, config.heard_frames)
        dims = len(self.spans) * config.channels
        self.register_buffer("mean", torch.zeros(dims))
        self.register_buffer("std", torch.ones(dims))
        self.mix = nn.Sequential(
            nn.Dropout(0.5 * config.dropout),
            nn.Linear(dims, config.heard_units),
            nn.ReLU(),
            nn.Dropout(min(1.5 * config.dropout, 0.5)),
        )
        self.head = MaterialHead(config.heard_units, config.materials)

    def summary(self, window: Tensor) -> Tensor:
        """Means over the spans, [n, spans * channels]."""
        return torch.stack([window[:, a:b].mean(dim=1) for a, b in self.spans], dim=1).flatten(1)

    def set_statistics(self, windows: Tensor) -> None:
        """Mean and spread of the summaries of training windows, so that the network sees unit size."""
        summary = self.summary(windows)
        self.mean.copy_(summary.mean(dim=0))
        self.std.copy_(summary.std(dim=0) + 0.02)

    def forward(self, window: Tensor) -> HeadOutput:
        output: HeadOutput = self.head(self.mix((self.summary(window) - self.mean) / self.std))
        return output


class PredictedNet(nn.Module):
    """What the PREDICTED sound says: convolution over predicted features, beside the network's own state."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        units = config.head_units // 2
        self.sound = nn.Sequential(
            nn.Conv1d(config.components, units, 7, padding=3, stride=2),
            nn.ReLU(),
            nn.Conv1d(units, units, 5, padding=2, stride=2),
            nn.ReLU(),
        )
        self.mix = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(2 * units + 2 * config.hidden + config.still_units, config.head_units),
            nn.ReLU(),
            nn.Dropout(config.dropout),
        )
        self.head = MaterialHead(config.head_units, config.materials)

    def forward(self, features: Tensor, states: Tensor, still: Tensor) -> HeadOutput:
        """Of the network itself: features [n, t, components], states [n, t, hidden], still [n, still_units]."""
        maps = self.sound(features.transpose(1, 2))
        parts = (maps.mean(2), maps.amax(2), states.mean(1), states.amax(1), still)
        output: HeadOutput = self.head(self.mix(torch.cat(parts, dim=1)))
        return output


def spans(before: int, frames: int) -> tuple[tuple[int, int], ...]:
    """Frames [begin, end) that are averaged: the background, then spans that grow by a third each."""
    result = [(0, max(before - 1, 1))]
    begin, width = result[0][1], 1.0
    while begin < frames:
        end = min(begin + max(1, round(width)), frames)
        # A last span that is much shorter than its neighbour would be noise.
        if frames - end < width / 2:
            end = frames
        result.append((begin, end))
        begin, width = end, width * (1.35 if begin > before + 1 else 1.0)
    return tuple(result)
