"""Own noise taken off a stretch of sound: a gain per band and time, between 1 and a floor.

The gain is that of spectral subtraction (Boll 1979) with a floor (Berouti, Schwartz and Makhoul 1979), of powers that
are smoothed over neighbouring windows: single windows of noise scatter, and what is left of them would sing. A louder
window counts at once, so that the beginning of a contact stays as steep as it was. Where nothing is known of the own
noise the sound stays as it is. Same length, no delay: a stretch is cleaned when it is cut.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from foley_perception.own_noise.bands import bins_hz, densities, hop_of, taper, window_of
from foley_perception.own_noise.model import OwnNoise
from foley_perception.own_noise.motion import JointPositions, speeds_at

Array = NDArray[np.float64]

_HOP_S = 0.005
_ATTACK = 3.0  # times the average, that is no scatter of noise but something that begins


@dataclasses.dataclass(frozen=True)
class CleanConfig:
    """How much is taken off."""

    over: float = 1.5  # times the expected power
    least_db: float = -12.0  # gain that no band falls below
    smooth: int = 2  # windows on each side over which powers are averaged

    def __post_init__(self) -> None:
        if not 0 < self.over <= 10:
            raise ValueError(f"over is {self.over}, must lie in (0, 10]")
        if not -60 <= self.least_db <= 0:
            raise ValueError(f"least_db is {self.least_db}, must lie in [-60, 0]")
        if not 0 <= self.smooth <= 20:
            raise ValueError(f"smooth is {self.smooth}, must lie in [0, 20]")


@dataclasses.dataclass(frozen=True, eq=False)
class Cleaned:
    """A stretch of sound."""

    samples: NDArray[np.float32]  # [n]
    known: float  # share of it in which own noise was known
    removed_db: float  # by which its level fell


class Cleaner:
    """Takes own noise off stretches of sound.

    Args:
        positions: of the joints, at the times of the sound.
    """

    def __init__(self, model: OwnNoise, positions: JointPositions, config: CleanConfig | None = None) -> None:
        self.model, self.config = model, config or CleanConfig()
        self._positions = positions

    def clean(self, samples: NDArray[np.float32], sample_rate: int, start_ns: int) -> Cleaned:
        """Sound [n] whose first sample was captured at a time. It may have been brought to another rate."""
        window, hop = window_of(sample_rate), hop_of(sample_rate, _HOP_S)
        if len(samples) < window:
            return Cleaned(samples, 0.0, 0.0)
        # Windows begin before the sound and end behind it, so that each sample is in as many.
        padded = np.pad(samples.astype(np.float64), window, mode="reflect")
        begins = np.arange(0, len(padded) - window + 1, hop)
        middle_s = (begins - window + window / 2) / sample_rate
        times_ns = start_ns + np.round(middle_s * 1e9).astype(np.int64)
        expected = self.model.expect(speeds_at(self._positions, self.model.joints, times_ns))
        if not expected.known.any():
            return Cleaned(samples, 0.0, 0.0)
        frames = padded[begins[:, None] + np.arange(window)]
        gain = self._gains(densities(frames, sample_rate, self.model.edges_hz), expected.density)
        gain[~expected.known] = 1.0
        cleaned = _resynthesised(frames, begins, self._over_bins(gain, sample_rate), len(padded), sample_rate)
        result = cleaned[window : window + len(samples)]
        heard, left = float(np.mean(samples.astype(np.float64) ** 2)), float(np.mean(result**2))
        removed = 10.0 * np.log10(max(heard, 1e-20) / max(left, 1e-20))
        return Cleaned(result.astype(np.float32), float(expected.known.mean()), removed)

    def _gains(self, power: Array, noise: Array) -> Array:  # [t, bands] of power
        smoothed = _smoothed(power, self.config.smooth)
        least = 10.0 ** (self.config.least_db / 10.0)
        kept = 1.0 - self.config.over * noise / np.maximum(smoothed, 1e-30)
        return np.asarray(np.sqrt(np.clip(kept, least, 1.0)))

    def _over_bins(self, gain: Array, sample_rate: int) -> Array:  # [t, bands] -> [t, bins]
        edges, hz = self.model.edges_hz, bins_hz(sample_rate)
        centres = 0.5 * (edges[:-1] + edges[1:])
        right = np.clip(np.searchsorted(centres, hz), 1, len(centres) - 1)
        share = np.clip((hz - centres[right - 1]) / (centres[right] - centres[right - 1]), 0.0, 1.0)
        found = gain[:, right - 1] * (1 - share) + gain[:, right] * share
        found[:, hz > edges[-1]] = 1.0  # nothing is known there
        return np.asarray(found)


def _smoothed(power: Array, k: int) -> Array:
    """Averages over so many windows on each side; where a window is far louder, itself."""
    padded = np.pad(power, ((k, k), (0, 0)), mode="edge")
    mean = np.mean([padded[i : i + len(power)] for i in range(2 * k + 1)], axis=0)
    return np.where(power > _ATTACK * mean, power, mean)


def _resynthesised(frames: Array, begins: NDArray[np.int64], gain: Array, length: int, rate: int) -> Array:
    """Overlapping windows, each by its gains, added up again."""
    window = frames.shape[1]
    root = np.sqrt(taper(window))
    changed = np.fft.irfft(np.fft.rfft(frames * root, axis=1) * gain, window, axis=1) * root
    sound, weight = np.zeros(length), np.zeros(length)
    for begin, part in zip(begins.tolist(), changed, strict=True):
        sound[begin : begin + window] += part
        weight[begin : begin + window] += root * root
    return np.asarray(sound / np.maximum(weight, 1e-3))
