"""What lies under the tip, as somebody knows it who only looks."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from foley_synthesis.flow.what import (
    HOLLOW_COLUMN,
    MATERIAL_COLUMNS,
    PRESENCE_COLUMN,
    SHAPE_COLUMNS,
    SIZE_COLUMNS,
    WHAT_DIMS,
)

_SHARPEST = 3.5  # signal to noise at which sight is all but certain
_SIZE_SPREAD = 0.25  # of the logarithm of a size
_EMPTY = 0.71  # mean share of a hollow thing that is empty


@dataclasses.dataclass(frozen=True, eq=False)
class Blur:
    """How well something is seen, and what goes wrong."""

    sharpness: Tensor  # [b] signal to noise of the observation
    noise: Tensor  # [b, WHAT_DIMS]

    @classmethod
    def draw(cls, batch: int, generator: torch.Generator) -> Blur:
        """Anything from next to blind to all but certain."""
        sharpness = _SHARPEST * torch.rand(batch, generator=generator)
        return cls(sharpness, torch.randn(batch, WHAT_DIMS, generator=generator))

    def __getitem__(self, rows: slice) -> Blur:
        """Some of them."""
        return Blur(self.sharpness[rows], self.noise[rows])


def as_seen(what: Tensor, blur: Blur) -> Tensor:
    """What sight says of the truth [b, n, WHAT_DIMS]; the table stays as it is.

    Each class is observed as signal to noise times truth, plus unit noise. The posterior of that observation is
    softmax(s (s truth + noise)): a calibrated one, as sight's is to be.
    """
    sharp, noise = blur.sharpness[:, None, None], blur.noise[:, None]
    seen = what.clone()
    for part in (MATERIAL_COLUMNS, SHAPE_COLUMNS):
        seen[..., part] = torch.softmax(sharp * (sharp * what[..., part] + noise[..., part]), dim=-1)
    seen[..., SIZE_COLUMNS] += _SIZE_SPREAD * noise[..., SIZE_COLUMNS]
    # Of two classes only the difference counts, and noises differ by sqrt(2).
    share = what[..., HOLLOW_COLUMN]
    sign = torch.where(share > 0, 1.0, -1.0)
    difference = sharp[..., 0] * (sharp[..., 0] * sign + 2**0.5 * noise[..., HOLLOW_COLUMN])
    # What is told is the mean share that is empty, as sight and the truth tell it.
    seen[..., HOLLOW_COLUMN] = torch.sigmoid(difference) * torch.where(share > 0, share, _EMPTY)
    return torch.where(what[..., PRESENCE_COLUMN, None] > 0, seen, what)
