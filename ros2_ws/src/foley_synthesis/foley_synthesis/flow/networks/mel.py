"""Sound to a mel spectrogram and back (Hearing Hands, section 4.1: 16 kHz, 80 bins, hop 256)."""

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
_FLOOR = 1e-5  # of magnitudes: -100 dB
_INVERSIONS = 30


class LogMel(nn.Module):
    """Logarithms of mel magnitudes, moved and scaled so that silence is -1 and a loud sound near 1."""

    def __init__(self) -> None:
        from torchaudio.transforms import MelSpectrogram

        super().__init__()
        self._mel = MelSpectrogram(
            RATE,
            n_fft=WINDOW,
            hop_length=HOP,
            n_mels=BINS,
            power=1.0,
            center=False,
            norm="slaney",
            mel_scale="slaney",
        )

    def forward(self, sound: Tensor) -> Tensor:
        """[..., n] at 16 kHz -> [..., 80, n // 256]; frame k is centred on the middle of its 256 samples."""
        margin = (WINDOW - HOP) // 2
        flat = sound.reshape(-1, sound.shape[-1])
        padded = nn.functional.pad(flat, (margin, margin), mode="reflect")
        mel = _scaled(self._mel(padded).clamp(min=_FLOOR).log10())
        return mel.reshape(*sound.shape[:-1], *mel.shape[-2:])


def _scaled(log_magnitude: Tensor) -> Tensor:
    return log_magnitude / 2.5 + 1.0


def magnitudes(mel: Tensor) -> Tensor:
    """What :class:`LogMel` made [..., 80, n] as mel magnitudes."""
    return torch.pow(10.0, 2.5 * (mel - 1.0)).clamp(min=_FLOOR) - _FLOOR


class Vocoder(Protocol):
    """Whatever makes a sound of a mel spectrogram."""

    def waveform(self, mel: NDArray[np.float32]) -> NDArray[np.float32]:
        """[80, n] -> [256 n] at 16 kHz."""


class GriffinLim:
    """A vocoder without weights: phases that agree with each other (Griffin and Lim 1984, Perraudin et al. 2013)."""

    def __init__(self, rounds: int = 60, seed: int = 0) -> None:
        from torchaudio.functional import melscale_fbanks

        self._rounds, self._seed = rounds, seed
        bins = WINDOW // 2 + 1
        bank = melscale_fbanks(
            bins, 0.0, RATE / 2, BINS, RATE, norm="slaney", mel_scale="slaney"
        )  # [bins, 80]
        self._bank = bank
        # Each frequency gets its share of the mel bins that it feeds: never negative, right where filters overlap.
        self._spread = (bank / bank.square().sum(dim=0, keepdim=True).clamp(min=1e-12)).T  # [80, bins]

    def waveform(self, mel: NDArray[np.float32]) -> NDArray[np.float32]:
        """[80, n] -> [256 n] at 16 kHz. The same mel gives the same sound."""
        from torchaudio.functional import griffinlim

        wanted = magnitudes(torch.from_numpy(np.ascontiguousarray(mel)))
        spectrum = self._inverted(wanted)
        frames = spectrum.shape[1]
        # One more frame at each end: torchaudio centres frame k on sample 256 k, this one half a hop later.
        padded = nn.functional.pad(spectrum[None], (1, 1), mode="replicate")[0]
        with torch.random.fork_rng():
            torch.manual_seed(self._seed)
            sound = griffinlim(
                padded,
                window=torch.hann_window(WINDOW),
                n_fft=WINDOW,
                hop_length=HOP,
                win_length=WINDOW,
                power=1.0,
                n_iter=self._rounds,
                momentum=0.99,
                length=HOP * (frames + 1),
                rand_init=True,
            )
        begin = HOP // 2
        return np.asarray(sound[begin : begin + HOP * frames].numpy(), np.float32)

    def _inverted(self, wanted: Tensor) -> Tensor:
        """Magnitudes [bins, n] whose mel bins [80, n] are the wanted ones, by Lee and Seung's updates (2001)."""
        bank = self._bank.T  # [80, bins]
        spectrum = self._spread.T @ wanted + 1e-12
        up = bank.T @ wanted
        for _ in range(_INVERSIONS):
            spectrum = spectrum * up / (bank.T @ (bank @ spectrum) + 1e-12)
        return torch.as_tensor(spectrum)
