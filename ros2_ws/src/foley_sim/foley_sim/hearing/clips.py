"""One recording: a contact on a body, in a room, before a background, as a microphone gives it; or no contact."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from foley_sim.hearing import kernels
from foley_sim.hearing.backgrounds import MAKERS, Noise, behind
from foley_sim.hearing.bodies import Array, Body, draw_body, log_uniform
from foley_sim.hearing.contacts import (
    STRIKER,
    choose_action,
    choose_striker,
    choose_support,
    contact_force,
    support_rate,
)
from foley_sim.hearing.microphones import FFT, Complex, draw_microphone, store
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
    return Clip(
        audio, math.nan, KINDS.index(kind), -1, *[math.nan] * 4, -1, -1, -1, MICROPHONES.index(microphone.kind), -1,
        microphone.bandwidth_hz, math.nan,
    )  # fmt: skip


def contact(body: Body, noise: Noise, rng: np.random.Generator, action: str = "") -> Clip:
    """A contact on a body, everything else drawn at random."""
    action = action or choose_action(body, rng)
    striker, support = choose_striker(action, rng), choose_support(body, action, rng)
    onset = int((ONSET_S + rng.uniform(-0.03, 0.03)) * RATE)
    microphone = draw_microphone(rng)
    response = microphone.response
    spectrum = _source(body, action, striker, support, onset, noise, rng)
    room = None if microphone.kind == "contact" else draw_room(noise, rng)
    if room is not None:
        spectrum = spectrum * scipy.fft.rfft(room, FFT)
    x = scipy.fft.irfft(spectrum * response, FFT)[:SAMPLES]
    background = behind(noise, rng)
    n = scipy.fft.irfft(scipy.fft.rfft(background, FFT) * response, FFT)[:SAMPLES]
    x, n, snr_db = _mix(x, n, rng)
    hiss = noise.slice(SAMPLES, rng) * np.float32(float(np.abs(x).max()) * 10 ** (-rng.uniform(45, 95) / 20))
    audio = store((x + n + hiss).astype(np.float32), microphone.kind, onset, True, rng)
    m = body.material
    return Clip(
        audio, onset / RATE, 0, MATERIALS.index(m.name), math.log10(m.youngs_modulus), math.log10(m.density),
        m.roughness, body.hollowness, ACTIONS.index(action), STRIKERS.index(striker), SUPPORTS.index(support),
        MICROPHONES.index(microphone.kind), body.object_id, microphone.bandwidth_hz, snr_db,
    )  # fmt: skip


def _source(
    body: Body, action: str, striker: str, support: str, onset: int, noise: Noise, rng: np.random.Generator
) -> Complex:
    """Spectrum [FFT / 2 + 1] of the dry sound."""
    force = contact_force(body, action, striker, float(onset), noise, rng)
    pitch = (
        math.exp(rng.normal(0, 0.2)) if rng.random() < 0.2 else 1.0
    )  # recordings that play faster or slower
    rate = (body.rate + support_rate(body, support, rng)) * np.float32(pitch)
    base = np.zeros(SAMPLES, np.float32)
    _answer(base, body, action, striker, support, rng)
    total = np.zeros(FFT // 2 + 1, np.complex64)
    click = log_uniform(rng, 0.02, 1.0)
    for pulses in (force.at_body, force.elsewhere):
        if not pulses.any():
            continue
        ir = np.zeros(SAMPLES, np.float32)
        if body.hz.size:
            # Where it is struck: modes with a node there keep still.
            place = np.abs(np.sin(rng.uniform(0, np.pi, body.hz.size))).astype(np.float32)
            kernels.ring(
                body.hz * np.float32(pitch * 2 * np.pi / RATE), rate / RATE, body.level * place,
                rng.uniform(0, 0.5, body.hz.size).astype(np.float32), ir,
            )  # fmt: skip
            _normalise(ir)
        # What is pushed pushes air: sound goes with the change of the force (rigid-body acceleration noise).
        ir[0] += click
        ir[1] -= click * 0.95
        total += scipy.fft.rfft(pulses, FFT) * scipy.fft.rfft(ir + base, FFT)
    grains = force.grains
    if grains.any():
        own = math.sqrt(float(np.vdot(total, total).real)) + 1e-12
        loud = body.shape in ("heap", "loose")
        db = rng.uniform(-5, 25) if loud else rng.uniform(-20, 8)
        g = scipy.fft.rfft(grains, FFT)
        size = math.sqrt(float(np.vdot(g, g).real)) + 1e-12
        total = total / own + g * np.float32(10 ** (db / 20) / size)
    return np.asarray(total, dtype=np.complex64)


def _answer(
    out: Array, body: Body, action: str, striker: str, support: str, rng: np.random.Generator
) -> None:
    """Add the impulse responses of what sounds as well: the striker, the table, something loose."""
    s = STRIKER.get(striker)
    if s is not None and s.hz[1] > 0 and rng.random() < 0.5:
        _ring(out, rng, int(rng.integers(1, 8)), s.hz, s.rate, rng.uniform(-35, -4))
    if support in ("table", "foam", "bedded") and rng.random() < 0.7:
        kind = int(rng.integers(3))  # wood, metal, stone or plastic slab
        hz = ((60, 2500), (80, 6000), (100, 5000))[kind]
        rate = ((60, 500), (15, 250), (100, 900))[kind]
        _ring(out, rng, 24, hz, rate, rng.uniform(-25, 0) - (10 if support == "foam" else 0))
    if body.hz.size == 0 or body.material.youngs_modulus < 1e8:  # matter that gives way: a thump
        _ring(out, rng, 4, (40, 400), (50, 400), rng.uniform(-15, 5))


def _ring(
    out: Array,
    rng: np.random.Generator,
    count: int,
    hz: tuple[float, float],
    rate: tuple[float, float],
    db: float,
) -> None:
    ir = np.zeros(SAMPLES, np.float32)
    f = hz[0] * (hz[1] / hz[0]) ** rng.random(count)
    slow = log_uniform(rng, *rate)
    decay = slow * np.exp(rng.normal(0, 0.4, count)) * (f / 1000) ** rng.uniform(0, 0.8)
    kernels.ring(
        (f * 2 * np.pi / RATE).astype(np.float32), (decay / RATE).astype(np.float32),
        rng.normal(0, 1, count).astype(np.float32), np.zeros(count, np.float32), ir,
    )  # fmt: skip
    _normalise(ir)
    out += ir * np.float32(10 ** (db / 20))


def _normalise(ir: Array) -> None:
    size = math.sqrt(float(np.dot(ir, ir)))
    if size > 0:
        ir /= np.float32(size)


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
        snr_db = rng.uniform(-3, 20) if u < 0.2 else rng.uniform(15, 55) if u < 0.85 else rng.uniform(50, 70)
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
