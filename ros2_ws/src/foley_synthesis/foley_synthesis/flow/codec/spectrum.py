"""Short-time spectra on the codec's grid, there and back, and mel bins of them.

A frame is centred on the middle of its hop of samples, so that n samples have n / hop frames. Frames lie along the
second last axis: [..., frames, bins].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

FLOOR = 1e-5  # of mel magnitudes: -100 dB


def analysed(sound: Tensor, window: Tensor, hop: int) -> Tensor:
    """Complex spectra [b, n / hop, w / 2 + 1] of sounds [b, n] through a window [w]."""
    margin = (len(window) - hop) // 2
    padded = nn.functional.pad(sound, (margin, margin), mode="reflect")
    spectra = torch.stft(padded, len(window), hop, window=window, center=False, return_complex=True)
    return spectra.transpose(1, 2)


def windowed(spectra: Tensor, window: Tensor) -> Tensor:
    """Frames [b, t, w] to be added where they overlap, of spectra [b, t, w / 2 + 1]."""
    frames: Tensor = torch.fft.irfft(spectra, len(window), dim=-1)
    return frames * window


def overlapped(frames: Tensor, hop: int) -> Tensor:
    """Frames [b, t, w], w a multiple of the hop, added at their places: [b, (t - 1) hop + w]."""
    batch, count, size = frames.shape
    parts = size // hop
    pieces = frames.reshape(batch, count, parts, hop)
    total = frames.new_zeros(batch, count + parts - 1, hop)
    for part in range(parts):
        total[:, part : part + count] += pieces[:, :, part]
    return total.flatten(1)


def synthesised(spectra: Tensor, window: Tensor, hop: int) -> Tensor:
    """Sounds [b, t hop] whose spectra are nearest to [b, t, w / 2 + 1] (Griffin and Lim 1984, equation 6)."""
    count, margin = spectra.shape[1], (len(window) - hop) // 2
    sound = overlapped(windowed(spectra, window), hop)
    weight = overlapped(window.square().expand(1, count, len(window)), hop)
    return (sound / weight.clamp(min=1e-3))[:, margin : margin + count * hop]


def refined(spectra: Tensor, window: Tensor, hop: int, rounds: int, heard: Tensor | None = None) -> Tensor:
    """Spectra [b, t, bins] of the same magnitudes whose phases agree with each other better.

    Griffin and Lim's fast method (Perraudin et al. 2013).

    Args:
        heard: takes the place of the first frames [b, p, bins], and stays as it is.
    """
    momentum = 0.99
    known = 0 if heard is None else heard.shape[1]
    if heard is not None:
        spectra = torch.cat([heard, spectra[:, known:]], dim=1)
    magnitudes = spectra.abs()
    before = torch.zeros_like(spectra)
    for _ in range(rounds):
        now = analysed(synthesised(spectra, window, hop), window, hop)
        step = now - momentum / (1.0 + momentum) * before
        better, before = magnitudes * step / step.abs().clamp(min=1e-12), now
        spectra = better if heard is None else torch.cat([heard, better[:, known:]], dim=1)
    return spectra


class Mel(nn.Module):
    """Mel magnitudes of spectra through a window, and a smooth inverse."""

    bank: Tensor  # [w / 2 + 1, bins]
    shares: Tensor  # [bins, w / 2 + 1] of each bin in the logarithm of a magnitude; each column sums to 1
    heights: Tensor  # [bins] of a spectrum of ones

    def __init__(self, rate: int, window: int, bins: int) -> None:
        from torchaudio.functional import melscale_fbanks

        super().__init__()
        bank = melscale_fbanks(window // 2 + 1, 0.0, rate / 2, bins, rate, norm="slaney", mel_scale="slaney")
        heights = bank.sum(dim=0)
        shares = (bank / heights).T
        shares[0, 0] += 1e-6  # what lies beyond the outermost filters is like them
        shares[-1, -1] += 1e-6
        self.register_buffer("bank", bank, persistent=False)
        self.register_buffer("shares", (shares / shares.sum(dim=0)).contiguous(), persistent=False)
        self.register_buffer("heights", heights, persistent=False)

    def forward(self, magnitudes: Tensor) -> Tensor:
        """[..., w / 2 + 1] -> [..., bins]."""
        return magnitudes @ self.bank

    def smooth_inverse(self, mel: Tensor) -> Tensor:
        """Natural logarithms of magnitudes [..., w / 2 + 1] that are as smooth as their mel bins [..., bins] > 0."""
        return (mel / self.heights).log() @ self.shares


def inverted(mel: Mel, wanted: Tensor, rounds: int = 30) -> Tensor:
    """Magnitudes [..., w / 2 + 1] whose mel bins [..., bins] are the wanted ones, by Lee and Seung's updates (2001)."""
    magnitudes = mel.smooth_inverse(wanted + 1e-12).exp()
    up = wanted @ mel.bank.T
    for _ in range(rounds):
        magnitudes = magnitudes * up / (mel(magnitudes) @ mel.bank.T + 1e-12)
    return magnitudes


def scaled(magnitudes: Tensor) -> Tensor:
    """Mel magnitudes as their logarithm, -1 for silence and near 1 for a loud sound, as of `flow.networks.mel`."""
    return magnitudes.clamp(min=FLOOR).log10() / 2.5 + 1.0


def unscaled(mel: Tensor) -> Tensor:
    """The magnitudes again."""
    return torch.pow(10.0, 2.5 * (mel - 1.0))


DECIBELS = 50.0
"""To one unit of a scaled spectrogram [dB]."""


FINE_LEVELS = 16


def fine_levels(sound: Tensor, hop: int) -> Tensor:
    """Log levels [b, n / hop, 16] of each 1 ms of sounds [b, n]: of all of it, and of its differences.

    A frame of 32 ms does not tell when within it something began; these do.
    """
    parts = FINE_LEVELS // 2
    edges = nn.functional.pad(sound, (1, 0))
    differences = edges[:, 1:] - edges[:, :-1]
    both = torch.stack([sound, differences], dim=1)
    frames = both.reshape(len(sound), 2, -1, parts, hop // parts)
    levels = frames.square().mean(dim=-1).clamp(min=1e-10).log10() * 0.5 / 2.5 + 1.0
    return levels.permute(0, 2, 1, 3).flatten(2)
