"""What a predicted sound says about the material."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from foley_synthesis.beliefs.head_output import HeadOutput
from foley_synthesis.beliefs.material_head import MaterialHead
from foley_synthesis.vis.config import ModelConfig


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
