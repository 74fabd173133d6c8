"""What cochleagrams [n, frames, channels] of contacts tell: loudness, spectral centroid, and where they begin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.cochleagram import LOWEST_HZ, Cochleagram, erb_of_hz, hz_of_erb
from foley_perception.clips.grid import ONSET_FRAME

Frames = NDArray[np.float32]  # [n, frames, channels]

BEFORE, AFTER = 5, 54
"""Frames before and after the contact that are compared."""
CONTACT = slice(int(ONSET_FRAME) - BEFORE, int(ONSET_FRAME) + AFTER)
QUIETEST_DB = -90.0


def loudness(frames: Frames, cochlea: Cochleagram) -> NDArray[np.float64]:
    """Of each sound [n] around the contact, in dB; what is quieter than -90 dB is silence."""
    return np.maximum(loudness_db(frames[:, CONTACT], cochlea.exponent), QUIETEST_DB)


def log_centroid(frames: Frames, cochlea: Cochleagram) -> NDArray[np.float64]:
    """log2 of the spectral centroid [Hz] of each sound [n] around the contact; silence has none: NaN."""
    around = frames[:, CONTACT]
    centroid = np.log2(np.maximum(centroid_hz(around, band_centres(cochlea), cochlea.exponent), 1.0))
    return np.where(around.max(axis=(1, 2)) <= 0.0, np.nan, centroid)


def moved(frames: Frames, by: NDArray[np.integer] | int) -> Frames:
    """Each sound moved later by a number of frames; its edges are held."""
    n, steps = frames.shape[:2]
    shift = np.broadcast_to(np.asarray(by), (n,))
    source = np.clip(np.arange(steps)[None] - shift[:, None], 0, steps - 1)
    return np.asarray(frames[np.arange(n)[:, None], source], np.float32)


def band_centres(cochlea: Cochleagram) -> NDArray[np.float64]:
    """Centre frequency [Hz] of each channel of a cochleagram."""
    corners = np.linspace(erb_of_hz(LOWEST_HZ), erb_of_hz(cochlea.highest_hz), cochlea.bands + 2)
    return hz_of_erb(corners)


def centroid_hz(
    cochleagram: NDArray[np.floating], centres_hz: NDArray[np.floating], exponent: float
) -> NDArray[np.float64]:
    """Spectral centroid of each sound [n]: subband power of [n, frames, channels] weighs the band centres."""
    power = np.maximum(cochleagram, 0.0).astype(np.float64) ** (2.0 / exponent)
    per_band = power.sum(axis=1)
    return np.asarray(per_band @ centres_hz / np.maximum(per_band.sum(axis=1), 1e-20))


def loudness_db(cochleagram: NDArray[np.floating], exponent: float) -> NDArray[np.float64]:
    """Loudest frame of each sound [n] in dB (power summed over the subbands)."""
    power = np.maximum(cochleagram, 0.0).astype(np.float64) ** (2.0 / exponent)
    return np.asarray(10.0 * np.log10(np.maximum(power.sum(axis=2).max(axis=1), 1e-12)))
