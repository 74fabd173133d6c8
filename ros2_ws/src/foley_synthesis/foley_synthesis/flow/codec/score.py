"""How much of a sound a codec keeps."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_synthesis.flow.codec.config import CodecConfig
from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.codec.spectrum import FLOOR, Mel, analysed, inverted, refined, synthesised
from foley_synthesis.metrics.audio import onset_agreement, onsets
from foley_synthesis.metrics.foreground import above_floor, foreground_error


@dataclasses.dataclass(frozen=True)
class Kept:
    """Of sounds that were coded and decoded."""

    foreground_db: (
        float  # mean |difference| of mel bins that stand 10 dB above the window's noise floor in either
    )
    onset_f1: float  # within 50 ms
    level_db: float  # mean |difference| of the level of a window
    windows: int


class Levels:
    """Mel levels [bins, t] in dB over a sound's own noise floor, on the codec's grid."""

    def __init__(self, config: CodecConfig) -> None:
        self._hop, self._window = config.hop, torch.hann_window(config.window)
        self._mel = Mel(config.rate, config.window, config.bins)

    def __call__(self, sound: Tensor) -> NDArray[np.float32]:
        """Of a sound [1, n]."""
        magnitudes = self._mel(analysed(sound, self._window, self._hop).abs())
        return above_floor(20.0 * magnitudes.clamp(min=FLOOR).log10()[0].T.numpy())


def onsets_of(sounds: Tensor, rate: int) -> list[NDArray[np.float64]]:
    """Times [s] of each of sounds [k, n]."""
    return [onsets(sound.numpy(), rate) for sound in sounds]


def kept(
    made: Callable[[Tensor], Tensor],
    sounds: Tensor,
    config: CodecConfig,
    *,
    heard: Sequence[NDArray[np.float64]] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Kept:
    """Of windows [k, n], one at a time, and what a function makes of each.

    Args:
        heard: onsets of the windows, see `onsets_of`. Without them none are looked for, and their F1 is NaN.
    """
    over_floor = Levels(config)
    hits = wrong = 0.0
    errors, levels = [], []
    for done, sound in enumerate(torch.split(sounds, 1)):
        with torch.inference_mode():
            again = made(sound)
            errors.append(foreground_error(over_floor(again), over_floor(sound)))
        levels.append(abs(_decibels(again) - _decibels(sound)))
        if heard is not None:
            found = onset_agreement(onsets(again[0].numpy(), config.rate), heard[done])
            hits, wrong = hits + 2.0 * found.hits, wrong + found.false + found.missed
        progress(done + 1, len(sounds))
    f1 = hits / (hits + wrong) if heard is not None and hits + wrong else math.nan
    return Kept(float(np.mean(errors)), f1, float(np.mean(levels)), len(sounds))


def _decibels(sound: Tensor) -> float:
    return 10.0 * math.log10(float(sound.square().mean()) + 1e-12)


def rows(codec: Codec) -> dict[str, Callable[[Tensor], Tensor]]:
    """What sounds [b, n] can be led through: the codec, and what its grid keeps without a latent between."""
    window, hop = codec.window, codec.config.hop

    def spectra(sound: Tensor) -> Tensor:
        return analysed(sound, window, hop)

    def from_mel(sound: Tensor) -> Tensor:
        return inverted(codec.mel, codec.mel(spectra(sound).abs()))

    def griffin_lim(sound: Tensor) -> Tensor:
        magnitudes = from_mel(sound)
        noise = codec.noise[torch.arange(magnitudes.shape[1]) % len(codec.noise)]
        begin = magnitudes * torch.complex(noise[:, 0], noise[:, 1])
        return synthesised(refined(begin, window, hop, 60), window, hop)

    def true_phase(sound: Tensor) -> Tensor:
        true = spectra(sound)
        return synthesised(from_mel(sound) * true / true.abs().clamp(min=1e-12), window, hop)

    found: dict[str, Callable[[Tensor], Tensor]] = {"codec": lambda s: codec.decode(codec.encode(s))}
    if not codec.config.causal:
        found["codec, its phases alone"] = lambda s: codec.decode(codec.encode(s), 0)
    return {
        **found,
        "true mel, Griffin-Lim": griffin_lim,
        "true mel, true phase": true_phase,
        "silence": torch.zeros_like,
    }
