"""A robot of two joints whose noise is known in closed form: white, with a power of floor + sum of gain * speed^2."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from foley_perception.own_noise.bands import band_edges
from foley_perception.own_noise.learn import Learnt, learn
from foley_perception.own_noise.motion import JointPositions
from foley_perception.own_noise.sweep import HOP_S, Sweep

Array = NDArray[np.float64]

NAMES = ("shoulder", "elbow")


class Made:
    """See above. Sound of 8 kHz, so that there are few bands."""

    rate = 8_000
    floor, gains = 1e-6, (4e-5, 1e-5)  # mean squares at rest, and at 1 rad/s
    names = NAMES

    def speeds(self, t: Array) -> Array:
        """Joints [t, 2] that move in turn and together, up to 2 rad/s."""
        first = 2.0 * np.sin(0.7 * t) * (np.sin(0.23 * t) > -0.5)
        return np.stack([first, 1.5 * np.sin(1.1 * t + 1.0) * (np.sin(0.31 * t) > -0.3)], axis=1)

    def power(self, v: Array) -> Array:
        """Mean squares [t] at speeds [t, 2]."""
        return self.floor + (np.array(self.gains) * v**2).sum(axis=1)

    def positions(self, motion: Callable[[Array], Array], until_s: float) -> JointPositions:
        """What is told of a motion at 250 Hz, from time 0 on."""
        t = np.arange(0.0, until_s, 0.004)
        told, stamps = np.cumsum(motion(t), axis=0) * 0.004, np.round(t * 1e9).astype(np.int64)

        def read(name: str, start: int, end: int) -> tuple[NDArray[np.int64], Array]:
            if name not in NAMES:
                return stamps[:0], t[:0]
            low, high = np.searchsorted(stamps, [start, end + 1])
            return stamps[low:high], told[low:high, NAMES.index(name)]

        return read

    def noise(self, motion: Callable[[Array], Array], seconds: float, seed: int) -> NDArray[np.float32]:
        """Its sound [n]: white."""
        t = np.arange(round(seconds * self.rate)) / self.rate
        white = np.random.default_rng(seed).standard_normal(len(t))
        return np.asarray(np.sqrt(self.power(motion(t))) * white, np.float32)

    def sweep(self, seconds: float = 30.0, seed: int = 0) -> Sweep:
        """Windows whose powers scatter as those of single bins do."""
        t = np.arange(0.0, seconds, HOP_S)
        v, edges = self.speeds(t), band_edges(self.rate)
        scatter = np.random.default_rng(seed).exponential(size=(len(t), len(edges) - 1))
        density = self.power(v)[:, None] / (self.rate / 2) * scatter
        return Sweep(density, v, t, np.zeros(len(t), np.int64), NAMES, edges, self.rate, 0.0, ("made",))


@pytest.fixture(scope="session")
def made() -> Made:
    return Made()


@pytest.fixture(scope="session")
def learnt(made: Made) -> Learnt:
    return learn(made.sweep(), {"microphone": "USB Audio", "robot": "two joints"})
