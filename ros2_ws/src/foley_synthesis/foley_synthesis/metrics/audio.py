"""Distances between waveforms, and between sets of embeddings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.onset import OnsetDetector
from foley_perception.audio.onset_config import OnsetConfig

Sound = NDArray[np.floating]
Array = NDArray[np.float64]

_FFT, _HOP = 1024, 256
_LEAD_S, _QUIET_S = 0.6, 0.2


def stft(sound: Sound) -> Array:
    """Magnitudes [bins, frames]: Hann window of 1024, hop of 256, scaled so that a sine keeps its amplitude."""
    window = np.hanning(_FFT + 1)[:-1]
    padded = np.pad(np.asarray(sound, float), _FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::_HOP]
    return np.asarray(np.abs(np.fft.rfft(frames * window, axis=1)).T * (2.0 / window.sum()))


def envelope(sound: Sound) -> Array:
    """Hilbert envelope [samples]."""
    from scipy.signal import hilbert

    return np.asarray(np.abs(hilbert(np.asarray(sound, float))))


class Distance(NamedTuple):
    """L2 distance, and the same over the size of the real one: silence is 1 away from anything."""

    absolute: float
    relative: float


def stft_distance(made: Sound, real: Sound) -> Distance:
    """Between magnitude spectrograms (Hearing Hands, section 4, `STFT`)."""
    return _distance(stft(made), stft(real))


def envelope_distance(made: Sound, real: Sound) -> Distance:
    """Between Hilbert envelopes (Hearing Hands, section 4, `Envelope`)."""
    return _distance(envelope(made), envelope(real))


def _distance(made: Array, real: Array) -> Distance:
    if made.shape != real.shape:
        raise ValueError(f"sounds give {made.shape} and {real.shape}, both must have the same length")
    apart = float(np.sqrt(np.square(made - real).mean()))
    return Distance(apart, apart / max(float(np.sqrt(np.square(real).mean())), 1e-9))


def onsets(sound: Sound, rate: int) -> Array:
    """Times [s] of the onsets of a short clip.

    The detector must know the background before it can hear anything stand out: the first 0.2 s, back and forth,
    are put in front.
    """
    samples = np.asarray(sound, np.float32)
    quiet = samples[: round(_QUIET_S * rate)]
    lead = np.tile(np.concatenate([quiet, quiet[::-1]]), 4)[-round(_LEAD_S * rate) :]
    tail = np.zeros(round(0.1 * rate), np.float32)
    detector = OnsetDetector(OnsetConfig(sample_rate=rate))
    found = detector.process(np.concatenate([lead, samples, tail]))
    at = np.array([o.sample for o in found], float) / rate - len(lead) / rate
    return np.asarray(at[(at >= 0) & (at < len(samples) / rate)])


class Agreement(NamedTuple):
    """Of two lists of onsets."""

    hits: int
    false: int
    missed: int
    errors_s: Array  # [hits] made - real


def onset_agreement(made: Array, real: Array, tolerance_s: float = 0.05) -> Agreement:
    """Each real onset takes the nearest made one within the tolerance that is still free, nearest pairs first."""
    pairs = sorted((abs(m - r), i, j) for i, m in enumerate(made) for j, r in enumerate(real))
    free_made, free_real, errors = set(range(len(made))), set(range(len(real))), []
    for away, i, j in pairs:
        if away <= tolerance_s and i in free_made and j in free_real:
            free_made.discard(i)
            free_real.discard(j)
            errors.append(made[i] - real[j])
    return Agreement(len(errors), len(free_made), len(free_real), np.array(errors))


def frechet(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Frechet distance of Gaussians fitted to embeddings [n, d] and [m, d].

    It is biased upwards where n or m are small against d: compare only figures of the same n and m.

    Raises:
        ValueError: fewer than two rows, or another d.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    if min(len(a), len(b)) < 2 or a.shape[1] != b.shape[1]:
        raise ValueError(
            f"embeddings are {a.shape} and {b.shape}, both need two rows or more of the same length"
        )
    apart = float(np.square(a.mean(axis=0) - b.mean(axis=0)).sum())
    ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # tr sqrt(Ca Cb) from the singular values of Ca^1/2 Cb^1/2: symmetric roots alone, no complex rounding.
    shared = float(np.linalg.svd(_root(ca) @ _root(cb), compute_uv=False).sum())
    return max(apart + float(np.trace(ca) + np.trace(cb)) - 2.0 * shared, 0.0)


def _root(covariance: Array) -> Array:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)
