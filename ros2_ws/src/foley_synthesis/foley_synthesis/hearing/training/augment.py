"""What training adds to features: other microphones, rooms' noise, later onsets, less of the sound.

All on levels [n, frames, bands] in dB, NaN where nothing is known, so that a clip costs its front end once.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor
from torch.nn import functional

from foley_synthesis.hearing.front_end import FrontEndConfig
from foley_synthesis.hearing.training.features import MARGIN


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """How far each goes; a share of 0 leaves it out."""

    heard_s: tuple[float, ...] = (0.06, 0.15, 0.5)  # what may have been heard after the onset ...
    heard_share: float = 0.5  # ... of so many clips; of the others all was
    tilt_db: float = 8.0  # of the microphone's colour, at most, over smooth curves
    tilt_share: float = 0.8
    floor_db: tuple[float, float] = (-75.0, -25.0)  # of added noise, under the peak
    floor_share: float = 0.4
    mixed_db: tuple[float, float] = (-60.0, -10.0)  # of a second sound that is no contact, under the peak
    mixed_share: float = 0.3
    low_pass: tuple[float, float] = (0.5, 1.0)  # share of the bands that a file still holds
    low_pass_share: float = 0.3
    high_pass_share: float = 0.15  # of clips that lose up to an eighth of the bands from below
    cut_before_share: float = 0.3  # of clips that begin with their contact
    masked_bands: int = 8  # of SpecAugment (Park et al. 2019), at most, twice
    masked_share: float = 0.3
    # Frames that the onset is off by, at most: of generated contacts that a search finds, one in four is off by more
    # than 10 ms. Drawn from a triangle, as most are found exactly.
    jitter: int = MARGIN

    def __post_init__(self) -> None:
        if not 0 <= self.jitter <= MARGIN:
            raise ValueError(f"jitter is {self.jitter}, must be in [0, {MARGIN}]")


def cropped(levels: Tensor, config: FrontEndConfig, shift: Tensor | int = 0) -> Tensor:
    """Levels [n, frames, bands] without the margin, off by so many frames [n]."""
    start = torch.as_tensor(shift, device=levels.device).expand(len(levels)) + MARGIN
    frames = start[:, None] + torch.arange(config.frames, device=levels.device)
    return levels[torch.arange(len(levels), device=levels.device)[:, None], frames]


def heard_until(levels: Tensor, config: FrontEndConfig, heard_s: float) -> Tensor:
    """The same with nothing known of what is later than so many seconds after the onset."""
    result = levels.clone()
    result[:, config.heard_frames(heard_s) :] = math.nan
    return result


def features_of(levels: Tensor, config: FrontEndConfig) -> Tensor:
    """`front_end.normalised` of a batch: [n, 2, frames, bands]."""
    known = levels.isfinite()
    peak = levels.masked_fill(~known, -math.inf).amax(dim=(1, 2), keepdim=True)
    share = (1.0 - (levels - peak) / config.floor_db).clamp(0.0, 1.0)
    return torch.stack([share.masked_fill(~known, 0.0), known.to(share.dtype)], dim=1)


def augmented(
    levels: Tensor,  # [n, frames + 2 MARGIN, bands]
    others: Tensor,  # the same of sounds that are no contact; empty: none are mixed in
    config: FrontEndConfig,
    how: AugmentConfig,
    generator: torch.Generator,
) -> Tensor:
    """Levels [n, frames, bands] as they might have been."""
    n, _, bands = levels.shape
    draw = _Draws(n, generator, levels.device)
    near, far = how.jitter // 2, how.jitter - how.jitter // 2
    heard = cropped(levels, config, draw.integers(-near, near) + draw.integers(-far, far))
    known = heard.isfinite()
    peak = heard.masked_fill(~known, -math.inf).amax(dim=(1, 2), keepdim=True)
    heard = heard - torch.where(peak.isfinite(), peak, 0.0)
    heard = heard + _colour(draw, bands, how)
    heard = _over_noise(heard, draw, how)
    if len(others) and how.mixed_share > 0:
        chosen = draw.rows(len(others))
        heard = _mixed(heard, cropped(others[chosen], config), draw, how)
    return torch.where(known & _kept(heard.shape, draw, config, how), heard, math.nan)


class _Draws:
    """Random numbers of a batch."""

    def __init__(self, n: int, generator: torch.Generator, device: torch.device) -> None:
        self._n, self._generator, self._device = n, generator, device

    def uniform(self, low: float, high: float) -> Tensor:
        """[n, 1, 1]."""
        drawn = torch.rand(self._n, 1, 1, generator=self._generator)
        return (low + (high - low) * drawn).to(self._device)

    def happens(self, share: float) -> Tensor:
        return self.uniform(0.0, 1.0) < share

    def integers(self, low: int, high: int) -> Tensor:
        """[n], both ends included."""
        return torch.randint(low, high + 1, (self._n,), generator=self._generator).to(self._device)

    def rows(self, count: int) -> Tensor:
        return self.integers(0, count - 1)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(self._n, *shape, generator=self._generator).to(self._device)


def _colour(draw: _Draws, bands: int, how: AugmentConfig) -> Tensor:
    """A smooth curve over the bands, [n, 1, bands] dB."""
    knots = draw.normal(1, 6).clamp(-2.0, 2.0) * (0.5 * how.tilt_db)
    curve = functional.interpolate(knots, size=bands, mode="linear", align_corners=True)
    return curve * draw.happens(how.tilt_share)


def _over_noise(heard: Tensor, draw: _Draws, how: AugmentConfig) -> Tensor:
    """With noise of its own colour: powers add, and a short window's fluctuates as chi-squared does."""
    _, frames, bands = heard.shape
    level = draw.uniform(*how.floor_db) + _colour(draw, bands, dataclasses.replace(how, tilt_share=1.0))
    level = torch.where(draw.happens(how.floor_share), level, -200.0)
    noise = level + 3.0 * draw.normal(frames, bands).clamp(-3.0, 2.0)
    return torch.logaddexp(heard * _NEPER, noise * _NEPER) / _NEPER


_NEPER = math.log(10.0) / 10.0  # of a power in dB


def _mixed(heard: Tensor, other: Tensor, draw: _Draws, how: AugmentConfig) -> Tensor:
    """With another sound under it."""
    known = other.isfinite()
    peak = other.masked_fill(~known, -math.inf).amax(dim=(1, 2), keepdim=True)
    other = other - torch.where(peak.isfinite(), peak, 0.0) + draw.uniform(*how.mixed_db)
    other = torch.where(known & draw.happens(how.mixed_share), other, -200.0)
    return torch.logaddexp(heard * _NEPER, other * _NEPER) / _NEPER


def _kept(shape: torch.Size, draw: _Draws, config: FrontEndConfig, how: AugmentConfig) -> Tensor:
    """What is still known, [n, frames, bands]."""
    _, frames, bands = shape
    device = draw.uniform(0.0, 1.0).device
    time = torch.arange(frames, device=device)[None, :, None]
    band = torch.arange(bands, device=device)[None, None]
    ends = torch.tensor([config.heard_frames(s) for s in how.heard_s] or [frames], device=device)
    until = torch.where(draw.happens(how.heard_share), ends[draw.rows(len(ends))][:, None, None], frames)
    before = torch.where(draw.happens(how.cut_before_share), config.before_frames, 0)
    top = torch.where(draw.happens(how.low_pass_share), draw.uniform(*how.low_pass), 1.0) * bands
    low = torch.where(draw.happens(how.high_pass_share), draw.uniform(0.0, 0.125), 0.0) * bands
    kept = (time < until) & (time >= before) & (band < top) & (band >= low)
    for _ in range(2):
        width = draw.uniform(0.0, how.masked_bands) * draw.happens(how.masked_share)
        start = draw.uniform(0.0, 1.0) * (bands - width)
        kept &= (band < start) | (band >= start + width)
    return kept
