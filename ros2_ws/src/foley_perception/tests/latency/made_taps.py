"""Made signals of taps: what each sensor tells of contacts at known times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TAPS_S = np.array([1.0, 2.31, 3.17, 4.62, 5.55, 6.97, 8.13])
SPEED = 0.2  # [m/s] of the tip before it stops


def path(times_s: Array, contacts_s: Array = TAPS_S, speed: float = SPEED) -> Array:
    """[n, 3]: down at a steady speed for 0.3 s, at rest for 60 ms, up again within 0.25 s."""
    top = 0.3 * speed
    height = np.full(len(times_s), top)
    for c in contacts_s:
        u = times_s - c
        down = (u >= -0.5) & (u < 0)
        height[down] = np.minimum(-u[down] * speed, top)
        height[(u >= 0) & (u < 0.06)] = 0.0
        up = (u >= 0.06) & (u < 0.31)
        height[up] = top * (1 - np.cos(np.pi * (u[up] - 0.06) / 0.25)) / 2
    return np.stack([np.full(len(times_s), 0.4), np.zeros(len(times_s)), height], axis=1)


def force(times_s: Array, rng: np.random.Generator, contacts_s: Array = TAPS_S, size: float = 3.0) -> Array:
    """[n, 3]: -9.8 N of the tool, and a push along z for 60 ms at each contact."""
    rows = 0.03 * rng.standard_normal((len(times_s), 3)) - np.array([0.0, 0.0, 9.8])
    for c in contacts_s:
        rows[(times_s >= c) & (times_s < c + 0.06), 2] += size
    return rows


def sound(
    rate: int, seconds: float, rng: np.random.Generator, contacts_s: Array = TAPS_S, size: float = 0.3
) -> NDArray[np.float32]:
    """Clicks in faint noise."""
    samples = 1e-3 * rng.standard_normal(round(rate * seconds))
    t = np.arange(round(0.15 * rate)) / rate
    click = size * np.exp(-50 * t) * np.sin(2 * np.pi * 2100 * t)
    for c in contacts_s:
        at = round(c * rate)
        samples[at : at + len(click)] += click[: len(samples) - at]
    return samples.astype(np.float32)
