"""Levels over a room's tone as sound: phases by Griffin and Lim's method, and the tone itself as noise."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_synthesis.flow.networks.mel import FINE, RATE, GriffinLim, LogMel, decibels, of_magnitudes

HOP = FINE["hop"]
FRAME_RATE = RATE / HOP  # [Hz]


def levels_over(sound: Tensor, floor: Tensor) -> Tensor:
    """Sound [..., n] at 16 kHz and floor [..., 80] in dB -> levels of mel bins over it [..., 80, n / 128] in dB."""
    return decibels(LogMel(**FINE)(sound)) - floor[..., None]


class LevelVocoder:
    """From levels over the floor to sound, a function of both and of a seed."""

    def __init__(self, rounds: int = 32) -> None:
        self._griffin_lim = GriffinLim(rounds, **FINE)

    def waveform(self, over: Tensor, floor: Tensor, seed: int) -> NDArray[np.float32]:
        """Levels over the floor [80, n] and the floor [80], both in dB -> sound [128 n] at 16 kHz.

        The power over the floor is what sounds; the floor is noise of this spectrum, everywhere.
        """
        power = (torch.pow(10.0, over / 10.0) - 1.0).clamp(min=0.0) * torch.pow(10.0, floor / 10.0)[:, None]
        heard = self._griffin_lim.waveform(of_magnitudes(power.sqrt()).numpy())
        return heard + self.tone(floor, len(heard), seed)

    def tone(self, floor: Tensor, samples: int, seed: int) -> NDArray[np.float32]:
        """Gaussian noise [samples] whose mel bins have the mean levels [80] in dB."""
        wanted = self._griffin_lim.spectrum(of_magnitudes(torch.pow(10.0, floor / 20.0))[:, None])[:, 0].numpy()
        # `wanted` is the mean magnitude of each bin.
        window = np.hanning(FINE["window"] + 1)[:-1]
        unit = math.sqrt(math.pi / 4.0 * float(np.square(window).sum()))  # mean |X| of white noise of variance 1
        noise = np.fft.rfft(np.random.default_rng(seed).standard_normal(samples))
        bins = np.linspace(0.0, len(wanted) - 1.0, len(noise))
        gain = np.interp(bins, np.arange(len(wanted)), wanted / unit)
        return np.asarray(np.fft.irfft(noise * gain, samples), np.float32)
