"""One recording: a contact on a body, in a room, before a background, as a microphone gives it; or no contact."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from foley_sim.hearing import kernels
from foley_sim.hearing.backgrounds import MAKERS, Noise, behind
from foley_sim.hearing.bodies import Array, Body, draw_body
from foley_sim.hearing.contacts import choose_action, choose_striker, choose_support
from foley_sim.hearing.microphones import FFT, draw_microphone, store
from foley_sim.hearing.responses import dry_sound
from foley_sim.hearing.rooms import draw_room
from foley_sim.hearing.vocabulary import (
    ACTIONS,
    KINDS,
    MICROPHONES,
    ONSET_S,
    RATE,
    SAMPLES,
    STRIKERS,
    SUPPORTS,
)
from foley_sim.materials import MATERIALS

LEAST_SNR_DB = -3.0
"""In its best octave; a contact that is fainter is drawn again."""
_WINDOW = int(0.05 * RATE)
_EDGES_HZ = np.array([90, 180, 355, 710, 1400, 2800, 5600, 12000.0])


@dataclasses.dataclass(frozen=True)
class Clip:
    """One recording and what is true of it, as it stands in a shard."""

    audio: NDArray[np.int16]  # [SAMPLES]
    onset_s: float
    kind: int
    material: int
    log10_e: float
    log10_density: float
    roughness: float
    hollowness: float
    action: int
    striker: int
    support: int
    microphone: int
    object_id: int
    bandwidth_hz: float
    snr_db: float


def no_contact(kind: str, noise: Noise, rng: np.random.Generator) -> Clip:
    """A clip of another kind: -1 and NaN for what it has not."""
    x = MAKERS[kind](noise, rng)
    microphone = draw_microphone(rng)
    spectrum = scipy.fft.rfft(x, FFT)
    room = draw_room(noise, rng)
    if room is not None:
        spectrum *= scipy.fft.rfft(room, FFT)
    y = scipy.fft.irfft(spectrum * microphone.response, FFT)[:SAMPLES]
    y += noise.slice(SAMPLES, rng) * np.float32(_rms(y) * 10 ** (-rng.uniform(15, 70) / 20))
    audio = store(y.astype(np.float32), microphone.kind, 0, False, rng)
    if kind == "silence":
        audio = np.round(audio * 10 ** (-rng.uniform(10, 60) / 20)).astype(np.int16)
    nan = math.nan
    return Clip(
        audio, nan, KINDS.index(kind), -1, nan, nan, nan, nan, -1, -1, -1, MICROPHONES.index(microphone.kind), -1,
        microphone.bandwidth_hz, nan,
    )  # fmt: skip


def contact(body: Body, noise: Noise, rng: np.random.Generator, action: str = "") -> Clip:
    """A contact on a body, everything else drawn at random."""
    action = action or choose_action(body, rng)
    striker, support = choose_striker(action, rng), choose_support(body, action, rng)
    onset = int((ONSET_S + rng.uniform(-0.03, 0.03)) * RATE)
    microphone = draw_microphone(rng)
    response = microphone.response
    spectrum = dry_sound(body, action, striker, support, onset, noise, rng)
    room = None if microphone.kind == "contact" else draw_room(noise, rng)
    if room is not None:
        spectrum = spectrum * scipy.fft.rfft(room, FFT)
    x = scipy.fft.irfft(spectrum * response, FFT)[:SAMPLES]
    background = behind(noise, rng)
    n = scipy.fft.irfft(scipy.fft.rfft(background, FFT) * response, FFT)[:SAMPLES]
    x, n, snr_db = _mix(x, n, rng)
    hiss = noise.slice(SAMPLES, rng) * np.float32(float(np.abs(x).max()) * 10 ** (-rng.uniform(55, 100) / 20))
    audio = store((x + n + hiss).astype(np.float32), microphone.kind, onset, True, rng)
    m = body.material
    return Clip(
        audio, onset / RATE, 0, MATERIALS.index(m.name), math.log10(m.youngs_modulus), math.log10(m.density),
        m.roughness, body.hollowness, ACTIONS.index(action), STRIKERS.index(striker), SUPPORTS.index(support),
        MICROPHONES.index(microphone.kind), body.object_id, microphone.bandwidth_hz, snr_db,
    )  # fmt: skip


def _rms(x: Array) -> float:
    return math.sqrt(float(np.dot(x, x)) / x.size) + 1e-12


def _mix(x: Array, n: Array, rng: np.random.Generator) -> tuple[Array, Array, float]:
    """Contact and background scaled to a drawn ratio of their loudest 50 ms to the background's mean [dB]."""
    energy = np.cumsum(x.astype(np.float64) ** 2)
    window = energy[_WINDOW:] - energy[:-_WINDOW]
    first = int(np.argmax(window))
    loud = math.sqrt(max(float(window[first]), 1e-30) / _WINDOW)
    x, n = x / np.float32(loud), n / np.float32(_rms(n))
    bins = (_EDGES_HZ / RATE * _WINDOW).astype(np.int64)
    theirs = np.zeros(bins.size - 1)
    ours = _octaves(x[first : first + _WINDOW], bins)
    places = range(0, SAMPLES - _WINDOW, SAMPLES // 6)
    for place in places:
        theirs += _octaves(n[place : place + _WINDOW], bins) / len(places)
    best = 10 * math.log10(float(np.max(ours / (theirs + 1e-9))))
    while True:
        u = rng.random()
        snr_db = rng.uniform(-3, 15) if u < 0.08 else rng.uniform(15, 40) if u < 0.4 else rng.uniform(40, 70)
        if best + snr_db >= LEAST_SNR_DB:
            return x, n * np.float32(10 ** (-snr_db / 20)), snr_db


def _octaves(x: Array, bins: NDArray[np.int64]) -> NDArray[np.float64]:
    out = np.zeros(bins.size - 1)
    kernels.octave_energy(scipy.fft.rfft(x).astype(np.complex64), bins, out)
    return out


_MATERIAL_WEIGHTS = {"wood": 1.5, "metal": 1.5, "stone": 1.5, "glass": 1.3, "ceramic": 1.1, "plastic": 1.1}
_KIND_WEIGHTS = {"speech": 2.5, "music": 2.0, "tone": 1.0, "noise": 1.2, "hum": 1.0, "wind": 1.0}
NO_CONTACT = 0.12
"""Share of clips without one."""


def object_clips(object_id: int, noise: Noise, rng: np.random.Generator) -> list[Clip]:
    """One body and some contacts on it; or one clip without any."""
    if rng.random() < NO_CONTACT * 1.8:  # of draws; a body gives two clips on average
        kinds = KINDS[1:]
        weights = np.array([_KIND_WEIGHTS.get(kind, 0.7) for kind in kinds])
        return [no_contact(str(rng.choice(kinds, p=weights / weights.sum())), noise, rng)]
    weights = np.array([_MATERIAL_WEIGHTS.get(name, 0.7) for name in MATERIALS])
    body = draw_body(object_id, str(rng.choice(MATERIALS, p=weights / weights.sum())), rng)
    return [contact(body, noise, rng) for _ in range(int(rng.integers(1, 4)))]
