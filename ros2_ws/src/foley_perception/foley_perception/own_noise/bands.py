"""Bands in which own noise is told: power density of short windows, in hertz, so that it holds at any rate."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WINDOW_S = 0.02  # bins of 50 Hz
_LOWEST_HZ = 25.0  # between the bins of 0 and 50 Hz
_HIGHEST_HZ = 20_000.0
_USABLE_SHARE = 0.45  # of the rate: above it filters of converters fall


def band_edges(sample_rate: int) -> Array:
    """Edges [bands + 1] in hertz: of single bins, and of half the ear's critical band where that is wider.

    The critical band is that of Glasberg and Moore (1990), 24.7 Hz (4.37 f / kHz + 1).

    Raises:
        ValueError: the rate is too low.
    """
    step = 1.0 / WINDOW_S
    highest = min(_HIGHEST_HZ, _USABLE_SHARE * sample_rate)
    if highest < 40 * step:
        raise ValueError(f"sample_rate is {sample_rate} Hz, own noise needs at least {80 * step:.0f} Hz")
    edges = [_LOWEST_HZ]
    while True:
        critical = 24.7 * (4.37e-3 * edges[-1] + 1.0)
        edges.append(edges[-1] + step * max(1, round(0.5 * critical / step)))
        if edges[-1] > highest:
            return np.array(edges[:-1])


def window_of(sample_rate: int) -> int:
    """Samples of a window."""
    return round(WINDOW_S * sample_rate)


def bins_hz(sample_rate: int) -> Array:
    """Centres [bins] of a window's bins."""
    window = window_of(sample_rate)
    return np.asarray(np.arange(window // 2 + 1) * (sample_rate / window), np.float64)


def densities(sound: Array, sample_rate: int, edges_hz: Array) -> Array:  # [t, window] -> [t, bands]
    """Mean square per hertz of each band, one-sided. 0 in bands that this rate does not hold."""
    window = window_of(sample_rate)
    power = np.abs(np.fft.rfft(sound * taper(window), axis=-1)) ** 2
    scale = 2.0 / (sample_rate * float(np.sum(taper(window) ** 2)))
    return np.asarray(scale * (power @ _means(sample_rate, tuple(edges_hz.tolist())).T))


@functools.lru_cache(maxsize=8)
def taper(window: int) -> Array:
    """Hann, periodic."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window))


@functools.lru_cache(maxsize=8)
def _means(sample_rate: int, edges_hz: tuple[float, ...]) -> Array:  # [bands, bins]
    hz = bins_hz(sample_rate)
    index = np.searchsorted(np.array(edges_hz), hz, side="right") - 1
    matrix = np.zeros((len(edges_hz) - 1, len(hz)))
    for band in range(len(matrix)):
        inside = (index == band) & (hz <= _USABLE_SHARE * sample_rate)
        if inside.any():
            matrix[band, inside] = 1.0 / np.count_nonzero(inside)
    return matrix


def overlaps_hz(edges_hz: Array, others_hz: Array) -> Array:
    """How many hertz of each band [bands] lie in each of other bands: [others, bands]."""
    low = np.maximum(edges_hz[None, :-1], others_hz[:-1, None])
    high = np.minimum(edges_hz[None, 1:], others_hz[1:, None])
    return np.asarray(np.maximum(high - low, 0.0))


def decibels(power: Array) -> Array:
    """10 log10, of silence -200."""
    return np.asarray(10.0 * np.log10(np.maximum(power, 1e-20)))


def hop_of(sample_rate: int, hop_s: float) -> int:
    """Samples from one window to the next."""
    return max(math.floor(hop_s * sample_rate), 1)
