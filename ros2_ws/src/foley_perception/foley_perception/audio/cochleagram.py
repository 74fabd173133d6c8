"""Cochleagram: compressed subband envelopes of a sound, and the way back by imposing them on noise.

Visually Indicated Sounds (Owens 2016), Eq. 1:  s_n(t) = D(|(w * k_n)(t) + j H(w * k_n)(t)|)^c

The analytic signal of a band is the inverse FFT of its positive frequencies. A band of width B needs only
about B samples per second of it, so the bins of each band are moved to the start of a SHORT inverse FFT: the
magnitude does not see the shift in frequency. One rfft and 42 short inverse FFTs replace 42 convolutions.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

LOWEST_HZ = 50.0
HIGHEST_HZ = 20_000.0
_PAD_S = 0.05  # of silence, so that the end of the sound does not wrap around to its start
_SAMPLES_PER_FRAME = 16  # of the envelope before it is averaged to a frame, at least


def erb_of_hz(frequency: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Number of equivalent rectangular bandwidths below a frequency [Hz] (Glasberg and Moore 1990)."""
    return np.asarray(9.265 * np.log1p(np.asarray(frequency, np.float64) / (24.7 * 9.265)))


def hz_of_erb(erb: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Inverse of `erb_of_hz` [Hz]."""
    return np.asarray(24.7 * 9.265 * np.expm1(np.asarray(erb, np.float64) / 9.265))


def filter_responses(
    frequency: NDArray[np.float64], highest_hz: float, bands: int = 40
) -> NDArray[np.float64]:
    """Half-cosine bands, equally spaced in ERB, between a low-pass and a high-pass edge.

    Each band overlaps each neighbour by half, so that all squared responses sum to one at every frequency.

    Args:
        frequency: [f] in Hz.
        highest_hz: upper corner of the highest band.

    Returns:
        Amplitude responses [bands + 2, f]: low edge, bands from low to high, high edge.
    """
    corners = np.linspace(erb_of_hz(LOWEST_HZ), erb_of_hz(highest_hz), bands + 2)
    # In units of the spacing, band n is centred on n + 1 and reaches zero at n and n + 2.
    position = (erb_of_hz(frequency) - corners[0]) / (corners[1] - corners[0])
    responses = np.zeros((bands + 2, len(position)))
    responses[0] = np.cos(np.pi / 2 * np.clip(position, 0.0, 1.0))
    for band in range(bands):
        distance = np.abs(position - (band + 1))
        responses[band + 1] = np.where(distance < 1.0, np.cos(np.pi / 2 * np.minimum(distance, 1.0)), 0.0)
    responses[bands + 1] = np.sin(np.pi / 2 * np.clip(position - bands, 0.0, 1.0))
    responses[responses < 1e-12] = 0.0
    return responses


@dataclasses.dataclass(frozen=True)
class Cochleagram:
    """Turns mono sound into [frames, bands + 2] and back. Frame i covers [i, i + 1) / rate_hz seconds."""

    sample_rate: int  # [Hz]
    rate_hz: float = 90.0  # frames per second
    bands: int = 40
    exponent: float = 0.3  # compression c

    def __post_init__(self) -> None:
        if self.sample_rate < 2 * self.rate_hz or self.sample_rate <= 2 * LOWEST_HZ:
            raise ValueError(f"sample_rate is {self.sample_rate} Hz, too low for a cochleagram")
        if not 0 < self.exponent <= 1:
            raise ValueError(f"exponent is {self.exponent}, must be in (0, 1]")
        if self.bands < 1:
            raise ValueError(f"bands is {self.bands}, must be at least 1")

    @property
    def channels(self) -> int:
        """Bands and the two edges."""
        return self.bands + 2

    @property
    def highest_hz(self) -> float:
        """Upper corner of the highest band; below the Nyquist frequency of slow recordings."""
        return min(HIGHEST_HZ, 0.45 * self.sample_rate)

    def frames_of(self, samples: int) -> int:
        """Number of whole frames in a sound."""
        return math.floor(samples * self.rate_hz / self.sample_rate + 1e-9)

    def __call__(self, samples: NDArray[np.floating]) -> NDArray[np.float32]:
        """Cochleagram [frames, channels] of a sound [n].

        Raises:
            ValueError: samples are not one-dimensional.
        """
        if samples.ndim != 1:
            raise ValueError(f"samples have shape {samples.shape}, must be one channel [n]")
        frames = self.frames_of(len(samples))
        if frames == 0:
            return np.zeros((0, self.channels), np.float32)
        size = scipy.fft.next_fast_len(len(samples) + int(_PAD_S * self.sample_rate), real=True)
        spectrum = scipy.fft.rfft(samples.astype(np.float32, copy=False), size)
        envelopes = np.empty((frames, self.channels), np.float32)
        for channel, band in enumerate(self._bank(size)):
            length = band.short_size
            block = np.zeros(length, np.complex64)
            block[: band.stop - band.start] = spectrum[band.start : band.stop] * band.response
            envelope = np.abs(scipy.fft.ifft(block, overwrite_x=True)) * (length / size)
            envelopes[:, channel] = _frame_means(
                envelope, self.sample_rate * length / size, self.rate_hz, frames
            )
        return np.asarray(envelopes**self.exponent, np.float32)

    def invert_envelopes(
        self, cochleagram: NDArray[np.floating], samples: int | None = None, *, seed: int = 0
    ) -> NDArray[np.float32]:
        """Sound [samples] whose subband envelopes approach a cochleagram [frames, channels].

        One iteration: the envelopes of white noise are replaced, band by band, and the bands filtered again
        and added. What is above the highest frame or below zero in the cochleagram counts as silence.
        """
        frames = len(cochleagram)
        if cochleagram.ndim != 2 or cochleagram.shape[1] != self.channels:
            raise ValueError(f"cochleagram has shape {cochleagram.shape}, must be [frames, {self.channels}]")
        length = samples if samples is not None else round(frames * self.sample_rate / self.rate_hz)
        if frames == 0 or length == 0:
            return np.zeros(length, np.float32)
        target = np.maximum(cochleagram, 0.0).astype(np.float64) ** (1.0 / self.exponent)
        size = scipy.fft.next_fast_len(length + int(_PAD_S * self.sample_rate), real=True)
        noise = np.random.default_rng(seed).standard_normal(size).astype(np.float32)
        spectrum = scipy.fft.rfft(noise)
        frame_s = (np.arange(frames) + 0.5) / self.rate_hz
        sample_s = np.arange(length) / self.sample_rate
        total = np.zeros(size // 2 + 1, np.complex64)
        for channel, band in enumerate(self._bank(size)):
            block = np.zeros(size, np.complex64)
            block[band.start : band.stop] = spectrum[band.start : band.stop] * band.response
            analytic = scipy.fft.ifft(block, overwrite_x=True)[:length]
            fine = analytic.real / np.maximum(np.abs(analytic), 1e-9)
            imposed = fine * np.interp(sample_s, frame_s, target[:, channel])
            response = np.where(band.response > 0, _amplitude(band), 0.0)
            total[band.start : band.stop] += (
                scipy.fft.rfft(imposed.astype(np.float32), size)[band.start : band.stop] * response
            )
        return np.asarray(scipy.fft.irfft(total, size)[:length], np.float32)

    def _bank(self, size: int) -> tuple[_Band, ...]:
        return _bank(self.sample_rate, self.highest_hz, self.bands, size, self.rate_hz)


@dataclasses.dataclass(frozen=True, eq=False)
class _Band:
    """The bins [start, stop) where a filter is not zero."""

    start: int
    stop: int
    response: NDArray[np.float32]  # of the analytic signal: twice the amplitude, except at 0 Hz and Nyquist
    doubled: NDArray[np.float32]  # the factor 1 or 2 in `response`
    short_size: int  # of the inverse FFT


def _amplitude(band: _Band) -> NDArray[np.float32]:
    return np.asarray(band.response / band.doubled, np.float32)


@functools.lru_cache(maxsize=32)
def _bank(sample_rate: int, highest_hz: float, bands: int, size: int, rate_hz: float) -> tuple[_Band, ...]:
    frequency = np.arange(size // 2 + 1, dtype=np.float64) * (sample_rate / size)
    double = np.full(len(frequency), 2.0, np.float32)
    double[0] = 1.0
    if size % 2 == 0:
        double[-1] = 1.0
    shortest = math.ceil(_SAMPLES_PER_FRAME * rate_hz * size / sample_rate)
    bank = []
    for response in filter_responses(frequency, highest_hz, bands):
        bins = np.flatnonzero(response)
        start, stop = (int(bins[0]), int(bins[-1]) + 1) if len(bins) else (0, 1)
        short = scipy.fft.next_fast_len(max(2 * (stop - start), shortest))
        part = slice(start, stop)
        bank.append(
            _Band(
                start,
                stop,
                (response[part] * double[part]).astype(np.float32),
                double[part],
                min(short, size),
            )
        )
    return tuple(bank)


def _frame_means(
    envelope: NDArray[np.float32], envelope_rate: float, rate_hz: float, frames: int
) -> NDArray[np.float64]:
    """Mean of a piecewise linear envelope over each frame: D of Eq. 1, which cannot ring below zero."""
    steps = 0.5 * (envelope[:-1].astype(np.float64) + envelope[1:])
    integral = np.concatenate([[0.0], np.cumsum(steps)])
    edges = np.arange(frames + 1) * (envelope_rate / rate_hz)
    return np.asarray(
        np.diff(np.interp(edges, np.arange(len(integral)), integral)) * (rate_hz / envelope_rate)
    )
