"""Levels over a room's tone as sound: phases by Griffin and Lim's method, and the tone itself as noise."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_synthesis.flow.networks.mel import FINE, RATE, GriffinLim, LogMel, decibels, of_magnitudes
from foley_synthesis.flow.session_features import FLOOR_QUANTILE

HOP = FINE["hop"]
FRAME_RATE = RATE / HOP  # [Hz]


@functools.cache
def tone_over_floor() -> Tensor:
    """How far the mean level of a steady noise lies over its floor, the 20th percentile, in dB [80].

    The narrow bins of low frequencies vary most.
    """
    white = np.random.default_rng(0).standard_normal(32 * RATE).astype(np.float32)
    level = decibels(LogMel(**FINE)(torch.from_numpy(0.1 * white)))
    return 20.0 * torch.pow(10.0, level / 20.0).mean(dim=1).log10() - level.quantile(FLOOR_QUANTILE, dim=1)


def levels_over(sound: Tensor, floor: Tensor) -> Tensor:
    """Sound [..., n] at 16 kHz and floor [..., 80] in dB -> levels over it [..., 80, n / 128], none below 0 dB."""
    level = decibels(LogMel(**FINE)(sound)) - floor[..., None]
    return level.clamp(min=0.0)


class LevelVocoder:
    """From levels over the floor to sound, a function of them, of the room's tone and of a seed."""

    def __init__(self, rounds: int = 32) -> None:
        self._griffin_lim = GriffinLim(rounds, **FINE)

    def waveform(self, over: Tensor, floor: Tensor, seed: int) -> NDArray[np.float32]:
        """Levels over the floor [80, n] and the floor [80], both in dB -> sound [128 n] at 16 kHz.

        What has more power than the room's tone is what the hand makes sound; the tone is noise, everywhere.
        """
        heard = self.heard(over, floor)
        return heard + self.noise(floor + tone_over_floor(), len(heard), seed)

    def heard(self, over: Tensor, floor: Tensor) -> NDArray[np.float32]:
        """The same without the room's tone."""
        tone = floor + tone_over_floor()
        power = torch.pow(10.0, (over + floor[:, None]) / 10.0) - torch.pow(10.0, tone / 10.0)[:, None]
        return self._griffin_lim.waveform(of_magnitudes(power.clamp(min=0.0).sqrt()).numpy())

    def noise(self, tone: Tensor, samples: int, seed: int) -> NDArray[np.float32]:
        """Gaussian noise [samples] whose mel bins have these mean levels [80] in dB."""
        mel = of_magnitudes(torch.pow(10.0, tone / 20.0))
        wanted = self._griffin_lim.spectrum(mel[:, None])[:, 0].numpy()  # mean magnitude of each bin
        window = np.hanning(FINE["window"] + 1)[:-1]
        unit = math.sqrt(math.pi / 4.0 * float(np.square(window).sum()))  # that of white noise of variance 1
        noise = np.fft.rfft(np.random.default_rng(seed).standard_normal(samples))
        bins = np.linspace(0.0, len(wanted) - 1.0, len(noise))
        gain = np.interp(bins, np.arange(len(wanted)), wanted / unit)
        return np.asarray(np.fft.irfft(noise * gain, samples), np.float32)
