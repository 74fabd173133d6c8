"""Loose and fibrous matter: band-passed noise under a crowd of gamma-shaped bursts, set off by the work done on it."""

from __future__ import annotations

import math

import numpy as np
from scipy import signal

from foley_sim.judge.substances import Array
from foley_sim.spec import MaterialSample

_MOST = 60


class Bursts:
    """Pressure at 1 m of what an event's work [J] sets loose."""

    def __init__(self, material: MaterialSample, rate: int, seed: list[int]) -> None:
        self._material, self._rate = material, rate
        self._rng = np.random.default_rng(seed)
        half = 2 ** (material.grain_spread / 2)
        band = (material.grain_hz / half, min(material.grain_hz * half, 0.45 * rate))
        self._filter = signal.butter(1, band, "bandpass", fs=rate, output="sos")

    def pressure(self, work: float, count: int) -> Array:
        """[n] samples from the start of an event that lasts `count` samples; empty when nothing comes loose."""
        m, rng = self._material, self._rng
        bursts = min(int(rng.poisson(min(m.grain_rate * work, 1e4))), _MOST)
        if bursts == 0:
            return np.zeros(0)
        decay = m.grain_decay_s * self._rate
        length = count + math.ceil(8 * decay)
        envelope = np.zeros(length)
        t = np.arange(length)
        for begin in rng.uniform(0, count, bursts):
            since = np.maximum(t - begin, 0.0) / (decay * rng.gamma(3.0, 1 / 3))
            envelope += since * np.exp(1 - since) * rng.gamma(0.8)
        noise = np.asarray(signal.sosfilt(self._filter, rng.standard_normal(length)))
        return np.asarray(0.4 * m.grain_level * math.sqrt(work / bursts) * envelope * noise)
