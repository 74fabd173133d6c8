"""What keeps a model from hearing anything in samples, before any model looks at them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SILENCE_DBFS = -80.0  # peak below which a recording holds nothing
CLIPPED_SHARE = 0.002  # of the samples at full scale, above which the spectrum is not to be trusted
LEAST_RISE_DB = 4.0  # of the contact above what was heard just before it
_FULL_SCALE = 0.999


def check_samples(samples: NDArray[np.float32], sample_rate: int) -> None:
    """Raises ValueError: samples are not one-dimensional or not finite, or the rate is not positive."""
    if samples.ndim != 1:
        raise ValueError(f"samples have shape {samples.shape}, must be one channel [n]")
    if sample_rate <= 0:
        raise ValueError(f"sample_rate is {sample_rate}, must be positive")
    if not np.isfinite(samples).all():
        raise ValueError("samples hold NaN or infinity")


def silence(samples: NDArray[np.float32]) -> str:
    """Why nothing is to be heard; empty where something may be."""
    peak = float(np.abs(samples).max(initial=0.0))
    quiet = 20.0 * math.log10(max(peak, 1e-12)) < SILENCE_DBFS
    return f"silence: the peak is below {SILENCE_DBFS:.0f} dBFS" if quiet else ""


def clipping(samples: NDArray[np.float32]) -> str:
    """Why the spectrum is not to be trusted; empty where it is."""
    share = float((np.abs(samples) >= _FULL_SCALE).mean()) if len(samples) else 0.0
    return f"clipped: {100 * share:.1f} % of the samples are at full scale" if share > CLIPPED_SHARE else ""


def rise_db(samples: NDArray[np.float32], rate: int, onset_s: float, before_s: float = 0.25) -> float:
    """Loudest 20 ms of half a second from the onset on, over what was heard before it; large where nothing was."""
    onset = round(onset_s * rate)
    before = samples[max(onset - round(before_s * rate), 0) : max(onset - rate // 100, 0)]
    before = before[before != 0.0]  # digital silence is no background
    after = samples[max(onset - rate // 200, 0) : max(onset + rate // 2, 0)]
    hop = rate // 50
    levels = np.square(after[: len(after) // hop * hop]).reshape(-1, hop).mean(axis=1)
    floor = float(np.square(before).mean()) if len(before) > hop else 0.0
    return 10.0 * math.log10(max(float(levels.max(initial=0.0)), 1e-20) / max(floor, 1e-14))


def lost_in_background(samples: NDArray[np.float32], rate: int, onset_s: float) -> str:
    """Why there is no contact to be heard; empty where one stands out."""
    rise = rise_db(samples, rate, onset_s)
    return (
        f"no contact stands out: {rise:.1f} dB above what was heard before it" if rise < LEAST_RISE_DB else ""
    )
