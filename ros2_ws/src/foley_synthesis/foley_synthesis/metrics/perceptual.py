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

from foley_synthesis.hearing.frozen_networks import AISFX_RATE, aisfx_spectrogram
from foley_synthesis.hearing.networks.aisfx import AisfxNet
from foley_synthesis.vision.cache import cache_folder

Sound = NDArray[np.float32]
CDPAM_RATE = 22_050
GATE_DB = -50.0  # of the peak: what is quieter in 5 ms is silenced before CDPAM hears it
_LEVEL = 0.1  # RMS to which the loudest 0.1 s of a sound is brought


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
        self._net = _load(AisfxNet(), path or weights_path("aisfx"), "aisfx")

    @torch.inference_mode()
    def embed(self, sounds: Sequence[Sound], rate: int) -> NDArray[np.float32]:
        """[n, 512], each brought to full scale and followed by silence up to the length of its training blocks."""
        from foley_perception.audio.resample import resampled

        made = []
        for begin in range(0, len(sounds), 8):
            blocks = [
                aisfx_spectrogram(resampled(np.asarray(sound, np.float32), rate, AISFX_RATE))
                for sound in sounds[begin : begin + 8]
            ]
            made.append(self._net(torch.from_numpy(np.stack(blocks))).numpy())
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
