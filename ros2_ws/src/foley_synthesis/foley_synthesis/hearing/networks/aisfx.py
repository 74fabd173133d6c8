"""aiSFX: an embedding of sound effects, trained to tell their categories apart (Ma and Lerch 2022). Used frozen."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

RATE = 44_100
DIMS = 512
BLOCK = 100  # frames that its training saw at once
_FFT, _HOP, _BANDS = 2048, 1024, 96
_LARGEST = 9.457798957824707  # value in its training, by which levels are divided


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


def aisfx_spectrogram(
    samples: NDArray[np.float32],  # [n] at RATE
    frames: int = BLOCK,
) -> Tensor:
    """[frames, 96], brought to full scale and followed by silence."""
    samples = samples / max(float(np.abs(samples).max(initial=0.0)), 1e-9)
    mel = _mel()
    power: Tensor = mel(torch.from_numpy(samples.astype(np.float32))).T
    # Each band is a weighted mean of its bins, as in training.
    power = power / mel.mel_scale.fb.sum(dim=0).clamp(min=1e-9)
    level = torch.log10(1e4 * power + 1.0) / _LARGEST
    return functional.pad(level, (0, 0, 0, max(frames - len(level), 0)))[:frames]


@functools.cache
def _mel() -> Any:
    import torchaudio

    return torchaudio.transforms.MelSpectrogram(
        RATE,
        n_fft=_FFT,
        hop_length=_HOP,
        n_mels=_BANDS,
        f_min=0.0,
        f_max=RATE / 2,
        power=2.0,
        mel_scale="htk",
    )
