"""What lies under the tip, as somebody knows it who only looks."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

_SHARPEST = 3.5  # signal to noise at which sight is all but certain
_SIZE_SPREAD = 0.25  # of the logarithm of a size


@dataclasses.dataclass(frozen=True)
class WhatLayout:
    """Numbers that say what something is: probabilities of materials, then of shapes, sizes, and of being hollow."""

    materials: int
    shapes: int
    sizes: int

    @property
    def dims(self) -> int:
        """Of all."""
        return self.materials + self.shapes + self.sizes + 1


@dataclasses.dataclass(frozen=True, eq=False)
class Sight:
    """How well something is seen, and what goes wrong."""

    sharpness: Tensor  # [b] signal to noise of the observation
    noise: Tensor  # [b, dims]

    @classmethod
    def draw(cls, batch: int, layout: WhatLayout, generator: torch.Generator) -> Sight:
        """Anything from next to blind to all but certain."""
        return cls(
            _SHARPEST * torch.rand(batch, generator=generator),
            torch.randn(batch, layout.dims, generator=generator),
        )


def as_seen(what: Tensor, layout: WhatLayout, sight: Sight) -> Tensor:
    """What sight says of the truth [b, n, dims], whose probabilities are 0 or 1; NaN stays.

    Each class is observed as signal to noise times truth, plus unit noise. The posterior of that observation is
    softmax(s (s truth + noise)): a calibrated one, as sight's is to be.
    """
    sharp = sight.sharpness[:, None, None]
    noise = sight.noise[:, None]
    parts, at = [], 0
    for classes in (layout.materials, layout.shapes):
        truth = what[..., at : at + classes]
        parts.append(torch.softmax(sharp * (sharp * truth + noise[..., at : at + classes]), dim=-1))
        at += classes
    parts.append(what[..., at : at + layout.sizes] + _SIZE_SPREAD * noise[..., at : at + layout.sizes])
    hollow = what[..., -1:]
    parts.append(torch.sigmoid(sharp * (sharp * (2.0 * hollow - 1.0) + 2**0.5 * noise[..., -1:])))
    return torch.cat(parts, dim=-1)
