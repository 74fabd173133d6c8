"""Sound to a mel spectrogram and back (Hearing Hands, section 4.1: 16 kHz, 80 bins, hop 256).

The paper's window of 64 ms blurs onsets; with a window of 512 and a hop of 128 (:data:`FINE`) frames are at 125 Hz, the
grid of fine motion.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

RATE = 16_000  # [Hz]
BINS = 80
HOP = 256
WINDOW = 1024
FINE = {"window": 512, "hop": 128}
"""Of :class:`LogMel` and :class:`GriffinLim`: frames at 125 Hz."""
_FLOOR = 1e-5  # of magnitudes: -100 dB
_INVERSIONS = 30


class LogMel(nn.Module):
    """Logarithms of mel magnitudes, moved and scaled so that silence is -1 and a loud sound near 1.

    Args:
        window, hop: of the spectrogram, in samples; ``window - hop`` is even.
    """

    def __init__(self, window: int = WINDOW, hop: int = HOP) -> None:
        from torchaudio.transforms import MelSpectrogram

        super().__init__()
        self._margin = (window - hop) // 2
        self._mel = MelSpectrogram(
            RATE,
            n_fft=window,
            hop_length=hop,
            n_mels=BINS,
            power=1.0,
            center=False,
            norm="slaney",
            mel_scale="slaney",
        )

    def forward(self, sound: Tensor) -> Tensor:
        """[..., n] at 16 kHz -> [..., 80, n // hop]; frame k is centred on the middle of its ``hop`` samples."""
        flat = sound.reshape(-1, sound.shape[-1])
        padded = nn.functional.pad(flat, (self._margin, self._margin), mode="reflect")
        mel = _scaled(self._mel(padded).clamp(min=_FLOOR).log10())
        return mel.reshape(*sound.shape[:-1], *mel.shape[-2:])


def _scaled(log_magnitude: Tensor) -> Tensor:
    return log_magnitude / 2.5 + 1.0


def magnitudes(mel: Tensor) -> Tensor:
    """What :class:`LogMel` made [..., 80, n] as mel magnitudes; what ends at the floor was silence.

    Nothing is taken off for the floor: quiet rooms lie but 3 dB over it, and would come back as silence.
    """
    found = torch.pow(10.0, 2.5 * (mel - 1.0))
    return torch.where(found > 1.001 * _FLOOR, found, torch.zeros_like(found))


def decibels(mel: Tensor) -> Tensor:
    """What :class:`LogMel` made, in dB of mel magnitudes: silence is -100."""
    return 50.0 * (mel - 1.0)


def of_magnitudes(magnitude: Tensor) -> Tensor:
    """What :func:`magnitudes` gives back as ``magnitude`` [..., 80, n]."""
    return _scaled(magnitude.clamp(min=_FLOOR).log10())


class Vocoder(Protocol):
    """Whatever makes a sound of a mel spectrogram."""

    def waveform(self, mel: NDArray[np.float32]) -> NDArray[np.float32]:
        """[80, n] -> [256 n] at 16 kHz."""


class GriffinLim:
    """A vocoder without weights: phases that agree with each other (Griffin and Lim 1984, Perraudin et al. 2013).

    Args:
        window, hop: of the :class:`LogMel` whose spectrograms it is given.
    """

    def __init__(self, rounds: int = 60, seed: int = 0, window: int = WINDOW, hop: int = HOP) -> None:
        from torchaudio.functional import melscale_fbanks

        self._rounds, self._seed, self._window, self._hop = rounds, seed, window, hop
        bins = window // 2 + 1
        bank = melscale_fbanks(
            bins, 0.0, RATE / 2, BINS, RATE, norm="slaney", mel_scale="slaney"
        )  # [bins, 80]
        self._bank = bank
        # Each frequency gets its share of the mel bins that it feeds: never negative, right where filters overlap.
        self._spread = (bank / bank.square().sum(dim=0, keepdim=True).clamp(min=1e-12)).T  # [80, bins]

    def waveform(self, mel: NDArray[np.float32]) -> NDArray[np.float32]:
        """[80, n] -> [hop n] at 16 kHz. The same mel gives the same sound."""
        from torchaudio.functional import griffinlim

        hop = self._hop
        spectrum = self.spectrum(torch.from_numpy(np.ascontiguousarray(mel)))
        frames = spectrum.shape[1]
        # One more frame at each end: torchaudio centres frame k on sample hop * k, this one half a hop later.
        padded = nn.functional.pad(spectrum[None], (1, 1), mode="replicate")[0]
        with torch.random.fork_rng():
            torch.manual_seed(self._seed)
            sound = griffinlim(
                padded,
                window=torch.hann_window(self._window),
                n_fft=self._window,
                hop_length=hop,
                win_length=self._window,
                power=1.0,
                n_iter=self._rounds,
                momentum=0.99,
                length=hop * (frames + 1),
                rand_init=True,
            )
        begin = hop // 2
        return np.asarray(sound[begin : begin + hop * frames].numpy(), np.float32)

    def spectrum(self, mel: Tensor) -> Tensor:
        """Magnitudes [bins, n] that have this mel [80, n], by Lee and Seung's updates (2001)."""
        wanted = magnitudes(mel)
        bank = self._bank.T  # [80, bins]
        spectrum = self._spread.T @ wanted + 1e-12
        up = bank.T @ wanted
        for _ in range(_INVERSIONS):
            spectrum = spectrum * up / (bank.T @ (bank @ spectrum) + 1e-12)
        return torch.as_tensor(spectrum)
