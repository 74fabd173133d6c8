"""What is heard besides contacts: voices, music, machines, weather. Also the clips in which nothing is touched.

Voices and music are likenesses, not recordings: glottal pulses through moving formants with the rhythm of syllables,
and harmonic tones that are held or decay.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy.fft

from foley_sim.hearing import kernels
from foley_sim.hearing.bodies import Array, log_uniform
from foley_sim.hearing.vocabulary import RATE, SAMPLES

_TIME = np.arange(SAMPLES, dtype=np.float32) / RATE
_BIN_HZ = np.maximum(np.fft.rfftfreq(SAMPLES, 1 / RATE), 20.0)
_GRID_HZ = np.geomspace(20.0, RATE / 2, 256)


class Noise:
    """A stock of white noise of unit variance; a slice from a random place is as good as a new one, and cheaper."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._stock = rng.standard_normal(1 << 19, dtype=np.float32)

    def slice(self, count: int, rng: np.random.Generator) -> Array:
        """White noise [count]."""
        first = int(rng.integers(self._stock.size - count))
        return self._stock[first : first + count]


def unit(x: Array) -> Array:
    """Scaled to an RMS of 1; silence stays."""
    size = math.sqrt(float(np.dot(x, x)) / x.size)
    return np.asarray(x / np.float32(size) if size > 1e-12 else x, dtype=np.float32)


def coloured(
    noise: Noise, rng: np.random.Generator, slope: float, low: float = 0.0, high: float = RATE
) -> Array:
    """Noise of power f^-slope between two frequencies, with some broad bumps."""
    shape = _GRID_HZ ** (-slope / 2)
    for _ in range(int(rng.integers(0, 4))):
        octaves = np.log2(_GRID_HZ / log_uniform(rng, 60, 9000)) / rng.uniform(0.1, 0.8)
        shape = shape * (1 + rng.uniform(-0.7, 3) * np.exp(-(octaves**2)))
    shape = shape / (1 + (low / _GRID_HZ) ** 4) / (1 + (_GRID_HZ / high) ** 4)
    spectrum = scipy.fft.rfft(noise.slice(SAMPLES, rng))
    return unit(scipy.fft.irfft(spectrum * np.interp(_BIN_HZ, _GRID_HZ, shape).astype(np.float32), SAMPLES))


def partials(
    rng: np.random.Generator, hz: Array, gain: Array, rate: Array | None = None, start: int = 0
) -> Array:
    """Sum of tones [SAMPLES] that are held, or decay at `rate` [1/s] from sample `start` on."""
    out = np.zeros(SAMPLES, np.float32)
    hz = np.asarray(hz, np.float32)
    kept = hz < 0.48 * RATE
    omega = 2 * np.pi * hz[kept] / RATE
    fall = np.zeros(omega.size) if rate is None else np.broadcast_to(rate, hz.shape)[kept] / RATE
    phase = rng.uniform(0, 2 * np.pi, omega.size) if rate is None else np.zeros(omega.size)
    kernels.ring(
        omega.astype(np.float32), fall.astype(np.float32), np.asarray(gain, np.float32)[kept],
        phase.astype(np.float32), out[start:],
    )  # fmt: skip
    return out


def slow(rng: np.random.Generator, points: int, low: float, high: float) -> Array:
    """A curve [SAMPLES] through random points."""
    values = rng.uniform(low, high, points)
    return np.interp(_TIME, np.linspace(0, SAMPLES / RATE, points), values).astype(np.float32)


def speech(noise: Noise, rng: np.random.Generator) -> Array:
    pitch = log_uniform(rng, 80, 320) * np.exp(slow(rng, 7, -0.2, 0.2))
    turns = np.cumsum(pitch / RATE)
    glottal = np.diff(np.floor(turns), prepend=0).astype(np.float32)
    kernels.smooth(glottal, math.exp(-2 * math.pi * rng.uniform(300, 1500) / RATE))
    hiss = noise.slice(SAMPLES, rng) * 0.02
    rhythm = rng.uniform(2.5, 7)
    voiced = (
        np.clip(np.sin(2 * np.pi * (rhythm * _TIME + rng.random())) + slow(rng, 9, -0.4, 0.9), 0, 1) ** 0.7
    )
    source = (glottal * voiced * 6 + hiss * np.clip(slow(rng, 15, -1, 1.5), 0, 1) * 8).astype(np.float32)
    points = int(rhythm * 1.2 * 2) + 2
    size = rng.uniform(0.85, 1.25)
    bands = ((250, 850), (800, 2400), (2200, 3200), (3300, 4400))
    centres = np.stack([rng.uniform(low, high, points) * size for low, high in bands]).astype(np.float32)
    out = np.zeros(SAMPLES, np.float32)
    kernels.formants(source, centres, np.array([70, 100, 150, 250], np.float32), float(RATE), out)
    return unit(out)


def music(noise: Noise, rng: np.random.Generator) -> Array:
    root = log_uniform(rng, 50, 500)
    chord = rng.choice(np.array([0, 3, 4, 5, 7, 9, 10, 12, 16, 19]), int(rng.integers(1, 5)), replace=False)
    held = rng.random() < 0.4
    out = np.zeros(SAMPLES, np.float32)
    at = int(rng.uniform(0, 0.3) * RATE) if not held else 0
    step = int(log_uniform(rng, 0.1, 0.7) * RATE)
    tilt = rng.uniform(0.5, 2.5)
    n = np.arange(1, int(rng.integers(4, 16)))
    while at < SAMPLES - 100:
        for semitone in chord:
            hz = root * 2 ** (semitone / 12) * n * np.sqrt(1 + rng.uniform(0, 4e-4) * n * n)
            gain = n**-tilt * np.exp(rng.normal(0, 0.4, n.size))
            out += partials(rng, hz, gain, None if held else rng.uniform(1, 8) * (1 + 0.3 * n), at)
        if held:
            out *= 1 + rng.uniform(0, 0.5) * np.sin(2 * np.pi * rng.uniform(3, 7) * _TIME)
            break
        at += step
        root *= 2 ** (int(rng.integers(-5, 6)) / 12)
        root = min(max(root, 40.0), 900.0)
    if rng.random() < 0.3:
        out = unit(out) + 0.1 * coloured(noise, rng, 1.0)
    return unit(out.astype(np.float32))


def tone(noise: Noise, rng: np.random.Generator) -> Array:
    count = int(rng.integers(1, 5))
    x = partials(
        rng, np.array([log_uniform(rng, 60, 9000) for _ in range(count)]), rng.uniform(0.2, 1, count)
    )
    if rng.random() < 0.3:
        x = np.sign(x) * np.abs(x) ** rng.uniform(0.1, 1)
    first, last = sorted(int(v) for v in rng.integers(0, SAMPLES, 2))
    if rng.random() < 0.6 and last - first > 2000:  # a beep
        gate = np.zeros(SAMPLES, np.float32)
        gate[first:last] = 1
        kernels.smooth(gate, math.exp(-1 / (RATE * log_uniform(rng, 2e-4, 0.05))))
        x = x * gate
    return unit(x.astype(np.float32))


def sweep(noise: Noise, rng: np.random.Generator) -> Array:
    low, high = log_uniform(rng, 50, 1000), log_uniform(rng, 1000, 11000)
    ends = (low, high) if rng.random() < 0.5 else (high, low)
    rounds = log_uniform(rng, 1, 8)
    place = (_TIME * RATE / SAMPLES * rounds) % 1.0
    hz = ends[0] * (ends[1] / ends[0]) ** place
    return unit(np.sin(2 * np.pi * np.cumsum(hz) / RATE).astype(np.float32))


def hum(noise: Noise, rng: np.random.Generator) -> Array:
    n = np.arange(1, int(rng.integers(3, 25)))
    base = float(rng.choice([50, 60])) * (1 + rng.normal(0, 0.002))
    gain = (
        n ** -rng.uniform(0.3, 2.0)
        * np.exp(rng.normal(0, 0.8, n.size))
        * np.where(n % 2, 1, rng.uniform(0.1, 2))
    )
    return unit(partials(rng, base * n, gain))


def motor(noise: Noise, rng: np.random.Generator) -> Array:
    """Fans and drives: harmonics of a wandering speed in broadband noise."""
    n = np.arange(1, int(rng.integers(4, 20)))
    base = log_uniform(rng, 20, 400)
    gain = n ** -rng.uniform(0.2, 1.5) * np.exp(rng.normal(0, 0.9, n.size))
    tones = unit(partials(rng, base * n * (1 + rng.normal(0, 0.0005, n.size)), gain))
    flutter = 1 + rng.uniform(0, 0.4) * np.sin(2 * np.pi * rng.uniform(3, 40) * _TIME + rng.uniform(0, 6))
    rush = coloured(noise, rng, rng.uniform(0.3, 2.0), high=log_uniform(rng, 500, 12000))
    return unit((tones * flutter * rng.uniform(0, 1) + rush * rng.uniform(0.2, 1)).astype(np.float32))


def steady(noise: Noise, rng: np.random.Generator) -> Array:
    low = log_uniform(rng, 20, 1000) if rng.random() < 0.4 else 0.0
    high = log_uniform(rng, 1500, 12000) if rng.random() < 0.5 else RATE
    return coloured(noise, rng, rng.uniform(-0.5, 2.5), low, high)


def wind(noise: Noise, rng: np.random.Generator) -> Array:
    gusts = np.clip(slow(rng, int(rng.integers(3, 12)), 0.1, 1.0), 0.05, 1) ** 2
    whistle = coloured(
        noise, rng, 0.0, log_uniform(rng, 200, 800), log_uniform(rng, 900, 2500)
    ) * rng.uniform(0, 0.3)
    return unit(
        gusts * (coloured(noise, rng, rng.uniform(1.5, 3), high=log_uniform(rng, 200, 2000)) + whistle)
    )


def water(noise: Noise, rng: np.random.Generator) -> Array:
    """Bubbles: rising short tones (Minnaert), over a rush."""
    count = int(log_uniform(rng, 8, 300))
    hz = np.array(300.0 * 2 ** rng.normal(1.5, 1.0, count))
    out = np.zeros(SAMPLES, np.float32)
    kernels.add_grains(
        rng.uniform(0, SAMPLES, count).astype(np.float32), rng.exponential(1, count).astype(np.float32),
        (2 * np.pi * np.clip(hz, 200, 9000) / RATE).astype(np.float32),
        (rng.uniform(0.02, 0.13, count) * hz / RATE).astype(np.float32), out,
    )  # fmt: skip
    return unit(unit(out) + rng.uniform(0, 0.7) * coloured(noise, rng, rng.uniform(0, 1.5), 200))


def birds(noise: Noise, rng: np.random.Generator) -> Array:
    out = np.zeros(SAMPLES, np.float32)
    for _ in range(int(rng.integers(1, 8))):
        length = int(log_uniform(rng, 0.02, 0.25) * RATE)
        first = int(rng.integers(0, SAMPLES - length))
        bend = np.linspace(-1, 1, length)
        hz = log_uniform(rng, 1500, 7000) * np.exp(rng.normal(0, 0.25) * bend + rng.normal(0, 0.2) * bend**2)
        hz = hz * (
            1 + rng.uniform(0, 0.1) * np.sin(2 * np.pi * rng.uniform(10, 80) * np.arange(length) / RATE)
        )
        out[first : first + length] += (np.hanning(length) * np.sin(2 * np.pi * np.cumsum(hz) / RATE)).astype(
            np.float32
        )
    return unit(out + 0.01 * noise.slice(SAMPLES, rng))


def clicks(noise: Noise, rng: np.random.Generator) -> Array:
    """Of electricity and data: single samples, steps, dropouts; nothing solid gives these."""
    out = 0.003 * log_uniform(rng, 0.1, 10) * noise.slice(SAMPLES, rng)
    out = out.copy()
    count = int(log_uniform(rng, 1, 40))
    places = rng.integers(0, SAMPLES - 64, count)
    for place in places:
        out[place : place + int(rng.integers(1, 4 if rng.random() < 0.7 else 60))] += rng.normal()
    return unit(out)


def silence(noise: Noise, rng: np.random.Generator) -> Array:
    return coloured(noise, rng, rng.uniform(0, 1.5))


Maker = Callable[[Noise, np.random.Generator], Array]

MAKERS: dict[str, Maker] = {
    "speech": speech, "music": music, "tone": tone, "sweep": sweep, "hum": hum, "noise": steady, "silence": silence,
    "wind": wind, "water": water, "birds": birds, "clicks": clicks,
}  # fmt: skip
"""Of every kind but a contact: makes [SAMPLES] of unit RMS."""

BEHIND: tuple[tuple[Maker, float], ...] = (
    (steady, 0.40), (motor, 0.25), (speech, 0.12), (music, 0.08), (hum, 0.10), (wind, 0.05),
)  # fmt: skip
"""What is heard behind contacts, and how often."""


def behind(noise: Noise, rng: np.random.Generator) -> Array:
    """A background [SAMPLES] of unit RMS, often of two things."""
    chances = np.array([chance for _, chance in BEHIND])
    first, second = (BEHIND[int(i)][0] for i in rng.choice(len(BEHIND), 2, p=chances))
    out = first(noise, rng)
    return unit(out + log_uniform(rng, 0.05, 1.0) * second(noise, rng)) if rng.random() < 0.25 else out
