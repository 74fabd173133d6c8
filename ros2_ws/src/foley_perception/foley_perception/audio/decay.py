"""Two numbers that a simple listener would go by: how high a sound is, and how long it rings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLOCK_S = 0.002  # of the energy decay; far below any decay time that can be heard as one
_FLOOR_BLOCKS = 10  # that must all be near the noise before the sound counts as over
_UPPER_DB = -5.0
_LOWER_DB = -25.0
_SHORTEST_FIT_DB = 8.0


def spectral_centroid(samples: NDArray[np.floating], sample_rate: int) -> float:
    """Power-weighted mean frequency [Hz] of a sound [n]; NaN for silence.

    Raises:
        ValueError: samples are not one-dimensional, or the rate is not positive.
    """
    _check(samples, sample_rate)
    if len(samples) == 0:
        return float("nan")
    window = np.hanning(2 * len(samples))[len(samples) :]  # starts at 1: an onset keeps its attack
    values = samples.astype(np.float64)
    power = np.abs(np.fft.rfft((values - values.mean()) * window)) ** 2  # an offset is not a pitch
    total = power.sum()
    if total <= 0.0:
        return float("nan")
    return float(power @ np.fft.rfftfreq(len(samples), 1.0 / sample_rate) / total)


def decay_time(samples: NDArray[np.floating], sample_rate: int, noise_power: float = 0.0) -> float:
    """Time [s] in which a sound falls by 60 dB, from its beginning.

    Backward integration of the energy (Schroeder 1965, J. Acoust. Soc. Am. 37, 409): a line through the part from
    -5 dB to -25 dB, extrapolated. The noise power is taken off first (Chu 1978), and the integral ends where the
    sound sinks into the noise; where that is before -25 dB the line is shorter.

    Args:
        samples: [n], beginning with the contact.
        noise_power: mean square of the background, in the unit of the samples squared.

    Returns:
        T60 [s], NaN where less than 8 dB of decay stand above the noise.

    Raises:
        ValueError: samples are not one-dimensional, the rate is not positive or the noise power negative.
    """
    _check(samples, sample_rate)
    if not noise_power >= 0.0:
        raise ValueError(f"noise_power is {noise_power}, must be a mean square of at least 0")
    size = max(1, round(_BLOCK_S * sample_rate))
    blocks = len(samples) // size
    if blocks < _FLOOR_BLOCKS:
        return float("nan")
    power = np.square(samples[: blocks * size].astype(np.float64)).reshape(blocks, size).mean(axis=1)
    start = int(power.argmax())
    power = power[start : _end_of_sound(power, start, noise_power)]
    energy = np.cumsum((power - noise_power)[::-1])[::-1]
    if len(energy) < 3 or energy[0] <= 0.0:
        return float("nan")
    level = 10.0 * np.log10(np.maximum(energy / energy[0], 1e-12))
    # The cut tail is missing from every value: near the end the curve bends down, so that part is left out.
    bend = -10.0 * np.log10(max(power[0], 1e-30) / max(float(power[-1]), 1e-30)) + 10.0
    lower = max(_LOWER_DB, min(bend, 0.0)) if noise_power > 0.0 else _LOWER_DB
    used = (level <= _UPPER_DB) & (level >= lower)
    if used.sum() < 2 or lower > _UPPER_DB - _SHORTEST_FIT_DB:
        # Too fast for the line to begin at -5 dB, or too near to the noise.
        used = level >= lower
        if used.sum() < 2 or lower > -_SHORTEST_FIT_DB:
            return float("nan")
    time_s = np.arange(len(level)) * (size / sample_rate)
    slope = np.polyfit(time_s[used], level[used], 1)[0]
    return float(-60.0 / slope) if slope < 0.0 else float("nan")


def _end_of_sound(power: NDArray[np.float64], start: int, noise_power: float) -> int:
    """First block after the loudest from which on the power stays at the noise for a while."""
    if noise_power <= 0.0:
        return len(power)
    smooth = np.convolve(power[start:], np.full(_FLOOR_BLOCKS, 1.0 / _FLOOR_BLOCKS), "valid")
    quiet = np.flatnonzero(smooth < 2.0 * noise_power)
    return start + int(quiet[0]) if len(quiet) else len(power)


def _check(samples: NDArray[np.floating], sample_rate: int) -> None:
    if samples.ndim != 1:
        raise ValueError(f"samples have shape {samples.shape}, must be one channel [n]")
    if sample_rate <= 0:
        raise ValueError(f"sample_rate is {sample_rate} Hz, must be positive")
