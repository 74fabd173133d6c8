"""The way of sound to the microphone: a room impulse response drawn at random.

A direct path, sparse early reflections, and a diffuse tail of noise that decays exponentially, faster at high
frequencies (J. A. Moorer, About this reverberation business, Computer Music Journal 3(2), 1979).
"""

from __future__ import annotations

import math

import numpy as np

from foley_sim.hearing import kernels
from foley_sim.hearing.backgrounds import Noise
from foley_sim.hearing.bodies import Array, log_uniform
from foley_sim.hearing.vocabulary import RATE

_LONGEST_S = 0.9
_DRY = 0.45
"""Share of recordings from so near, or from so dead a room, that it is not heard."""


def draw_room(noise: Noise, rng: np.random.Generator) -> Array | None:
    """Impulse response, the direct sound first and of gain 1; None where no room is heard."""
    if rng.random() < _DRY:
        return None
    rt60 = 0.05 * 40 ** (rng.random() ** 1.3)  # up to 2 s, most of them short
    count = int(min(1.2 * rt60, _LONGEST_S) * RATE)
    time = np.arange(count, dtype=np.float32) / RATE
    dark = noise.slice(count, rng).copy()
    kernels.smooth(dark, math.exp(-2 * math.pi * log_uniform(rng, 500, 4000) / RATE))
    bright = noise.slice(count, rng) - dark
    damp = rng.uniform(1.0, 3.0)
    tail = dark * np.exp(-6.9 / rt60 * time) + bright * np.exp(-6.9 * damp / rt60 * time)
    grows = log_uniform(rng, 0.001, 0.03)  # the tail gathers only after the first reflections
    tail *= 1 - np.exp(-time / grows)
    ratio = 10 ** (
        (rng.uniform(-6, 8) if rng.random() < 0.2 else rng.uniform(5, 35)) / 20
    )  # direct to reverberant
    out = tail / np.float32(ratio * math.sqrt(float(np.dot(tail, tail))) + 1e-9)
    early = int(rng.integers(0, 14))
    if early:
        places = (rng.uniform(0.0008, 0.05, early) * RATE).astype(int)
        places = places[places < count]
        gains = rng.uniform(-0.5, 0.9, places.size) * rng.uniform(0.1, 0.8) / (1 + places / (0.01 * RATE))
        out[places] += gains.astype(np.float32)
    out[0] += 1.0
    return np.asarray(out, dtype=np.float32)
