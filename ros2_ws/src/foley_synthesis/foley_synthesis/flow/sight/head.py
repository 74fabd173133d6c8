"""From what is seen of a thing to what it is: a small network, and several of them as one (a deep ensemble).

Outputs of one network for a view: material and shape as classes, the logarithm of the three extents as independent
normal distributions, and hollowness as zero-inflated: a chance to be hollow at all, and a mean share where it is.
Members of an ensemble differ by their seeds; their probabilities are averaged (Lakshminarayanan et al. 2017,
"Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles").
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIZES = 3  # extents of a thing: its longest horizontal side, the other one, its height
MIN_LOG_STD, MAX_LOG_STD = -3.5, 1.0


@dataclasses.dataclass(frozen=True)
class HeadConfig:
    """Sizes of a head.

    Raises:
        ValueError: something is not positive.
    """

    inputs: int
    materials: int
    shapes: int
    hidden: int = 256
    dropout: float = 0.4
    members: int = 3

    def __post_init__(self) -> None:
        sizes = (self.inputs, self.materials, self.shapes, self.hidden, self.members)
        if min(sizes) < 1 or not 0 <= self.dropout < 1:
            raise ValueError(f"head: {self}: sizes must be positive and dropout within [0, 1)")


@dataclasses.dataclass(frozen=True, eq=False)
class Targets:
    """What things are, one row each."""

    material: Tensor  # [n] index
    shape: Tensor  # [n] index
    log_size: Tensor  # [n, 3] of the extents over 10 cm, or in units of the training set's spread
    hollowness: Tensor  # [n] share of the outer volume that is empty; 0: solid

    def __getitem__(self, rows: Tensor) -> Targets:
        return Targets(*(getattr(self, field.name)[rows] for field in dataclasses.fields(self)))


@dataclasses.dataclass(frozen=True, eq=False)
class HeadOutput:
    """What one network says about n views."""

    material: Tensor  # [n, materials] logits
    shape: Tensor  # [n, shapes] logits
    log_size: Tensor  # [n, 3] mean, in units of the training set's spread
    log_size_std: Tensor  # [n, 3] logarithm of the standard deviation, same units
    hollow: Tensor  # [n] logit of being hollow
    hollowness: Tensor  # [n] logit of the share that is empty where it is hollow


class SightHead(nn.Module):
    """One network: two layers, then a linear readout of everything."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        self.config = config
        self.body = nn.Sequential(
            nn.Dropout(config.dropout / 2),
            nn.Linear(config.inputs, config.hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, config.hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
        )
        self._widths = (config.materials, config.shapes, SIZES, SIZES, 1, 1)
        self.readout = nn.Linear(config.hidden, sum(self._widths))

    def forward(self, inputs: Tensor) -> HeadOutput:
        """Of standardised inputs [n, inputs]."""
        parts = self.readout(self.body(inputs)).split(self._widths, dim=-1)
        return HeadOutput(
            parts[0],
            parts[1],
            parts[2],
            parts[3].clamp(MIN_LOG_STD, MAX_LOG_STD),
            parts[4][:, 0],
            parts[5][:, 0],
        )


def head_loss(output: HeadOutput, truth: Targets, smoothing: float) -> Tensor:
    """Mean over n of the negative log likelihoods of everything, classes with smoothed labels.

    Args:
        truth: with ``log_size`` in units of the training set's spread.
        smoothing: share of a class label that is spread over all classes (Szegedy et al. 2016).
    """
    classes = F.cross_entropy(output.material, truth.material, label_smoothing=smoothing)
    classes = classes + F.cross_entropy(output.shape, truth.shape, label_smoothing=smoothing)
    std = output.log_size_std
    sizes = (0.5 * ((truth.log_size - output.log_size) * torch.exp(-std)) ** 2 + std).sum(dim=-1).mean()
    hollow = (truth.hollowness > 0).float()
    chance = F.binary_cross_entropy_with_logits(output.hollow, hollow)
    # The share's own cross-entropy is least where it is the mean, as that of a Bernoulli variable is.
    share = F.binary_cross_entropy_with_logits(output.hollowness, truth.hollowness, reduction="none")
    share = (share * hollow).sum() / hollow.sum().clamp(min=1.0)
    return classes + 0.3 * sizes + chance + share
