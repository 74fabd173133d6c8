"""Sounds of no contact, made from seeds: a model of what touched things are made of must not answer them.

None is a recording, and none is made as a training set makes its own: speech-like is a glottal source through moving
formants (Klatt, JASA 67, 1980) with syllables and fricatives, music-like are chords of decaying harmonics.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from foley_synthesis.evaluation.hearing.sounds import Sound

RATE = 24_000
LENGTH_S = 1.5
_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))
"""First three formants [Hz] of male speakers (Peterson and Barney, JASA 24, 1952)."""

Array = NDArray[np.float64]
Rng = np.random.Generator


def made_sounds(count: int, seed: int) -> list[Sound]:
    """So many of each kind; `label` is the kind."""
    found = []
    for number, (kind, make) in enumerate(KINDS.items()):
        for k in range(count):
            rng = np.random.default_rng([seed, number, k])
            wave = make(rng)
            level = 10.0 ** (rng.uniform(-30.0, -3.0) / 20.0)
            if kind != "hiss":
                wave = wave / max(float(np.abs(wave).max()), 1e-9) * level
                wave += 10.0 ** (rng.uniform(-80.0, -55.0) / 20.0) * rng.standard_normal(len(wave))
            samples = np.asarray(np.clip(wave, -1.0, 1.0), np.float32)
            found.append(Sound(f"{kind}-{k}", samples, RATE, kind, f"{kind}-{k}", kind))
    return found


def _times() -> Array:
    return np.arange(round(LENGTH_S * RATE)) / RATE


def _speech(rng: Rng) -> Array:
    t = _times()
    pitch = rng.uniform(85.0, 240.0) * (
        1.0 + 0.15 * np.sin(2 * np.pi * rng.uniform(0.5, 2.0) * t + rng.uniform(0, 6))
    )
    phase = np.cumsum(pitch) / RATE
    glottal = np.diff(np.floor(phase), prepend=0.0) + 0.02 * rng.standard_normal(len(t))
    source = scipy.signal.lfilter([1.0], [1.0, -0.97], glottal)
    wave, at = np.zeros(len(t)), 0
    while at < len(t):
        length = round(rng.uniform(0.09, 0.28) * RATE)
        piece = slice(at, min(at + length, len(t)))
        n = piece.stop - piece.start
        if rng.random() < 0.25:  # a fricative
            low = rng.uniform(2500.0, 5000.0)
            b, a = scipy.signal.butter(2, [low, min(low * 2.0, 11_000.0)], "bandpass", fs=RATE)
            voiced = 0.15 * scipy.signal.lfilter(b, a, rng.standard_normal(n))
        else:
            voiced = np.zeros(n)
            for gain, centre in zip((1.0, 0.6, 0.3), _VOWELS[rng.integers(len(_VOWELS))], strict=True):
                b, a = scipy.signal.iirpeak(centre * rng.uniform(0.9, 1.15), 8.0, fs=RATE)
                voiced += gain * scipy.signal.lfilter(b, a, source[piece])
        wave[piece] += voiced * np.hanning(n + 2)[1:-1] ** 0.5 * rng.uniform(0.4, 1.0)
        at += length + (round(rng.uniform(0.03, 0.15) * RATE) if rng.random() < 0.2 else 0)
    return wave


def _music(rng: Rng) -> Array:
    t = _times()
    wave, at = np.zeros(len(t)), 0.0
    root = 110.0 * 2.0 ** (rng.integers(0, 24) / 12.0)
    beat = rng.uniform(0.15, 0.45)
    while at < LENGTH_S:
        since = t - at
        rise, decay = rng.uniform(0.005, 0.08), rng.uniform(0.2, 1.2)
        envelope = np.where(
            since >= 0, np.minimum(since / rise, 1.0) * np.exp(-np.maximum(since, 0) / decay), 0.0
        )
        for step in rng.choice([0, 3, 4, 7, 9, 12, 16], size=rng.integers(1, 4), replace=False):
            f = root * 2.0 ** (step / 12.0)
            for harmonic in range(1, 1 + min(8, int(RATE / 2.2 / f))):
                falling = harmonic ** -rng.uniform(1.0, 1.8)
                wave += falling * envelope * np.sin(2 * np.pi * f * harmonic * since)
        at += beat * rng.choice([0.5, 1.0, 1.0, 2.0])
    return wave


def _tone(rng: Rng) -> Array:
    t = _times()
    f = np.exp(rng.uniform(np.log(80.0), np.log(9000.0)))
    wave: Array = np.sin(2 * np.pi * f * t)
    if rng.random() < 0.5:  # it begins, and stays
        wave *= t > rng.uniform(0.1, 0.5)
    return wave


def _sweep(rng: Rng) -> Array:
    t = _times()
    ends = np.exp(rng.uniform(np.log(80.0), np.log(10_000.0), 2))
    return np.asarray(scipy.signal.chirp(t, ends[0], LENGTH_S, ends[1], method="logarithmic"))


def _hum(rng: Rng) -> Array:
    t = _times()
    mains = rng.choice([50.0, 60.0]) * rng.uniform(0.995, 1.005)
    wave = np.zeros(len(t))
    for k in range(1, rng.integers(4, 20)):
        wave += rng.uniform(0.1, 1.0) / k * np.sin(2 * np.pi * mains * k * t + rng.uniform(0, 6))
    return wave


def _fan(rng: Rng) -> Array:
    t = _times()
    noise = scipy.signal.lfilter([1.0], [1.0, -rng.uniform(0.7, 0.98)], rng.standard_normal(len(t)))
    blades = rng.uniform(60.0, 400.0)
    tones = sum(np.sin(2 * np.pi * blades * k * t + rng.uniform(0, 6)) / k for k in (1, 2, 3))
    slow = 1.0 + 0.3 * np.sin(2 * np.pi * rng.uniform(0.5, 6.0) * t)
    return np.asarray((noise / noise.std() + rng.uniform(0.0, 0.6) * tones) * slow)


def _hiss(rng: Rng) -> Array:
    noise = rng.standard_normal(len(_times()))
    return np.asarray(noise * 10.0 ** (rng.uniform(-75.0, -45.0) / 20.0))


KINDS: dict[str, Callable[[Rng], Array]] = {
    "speech-like": _speech, "music-like": _music, "tone": _tone, "sweep": _sweep, "hum": _hum, "fan": _fan,
    "hiss": _hiss,
}  # fmt: skip
"""What makes each kind."""
