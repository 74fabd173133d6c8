"""What the heard model learns from: windows of cochleagrams, with the variation that training adds."""

from __future__ import annotations

import torch
from torch import Tensor

from foley_perception.clips.grid import ONSET_FRAME
from foley_synthesis.hearing.config import HearingConfig
from foley_synthesis.hearing.networks.heard_net import peak_normalised


def windows_of(cochleagrams: Tensor, config: HearingConfig) -> Tensor:
    """Windows [n, frames, channels] of clips [n, t, channels] around the contact, each divided by its peak."""
    begin = int(ONSET_FRAME) - config.before
    return peak_normalised(cochleagrams[:, begin : begin + config.frames])


def training_windows(
    cochleagrams: Tensor, config: HearingConfig, exponent: float, generator: torch.Generator
) -> Tensor:
    """The same of clips [n, t, channels] with an onset that is off by a frame, another microphone, and more noise."""
    n = len(cochleagrams)
    begin = int(ONSET_FRAME) - config.before
    shift = torch.randint(-1, 2, (n,), generator=generator)
    source = begin + shift[:, None] + torch.arange(config.frames)[None]
    window = cochleagrams[torch.arange(n)[:, None], source]
    envelope = window.clamp(min=0.0) ** (1.0 / exponent)
    # Colour of the microphone: a smooth curve over the channels, about +-1 dB. More than that, or more noise than
    # below, costs accuracy on the same microphone.
    knots = torch.randn(n, 1, 6, generator=generator) * 0.12
    tilt = torch.nn.functional.interpolate(knots, size=window.shape[-1], mode="linear", align_corners=True)
    envelope = envelope * tilt.exp()
    # Noise from 75 to 45 dB below the peak; powers add.
    peak = envelope.amax(dim=(1, 2), keepdim=True)
    level = 10.0 ** (-(45.0 + 30.0 * torch.rand(n, 1, 1, generator=generator)) / 20.0)
    noise = peak * level * torch.rand(window.shape, generator=generator)
    return peak_normalised((envelope.square() + noise.square()).sqrt() ** exponent)
