"""How loud a sound is, slowly: a track of its own beside what is in the sound."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_SPAN_S = 0.25
_LEAST = 1e-4  # of the root mean square: -80 dBFS


def level_track(sound: Tensor, rate: int, samples: int) -> Tensor:
    """Decimal logarithm of the root mean square [b, 1, n / samples] of sounds [b, n].

    Taken through a Hann window of 0.25 s around the end of each frame of so many samples.
    """
    half = round(_SPAN_S * rate / 2)
    parts = 16  # the power is thinned out first: a window over each sample is waste
    piece = samples // parts
    power = sound.square().reshape(len(sound), 1, -1, piece).mean(dim=-1)
    reach = half // piece
    window = torch.hann_window(2 * reach + 1, periodic=False, dtype=sound.dtype, device=sound.device)
    smooth = nn.functional.conv1d(power, window[None, None], padding=reach)
    # At both ends, over as much of the window as there is.
    smooth = smooth / nn.functional.conv1d(torch.ones_like(power[:1]), window[None, None], padding=reach)
    return 0.5 * smooth[..., parts - 1 :: parts].clamp(min=_LEAST**2).log10()


def gains(level: Tensor, samples: int, before: Tensor | None = None) -> Tensor:
    """Factors [b, n samples] of a track [b, 1, n], in a line from the end of one frame to the end of the next.

    Args:
        before: the level [b, 1, 1] at the beginning; else the first of the track.
    """
    first = level[..., :1] if before is None else before
    begins = torch.cat([first, level[..., :-1]], dim=-1)
    share = (torch.arange(samples, dtype=level.dtype, device=level.device) + 1.0) / samples
    line = begins[..., None] + (level - begins)[..., None] * share
    return torch.pow(10.0, line).flatten(1)
