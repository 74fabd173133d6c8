"""What the regression minimises: errors of levels in dB, where contacts sound more than where the room does.

A mean over all bins would be one over silence: contacts fill a tenth of them. The squared error is no choice either: it
would make every uncertain contact half as loud, in dB. The absolute one leaves out what is less likely than not, and a
sound that is too quiet has no onset: its quantile is above the median.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

FOREGROUND_DB = 10.0
"""A bin that stands so far over the room's tone belongs to what is heard."""
_RISE_FRAMES = 3
_PATCH = (20, 16)  # bins and frames that are drawn as one thing: 0.13 s
_QUIET_SLOPE = 0.12  # of levels below the foreground


def foreground_error(made: Tensor, real: Tensor) -> Tensor:
    """Mean |difference| of levels over the floor [b, 80, n] where either is in the foreground, [b] in dB."""
    heard = (torch.maximum(made, real) > FOREGROUND_DB).to(made)
    apart = ((made - real).abs() * heard).sum(dim=(1, 2))
    return apart / heard.sum(dim=(1, 2)).clamp(min=1.0)


def mean_loss(
    made: Tensor, real: Tensor, *, foreground: float, onset: float, rise: float, quantile: float = 0.5
) -> Tensor:
    """Weighted absolute error of levels over the floor [b, 80, n], and of their rise, in dB.

    Args:
        foreground: weight of bins in the foreground of either, against 1 of the others.
        onset: further weight of frames in which the real level rises.
        rise: weight of the error of the rise within 3 frames: what is late by a frame or two costs it fully.
        quantile: of what is likely, for levels and rises; 0.5: too loud and too quiet cost the same.
    """
    louder = torch.maximum(made.detach(), real)
    weight = 1.0 + foreground * torch.sigmoid((louder - FOREGROUND_DB) / 2.0)
    rises = functional.pad(_rise(real).clamp(min=0.0).mean(dim=1, keepdim=True), (_RISE_FRAMES, 0))
    weight = weight * (1.0 + onset * (rises / FOREGROUND_DB).clamp(max=1.0))
    error = (_pinball(made - real, quantile) * weight).sum() / weight.sum()
    if rise:
        later = weight[..., _RISE_FRAMES:]
        steeper = _rise(made) - _rise(real)
        error = error + rise * (_pinball(steeper, quantile) * later).sum() / later.sum()
    return error


def _pinball(error: Tensor, quantile: float) -> Tensor:
    """Least on average for the quantile (Koenker and Bassett 1978); at 0.5 the absolute error."""
    return 2.0 * torch.maximum((quantile - 1.0) * -error, -quantile * error)


def _rise(level: Tensor) -> Tensor:
    return level[..., _RISE_FRAMES:] - level[..., :-_RISE_FRAMES]


def energy_loss(draws: Tensor, real: Tensor) -> Tensor:
    """Energy score of draws [m, b, 80, n] for the real levels [b, 80, n], fair for any m of 2 or more.

    Mean distance of a draw to the real one, less half of that between two draws (Gneiting and Raftery 2007, equation
    21): least for the true distribution, so that neither a mean nor a guess far away wins. Distances are of single
    bins, which is what a table measures, and Euclidean ones of patches, because a sum over bins says nothing of what
    belongs together. Levels are warped first so that 1 dB in the background counts an eighth.
    """
    count = len(draws)
    made, truth = _warped(draws), _warped(real)
    total = torch.stack([_distance(one, truth) for one in made]).mean()
    pairs = [_distance(made[i], made[j]) for i in range(count) for j in range(i)]
    return total - 0.5 * torch.stack(pairs).mean()


def _warped(level: Tensor) -> Tensor:
    return _QUIET_SLOPE * level + (1.0 - _QUIET_SLOPE) * 2.0 * functional.softplus(
        (level - FOREGROUND_DB) / 2.0
    )


def _distance(a: Tensor, b: Tensor) -> Tensor:
    apart = a - b
    patches = functional.avg_pool2d(apart.square()[:, None], _PATCH, stride=_PATCH)
    return apart.abs().mean() + (patches + 1e-4).sqrt().mean()
