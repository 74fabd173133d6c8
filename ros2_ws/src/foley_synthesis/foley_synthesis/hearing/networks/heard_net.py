"""From the cochleagram of a contact to what was touched."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from foley_synthesis.beliefs.head_output import HeadOutput
from foley_synthesis.beliefs.material_head import MaterialHead
from foley_synthesis.hearing.config import HearingConfig


class HeardNet(nn.Module):
    """A small network over the cochleagram from just before the onset on.

    The window [n, frames, channels] is divided by its own peak by the caller, so that neither the gain of the
    microphone nor the force of the hit tells anything. Its frames are averaged over spans that grow with time
    from the onset, as decays do: with some hundred objects to learn from, a convolutional network on the whole
    window was slower and worse.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: HearingConfig) -> None:
        super().__init__()
        self.spans = spans(config.before, config.frames)
        dims = len(self.spans) * config.channels
        self.register_buffer("mean", torch.zeros(dims))
        self.register_buffer("std", torch.ones(dims))
        self.mix = nn.Sequential(
            nn.Dropout(0.5 * config.dropout),
            nn.Linear(dims, config.units),
            nn.ReLU(),
            nn.Dropout(min(1.5 * config.dropout, 0.5)),
        )
        self.head = MaterialHead(config.units, config.materials)

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


def peak_normalised(window: Tensor) -> Tensor:
    """Windows [n, frames, channels] of a cochleagram, each divided by its own peak."""
    return window / window.amax(dim=(1, 2), keepdim=True).clamp(min=1e-4)
