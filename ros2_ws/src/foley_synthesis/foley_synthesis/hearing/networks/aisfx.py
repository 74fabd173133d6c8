"""aiSFX in torch: the judge of sounds, and what the graph that hearing uses is held against."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class AisfxNet(nn.Module):
    """Four pairs of convolutions over a mel spectrogram."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        before = 1
        for step in range(4):
            after = width << step
            self.blocks.append(
                nn.Sequential(
                    nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
                    nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
                )
            )  # fmt: skip
            before = after

    def forward(self, spectrogram: Tensor) -> Tensor:
        """[n, frames, 96] to [n, 512]: mean over bands, maximum over time."""
        x = spectrogram[:, None]
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index < 3:
                x = functional.max_pool2d(x, 2)
        return x.mean(dim=3).amax(dim=2)
