"""YAMNet: 521 classes of sound, and the embedding they are told from.

MobileNetV1 (Howard et al., arXiv:1704.04861) over a log mel spectrogram of 0.96 s, trained by Google on AudioSet
(Gemmeke et al., ICASSP 2017). Used frozen. Its batch normalisations are part of the convolutions here
(:mod:`foley_synthesis.hearing.training.yamnet_weights` puts them there), so it cannot be trained further.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

RATE = 16_000
FRAMES, BANDS, DIMS, CLASSES = 96, 64, 1024, 521
_WINDOW, _HOP, _FFT = 400, 160, 512
PATCH_SAMPLES = (FRAMES - 1) * _HOP + _WINDOW  # 0.975 s
_LOW_HZ, _HIGH_HZ = 125.0, 7500.0
_OFFSET = 1e-3  # added to the magnitudes before the logarithm
_CHUNK = 32  # patches at once: more are no faster on one core, and need more memory
BLOCKS = (
    (1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512),
    (1, 512), (1, 512), (1, 512), (1, 512), (1, 512), (2, 1024), (1, 1024),
)  # fmt: skip
"""Stride and channels of each depthwise convolution and the pointwise one after it."""


class YamNet(nn.Module):
    """27 convolutions, their mean over time and bands, and one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        layers, before = [nn.Conv2d(1, 32, 3, 2)], 32
        for stride, channels in BLOCKS:
            layers.append(nn.Conv2d(before, before, 3, stride, groups=before))
            layers.append(nn.Conv2d(before, channels, 1))
            before = channels
        self.convolutions = nn.ModuleList(layers)
        self.classes = nn.Linear(DIMS, CLASSES)
        self.to(memory_format=torch.channels_last)  # 1.5 times as fast on one core

    def forward(
        self,
        patches: Tensor,  # [n, 96, 64], of `log_mel`
    ) -> tuple[Tensor, Tensor]:
        """Embedding [n, 1024] and probability of each class [n, 521]; a sound may be of several, or of none."""
        embedding = torch.cat([self._embedding(part) for part in torch.split(patches, _CHUNK)])
        return embedding, torch.sigmoid(self.classes(embedding))

    def _embedding(self, patches: Tensor) -> Tensor:
        x = patches[:, None].contiguous(memory_format=torch.channels_last)
        for layer in self.convolutions:
            assert isinstance(layer, nn.Conv2d)
            x = functional.relu(convolved_same(x, layer))
        return x.mean(dim=(2, 3))


def convolved_same(
    x: Tensor,  # [n, channels, height, width]
    layer: nn.Conv2d,
) -> Tensor:
    """A convolution with TensorFlow's padding SAME: ceil(size / stride) values, the odd zero at the far end."""
    pads: list[int] = []
    for axis in (1, 0):  # torch names the last axis first
        size, kernel, stride = x.shape[2 + axis], layer.kernel_size[axis], layer.stride[axis]
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return layer(functional.pad(x, pads)) if any(pads) else layer(x)  # type: ignore[no-any-return]


def log_mel(
    samples: Tensor,  # [n, samples] at 16 kHz, at least PATCH_SAMPLES
) -> Tensor:
    """[n, frames, 64]: natural logarithm of magnitudes in mel bands of 125 to 7500 Hz, every 10 ms.

    Raises:
        ValueError: shorter than one patch.
    """
    if samples.ndim != 2 or samples.shape[1] < PATCH_SAMPLES:
        raise ValueError(
            f"samples have shape {tuple(samples.shape)}, must be [n, {PATCH_SAMPLES}] at {RATE} Hz, or longer"
        )
    frames = samples.unfold(1, _WINDOW, _HOP) * torch.hann_window(_WINDOW, periodic=True)
    magnitudes = torch.fft.rfft(frames, _FFT).abs()
    return torch.log(magnitudes @ _mel_matrix() + _OFFSET)


@functools.cache
def _mel_matrix() -> Tensor:
    """[257, 64]: triangles between points that are equally far apart in mel (TensorFlow's, of HTK)."""

    def mel(hz: np.ndarray | float) -> np.ndarray:
        return np.asarray(1127.0 * np.log1p(np.asarray(hz) / 700.0))

    at = mel(np.linspace(0.0, RATE / 2, _FFT // 2 + 1))[:, None]
    edges = np.linspace(mel(_LOW_HZ), mel(_HIGH_HZ), BANDS + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    weights = np.maximum(np.minimum((at - low) / (centre - low), (high - at) / (high - centre)), 0.0)
    return torch.from_numpy(weights.astype(np.float32))


@functools.cache
def class_names() -> tuple[str, ...]:
    """Of the 521 scores, in their order."""
    path = Path(__file__).parents[2] / "data" / "yamnet_classes.txt"
    return tuple(line for line in path.read_text("utf-8").splitlines() if not line.startswith("#"))
