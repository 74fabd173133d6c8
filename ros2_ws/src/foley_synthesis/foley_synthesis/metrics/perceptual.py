"""The architectures of two published judges, and their weights from the user's cache folder.

CDPAM (Manocha et al. 2021): a perceptual distance between two recordings of one thing. It was trained on speech and
perturbations near the threshold of hearing; it reacts to noise floor and level before anything else. Sounds are
therefore brought to one level and what lies far below their peak is gated, and it never stands alone in a table.

aiSFX (Ma and Lerch 2022): an embedding of sound effects, trained to tell their categories apart. Frechet distances
are taken in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from foley_synthesis.vision.cache import cache_folder

Sound = NDArray[np.float32]
CDPAM_RATE, AISFX_RATE = 22_050, 44_100
GATE_DB = -50.0  # of the peak: what is quieter in 5 ms is silenced before CDPAM hears it
_LEVEL = 0.1  # RMS to which the loudest 0.1 s of a sound is brought
_MEL_FFT, _MEL_HOP, _MEL_BANDS, _BLOCK = 2048, 1024, 96, 100
_MEL_TOP = 9.457798957824707  # largest value in the training of aiSFX


class JudgeMissing(RuntimeError):
    """The weights are not there; the message says how they are fetched."""


def weights_path(name: str) -> Path:
    """Where the weights of `cdpam` or `aisfx` are kept."""
    return cache_folder() / "judges" / f"{name}.safetensors"


class CdpamNet(nn.Module):
    """Sixteen convolutions over the waveform and a learned distance between what they give."""

    def __init__(self, filters: int = 64, layers: int = 16) -> None:
        super().__init__()
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        before, width = 1, filters
        for layer in range(layers):
            width *= 2 if layer % 4 == 3 else 1
            self.convolutions.append(nn.Conv1d(before, width, 15, padding=7))
            self.norms.append(nn.BatchNorm1d(width))
            before = width
        sizes = (width // 2, 256, 64, 16, 4)
        self.distance = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.scales = nn.ParameterList(nn.Parameter(torch.ones(b)) for b in sizes[1:])

    def embed(self, sound: Tensor) -> Tensor:
        """Acoustic half of the embedding, of unit length: [n, samples] to [n, 512]."""
        x = sound[:, None]
        for layer, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = functional.leaky_relu(norm(convolution(x)), 0.1)
            if layer % 4 == 3:
                x = x[:, :, ::2]
        return functional.normalize(x.mean(dim=2).chunk(2, dim=1)[0], dim=1)

    def between(self, a: Tensor, b: Tensor) -> Tensor:
        """Distance [n] of embeddings [n, 512]."""
        total = torch.zeros(len(a))
        for index, (layer, scale) in enumerate(zip(self.distance, self.scales, strict=True)):
            a, b = layer(a), layer(b)
            if index < len(self.distance) - 1:
                a, b = functional.leaky_relu(a), functional.leaky_relu(b)
            total = total + (scale * (b - a)).abs().sum(dim=1)
        return total


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


class Cdpam:
    """The perceptual distance, of sounds at any rate."""

    name = "CDPAM 0.0.6"

    def __init__(self, path: Path | None = None) -> None:
        """Raises JudgeMissing."""
        self._net = _load(CdpamNet(), path or weights_path("cdpam"), "cdpam")

    @torch.inference_mode()
    def embed(self, sounds: Sequence[Sound], rate: int) -> NDArray[np.float32]:
        """[n, 512]; one at a time, as its maps are large."""
        made = []
        for sound in sounds:
            samples = torch.from_numpy(prepared(sound, rate))[None]
            made.append(self._net.embed(torch.round(samples * 32768.0))[0].numpy())
        return np.stack(made)

    @torch.inference_mode()
    def distances(self, a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
        """[n] between embeddings."""
        return np.asarray(self._net.between(torch.from_numpy(a), torch.from_numpy(b)).numpy(), np.float64)


class Aisfx:
    """The embedding of sound effects, of sounds at any rate."""

    name = "aiSFX 0.1.2 (X-Sequential-CE), 512 dimensions"

    def __init__(self, path: Path | None = None) -> None:
        """Raises JudgeMissing."""
        import torchaudio

        self._net = _load(AisfxNet(), path or weights_path("aisfx"), "aisfx")
        self._mel = torchaudio.transforms.MelSpectrogram(
            AISFX_RATE, n_fft=_MEL_FFT, hop_length=_MEL_HOP, n_mels=_MEL_BANDS, f_min=0.0, f_max=AISFX_RATE / 2,
            power=2.0, mel_scale="htk",
        )  # fmt: skip

    @torch.inference_mode()
    def embed(self, sounds: Sequence[Sound], rate: int) -> NDArray[np.float32]:
        """[n, 512], each brought to full scale and followed by silence up to the length of its training blocks."""
        from foley_perception.audio.resample import resampled

        made = []
        for begin in range(0, len(sounds), 8):
            blocks = []
            for sound in sounds[begin : begin + 8]:
                samples = resampled(np.asarray(sound, np.float32), rate, AISFX_RATE)
                samples = samples / max(float(np.abs(samples).max(initial=0.0)), 1e-9)
                mel = self._mel(torch.from_numpy(samples.astype(np.float32))).T
                # Each band is a weighted mean of its bins, as in training.
                mel = mel / self._mel.mel_scale.fb.sum(dim=0).clamp(min=1e-9)
                level = torch.log10(1e4 * mel + 1.0) / _MEL_TOP
                blocks.append(functional.pad(level, (0, 0, 0, max(_BLOCK - len(level), 0)))[:_BLOCK])
            made.append(self._net(torch.stack(blocks)).numpy())
        return np.concatenate(made).astype(np.float32)


def prepared(sound: Sound, rate: int) -> Sound:
    """What CDPAM hears: one level, tails gated, at 22.05 kHz."""
    from foley_perception.audio.resample import resampled

    samples = resampled(np.asarray(sound, np.float32), rate, CDPAM_RATE)
    hop = CDPAM_RATE // 200
    frames = np.pad(samples, (0, -len(samples) % hop)).reshape(-1, hop)
    power = np.square(frames, dtype=np.float64).mean(axis=1)
    if power.max(initial=0.0) <= 0.0:
        return np.zeros_like(samples)
    quiet = power < power.max() * 10 ** (GATE_DB / 10)
    samples = np.where(np.repeat(quiet, hop)[: len(samples)], 0.0, samples)
    loudest = np.convolve(power, np.ones(20) / 20, mode="full").max()
    return np.asarray(np.clip(samples * (_LEVEL / np.sqrt(loudest)), -1.0, 1.0), np.float32)


def _load(net: Any, path: Path, name: str) -> Any:
    from safetensors.torch import load_file

    if not path.is_file():
        raise JudgeMissing(f"{path} is not there; `foley score --fetch-judges` fetches and converts it once")
    try:
        net.load_state_dict(load_file(path))
    except Exception as error:  # damaged file, or of another network
        raise JudgeMissing(f"{path} does not hold {name} ({error}); delete it and fetch it again") from error
    return net.eval()
