"""Sound files that are variants of one recording: of another gain, equaliser or fade, cut elsewhere, at another rate.

A model that is judged on a variant of what it was trained on is judged on what it has seen. Two takes of one thing
sound alike, but the fine texture of their spectrograms, which noise and the exact blow leave, does not repeat. So a
fingerprint is that texture: a spectrogram in dB, less its slow course in each band (which gain, equaliser, fades and
decay make) and less its mean over bands (which the onset makes). Two files are variants if the correlation of their
textures, at the best shift in time, reaches a threshold. Where there is little texture, as in a clean tone, or the
correlation is not quite so high, the waveforms must be correlated as well. Groups are what is connected by such pairs.
A variant at another pitch is not found.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.resample import resampled

Array = NDArray[np.float32]

THRESHOLD = 0.6  # correlation from which on two files are variants of one recording
_LEAST_TEXTURE = 0.4  # correlation from which on waveforms are compared
_LEAST_WAVEFORM = 0.6  # correlation of waveforms that then makes them variants
_RICH_FRAMES = 16.0  # effective number of frames with texture, from which on it is enough by itself
LONGEST_S = 6.0  # of a file that is looked at
_RATE = 16_000
_WINDOW, _HOP = 512, 80  # 32 ms, 5 ms
_BANDS = 48
_LOWEST_HZ, _HIGHEST_HZ = 150.0, 7_000.0
_RANGE_DB = 50.0  # below the loudest band; what is fainter is other noise in each variant
_SLOW = 12  # frames on each side whose mean is the slow course
_MOST_DB = 12.0  # of texture: no single frame decides
_LEAST_SHARE = 0.6  # of the smaller texture's energy that must overlap
_LEAST_FRAMES = 12


@dataclasses.dataclass(frozen=True, eq=False)
class Fingerprint:
    """Texture of one sound."""

    texture: Array  # [frames, bands, dB]; 0 where the sound is too faint
    waveform: Array  # [n] at 16 kHz

    def __len__(self) -> int:
        return len(self.texture)

    @property
    def rich(self) -> bool:
        """Whether its texture tells it from others by itself: it is not that of an onset alone."""
        energy = np.square(self.texture).sum(axis=1, dtype=np.float64)
        return float(energy.sum()) ** 2 >= _RICH_FRAMES * max(float(np.square(energy).sum()), 1e-12)


def fingerprint(samples: NDArray[np.float32], rate: int) -> Fingerprint:
    """Of samples [n]; what is too short or silent has none, and is a variant of nothing."""
    audio = resampled(samples[: round(LONGEST_S * rate)], rate, _RATE)
    padded = np.pad(audio.astype(np.float32), _WINDOW // 2)
    if len(padded) < _WINDOW + _HOP * _LEAST_FRAMES or not np.any(padded):
        return Fingerprint(np.zeros((0, _BANDS), np.float32), np.zeros(0, np.float32))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), axis=1)))
    db = 10.0 * np.log10(power @ _filters().T + 1e-20)
    heard = db > db.max() - _RANGE_DB
    db = np.maximum(db, db.max() - _RANGE_DB)
    fast = np.where(heard, db - _slow_course(db), 0.0)
    fast -= fast.sum(axis=1, keepdims=True) / np.maximum(heard.sum(axis=1, keepdims=True), 1)
    texture = np.where(heard, np.clip(fast, -_MOST_DB, _MOST_DB), 0.0)
    return Fingerprint(texture.astype(np.float32), audio)


def _filters() -> NDArray[np.float64]:
    """Triangles [bands, bins], evenly spaced in the ERB-rate scale."""
    low_erb, high_erb = (21.4 * math.log10(1.0 + 0.00437 * hz) for hz in (_LOWEST_HZ, _HIGHEST_HZ))
    edges = np.linspace(low_erb, high_erb, _BANDS + 2)
    hz = (10.0 ** (edges / 21.4) - 1.0) / 0.00437
    bins = np.fft.rfftfreq(_WINDOW, 1.0 / _RATE)[None]
    step = _RATE / _WINDOW
    low, middle, high = (part[:, None] for part in (hz[:-2], hz[1:-1], hz[2:]))
    rising = (bins - low) / np.maximum(middle - low, step)
    falling = (high - bins) / np.maximum(high - middle, step)
    return np.asarray(np.clip(np.minimum(rising, falling), 0.0, 1.0))


def _slow_course(db: NDArray[np.float64]) -> NDArray[np.float64]:
    """Moving mean over time; at the ends over what there is."""
    total = np.cumsum(np.pad(db, ((1, 0), (0, 0))), axis=0)
    at = np.arange(len(db))
    first, last = np.maximum(at - _SLOW, 0), np.minimum(at + _SLOW + 1, len(db))
    return np.asarray((total[last] - total[first]) / (last - first)[:, None])


def similarities(prints: Sequence[Fingerprint]) -> NDArray[np.float32]:
    """Correlation of textures at the best shift [n, n], symmetric, 1 on the diagonal."""
    n = len(prints)
    result = np.eye(n, dtype=np.float32)
    length = max((len(p) for p in prints), default=0)
    if not length:
        return result
    size = 1 << (2 * length - 1).bit_length()
    spectra = [np.fft.rfft(p.texture, size, axis=0).astype(np.complex64) for p in prints]
    energies = [np.cumsum(np.r_[0.0, np.square(p.texture).sum(axis=1)]) for p in prints]
    for i in range(n):
        for j in range(i + 1, n):
            if energies[i][-1] > 0 and energies[j][-1] > 0:
                product = np.einsum("fb,fb->f", np.conj(spectra[i]), spectra[j])
                result[i, j] = result[j, i] = _best(np.fft.irfft(product, size), energies[i], energies[j])
    return result


def _best(products: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Highest correlation over shifts, from products [size] and cumulated energies [frames + 1] of both."""
    frames_a, frames_b = len(a) - 1, len(b) - 1
    shifts = np.arange(-frames_a + _LEAST_FRAMES, frames_b - _LEAST_FRAMES + 1)
    if not len(shifts):
        return 0.0
    first, last = np.maximum(0, -shifts), np.minimum(frames_a, frames_b - shifts)
    own, other = a[last] - a[first], b[last + shifts] - b[first + shifts]
    enough = np.minimum(own, other) >= _LEAST_SHARE * min(a[-1], b[-1])
    correlation = products[shifts] / np.sqrt(np.maximum(own * other, 1e-12))
    return float(np.where(enough, correlation, 0.0).max(initial=0.0))


def are_variants(prints: Sequence[Fingerprint]) -> NDArray[np.bool_]:
    """Which pairs are of one recording [n, n], symmetric, and each file with itself."""
    textures, rich = similarities(prints), np.array([p.rich for p in prints], bool)
    result = (textures >= THRESHOLD) & rich[:, None] & rich[None]
    for i, j in np.argwhere(np.triu(textures >= _LEAST_TEXTURE, 1) & ~result).tolist():
        result[i, j] = result[j, i] = _waveforms(prints[i], prints[j]) >= _LEAST_WAVEFORM
    np.fill_diagonal(result, True)
    return np.asarray(result)


def _waveforms(a: Fingerprint, b: Fingerprint) -> float:
    """Correlation of waveforms at the best shift, whatever their sign."""
    x, y = a.waveform.astype(np.float64), b.waveform.astype(np.float64)
    size = 1 << (len(x) + len(y) - 1).bit_length()
    products = np.fft.irfft(np.conj(np.fft.rfft(x, size)) * np.fft.rfft(y, size), size)
    return float(np.abs(products).max() / np.sqrt(max(float(x @ x) * float(y @ y), 1e-20)))


def variant_groups(prints: Sequence[Fingerprint]) -> NDArray[np.int64]:
    """Group [n] of each file: connected by pairs of variants. Numbered as they first come."""
    from scipy.sparse.csgraph import connected_components

    if not prints:
        return np.zeros(0, np.int64)
    _, labels = connected_components(are_variants(prints), directed=False)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)
