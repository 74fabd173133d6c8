"""From features of a sound, heard or predicted, to what it says about the material."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from foley_synthesis.beliefs.belief import LOG10_E_CENTRE
from foley_synthesis.beliefs.head_output import STD_RANGE, HeadOutput


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
            log_std.clamp(math.log(STD_RANGE[0]), math.log(STD_RANGE[1])).exp(),
            rough.sigmoid(),
            hollow.sigmoid(),
        )


def head_loss(output: HeadOutput, targets: Targets, class_weights: Tensor | None = None) -> Tensor:
    """Cross entropy + Gaussian negative log likelihood of log10 E + squared errors, each over what is known."""
    zero = output.logits.sum() * 0.0
    known = targets.material >= 0
    loss: Tensor = zero
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
