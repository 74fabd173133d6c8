"""How far predicted sounds are from the real ones, beside rows that anyone could have produced."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.cochleagram import LOWEST_HZ, Cochleagram, erb_of_hz, hz_of_erb
from foley_synthesis.metrics.bootstrap import Interval, mean_interval

Frames = NDArray[np.float32]  # [n, frames, channels]


def sound_errors(
    candidates: dict[str, Frames],
    truth: Frames,
    onset: int,
    cochlea: Cochleagram,
    weights: NDArray[np.float64],
) -> dict[str, dict[str, Interval]]:
    """For each candidate: envelope, loudness [dB] and centroid [octaves] error over the 0.6 s from the contact."""
    window = slice(max(onset - 5, 0), onset + 54)
    centres = band_centres(cochlea)
    real = truth[:, window]
    real_loudness = loudness_db(real, cochlea.exponent)
    real_centroid = np.log2(np.maximum(centroid_hz(real, centres, cochlea.exponent), 1.0))
    rows = {}
    for name, frames in candidates.items():
        made = frames[:, window]
        loudness = np.maximum(loudness_db(made, cochlea.exponent), -90.0)
        centroid = np.log2(np.maximum(centroid_hz(made, centres, cochlea.exponent), 1.0))
        silent = made.max(axis=(1, 2)) <= 0.0
        rows[name] = {
            "envelope": mean_interval(np.abs(made - real).mean(axis=(1, 2)), weights),
            "loudness_db": mean_interval(np.abs(loudness - np.maximum(real_loudness, -90.0)), weights),
            # Silence has no centroid.
            "centroid_octaves": mean_interval(
                np.where(silent, np.nan, np.abs(centroid - real_centroid)), weights
            ),
        }
    return rows


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
