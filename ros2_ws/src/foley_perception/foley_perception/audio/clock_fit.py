"""A whole stream's sample clock against ROS time, by robust regression over its stamps.

Sample counts are exact, stamps are late by jitter and now and then wrong by a lot. So stamp = offset +
period * sample is fitted with Tukey's biweight (Beaton and Tukey 1974) by iterated reweighting, which leaves
outliers without any weight. The period is only taken from the data when they determine it better than a
crystal's datasheet does; in a short or ragged stream the nominal rate is the better estimate.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foley_common.times import NS_PER_S

_BIWEIGHT = 4.685  # tuning constant: 95 % efficiency for normal errors
_CRYSTAL_PPM = 20.0  # standard error of the period above which the nominal rate is used
MAX_DEVIATION = 0.002  # beyond it (2000 ppm) the stream does not have the rate it claims


class ClockError(ValueError):
    """Stamps and sample counts that do not belong together."""


@dataclasses.dataclass(frozen=True)
class SampleClock:
    """``time = base_ns + offset_ns + (sample - base_sample) * period_ns``."""

    base_sample: int
    base_ns: int
    offset_ns: float
    period_ns: float
    jitter_s: float  # robust spread of the stamps around the fit
    rejected: int  # stamps that were left without weight

    def time_ns(self, sample: ArrayLike) -> NDArray[np.int64]:
        """Capture times [...] in ns of sample indices [...]."""
        relative = (np.asarray(sample, dtype=np.float64) - self.base_sample) * self.period_ns + self.offset_ns
        return np.asarray(np.round(relative), dtype=np.int64) + self.base_ns

    def sample_at(self, time_ns: ArrayLike) -> NDArray[np.float64]:
        """Fractional sample indices [...] at times [...] in ns."""
        relative = np.asarray(np.asarray(time_ns, dtype=np.int64) - self.base_ns, dtype=np.float64)
        return np.asarray((relative - self.offset_ns) / self.period_ns + self.base_sample)

    def drift_ppm(self, sample_rate: int) -> float:
        """How much slower than nominal the stream's clock runs."""
        return (self.period_ns * sample_rate / NS_PER_S - 1.0) * 1e6


def fit_clock(
    first_samples: NDArray[np.integer],  # [n] index of each chunk's first sample
    stamps_ns: NDArray[np.integer],  # [n]
    sample_rate: int,
) -> SampleClock:
    """Fit the clock of one stream.

    Raises:
        ClockError: no stamps, or stamps that show another rate than ``sample_rate``.
    """
    samples, stamps = np.asarray(first_samples, dtype=np.int64), np.asarray(stamps_ns, dtype=np.int64)
    if samples.size == 0 or samples.shape != stamps.shape:
        raise ClockError(
            f"{samples.size} sample indices and {stamps.size} stamps: need as many, at least one"
        )
    nominal = NS_PER_S / sample_rate
    base_sample, base_ns = int(samples[0]), int(stamps[0])
    x = (samples - base_sample).astype(np.float64)
    y = (stamps - base_ns) - x * nominal  # deviation from the nominal clock [ns]
    _check_rate(x, y, nominal, sample_rate)
    weights = np.ones_like(x)
    offset, slope, scale = float(np.median(y)), 0.0, 0.0
    for _ in range(20):
        previous = (offset, slope)
        residual = y - offset - slope * x
        scale = max(1.4826 * float(np.median(np.abs(residual))), 1000.0)
        weights = np.square(np.clip(1.0 - np.square(residual / (_BIWEIGHT * scale)), 0.0, None))
        total = float(weights.sum())
        mean_x, mean_y = float(weights @ x) / total, float(weights @ y) / total
        spread = float(weights @ np.square(x - mean_x))
        slope = 0.0
        if spread > 0 and scale / np.sqrt(spread) < _CRYSTAL_PPM * 1e-6 * nominal:
            slope = float(weights @ ((x - mean_x) * (y - mean_y))) / spread
        offset = mean_y - slope * mean_x
        if abs(offset - previous[0]) < 1.0 and abs(slope - previous[1]) * x[-1] < 1.0:
            break
    residual = y - offset - slope * x
    return SampleClock(
        base_sample=base_sample,
        base_ns=base_ns,
        offset_ns=offset,
        period_ns=nominal + slope,
        jitter_s=1.4826 * float(np.median(np.abs(residual - np.median(residual)))) / NS_PER_S,
        rejected=int(np.count_nonzero(weights == 0.0)),
    )


def check_rate(
    first_samples: NDArray[np.integer],  # [n] of one stream, without a step of its stamps
    stamps_ns: NDArray[np.integer],  # [n]
    sample_rate: int,
) -> None:
    """Refuse a stream whose stamps run at another rate than it claims.

    Raises:
        ClockError: names both rates.
    """
    samples, stamps = np.asarray(first_samples, dtype=np.int64), np.asarray(stamps_ns, dtype=np.int64)
    nominal = NS_PER_S / sample_rate
    x = (samples - samples[0]).astype(np.float64)
    _check_rate(x, (stamps - stamps[0]) - x * nominal, nominal, sample_rate)


def _check_rate(x: NDArray[np.float64], y: NDArray[np.float64], nominal: float, sample_rate: int) -> None:
    """Refuse a stream whose stamps run at another rate than it claims (Theil's slope, coarse)."""
    half = x.size // 2
    if half < 10:
        return
    run = x[half : 2 * half] - x[:half]
    slopes = (y[half : 2 * half] - y[:half]) / np.where(run > 0, run, np.nan)
    deviation = float(np.nanmedian(slopes)) / nominal
    # Jitter of a few chunks must not look like a wrong rate in a stream of a second.
    noise = 1.4826 * float(np.nanmedian(np.abs(slopes - np.nanmedian(slopes)))) / nominal / np.sqrt(half)
    # Samples lost at one moment, uncounted, move the stamps there only: a wrong rate shows in both halves.
    steady = all(
        _slope(x[part], y[part]) / nominal * np.sign(deviation) > MAX_DEVIATION / 2 for part in _halves(half)
    )
    if abs(deviation) > MAX_DEVIATION + 5.0 * noise and steady:
        actual = sample_rate / (1.0 + deviation)
        raise ClockError(
            f"sample_rate is {sample_rate} Hz, but the stamps say {actual:.0f} Hz: "
            "set the driver's sample_rate to what the microphone delivers"
        )


def _halves(half: int) -> tuple[slice, slice]:
    return slice(0, half), slice(half, 2 * half)


def _slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Theil's, of pairs that are half the stretch apart."""
    half = x.size // 2
    run = x[half : 2 * half] - x[:half]
    return float(np.nanmedian((y[half : 2 * half] - y[:half]) / np.where(run > 0, run, np.nan)))
