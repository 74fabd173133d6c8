"""How things answer a force: the body's modes, what it rests on, what strikes it, and the air that is pushed.

Everything is balanced as it is heard at the blow: levels in dB are of the first 8 ms, after the pulse of force has
taken its share of the high modes. What rings on has more energy in all, as it should.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import scipy.fft

from foley_sim.hearing import kernels
from foley_sim.hearing.backgrounds import Noise
from foley_sim.hearing.bodies import Array, Body, log_uniform
from foley_sim.hearing.contacts import STRIKER, contact_force, support_rate
from foley_sim.hearing.microphones import FFT, Complex
from foley_sim.hearing.vocabulary import RATE, SAMPLES

_ATTACK_S = 0.008
_CLICK_FALL_DB = 3.0  # for every doubling of the contact, as what is pushed is less suddenly
_TABLE = (((60, 2500), (60, 500)), ((80, 6000), (15, 250)), ((100, 5000), (100, 900)))
"""Modes [Hz] and decay rates [1/s] of wooden, metal and stone tables and floors."""


@dataclasses.dataclass(frozen=True)
class Modes:
    """A bank of m modes."""

    hz: Array
    rate: Array  # amplitude decay [1/s]
    gain: Array

    def scaled(self, db: float, width_s: float) -> Modes:
        """With this level at a blow that lasts `width_s`."""
        # A half wave of force has lost half its spectrum at about 0.8 / width.
        heard = self.gain / (1 + (1.3 * self.hz * width_s) ** 2) + 0.02 * self.gain
        span = 2 * self.rate * _ATTACK_S + 1e-3
        energy = float(np.sum(heard**2 * (1 - np.exp(-span)) / span)) * _ATTACK_S * RATE / 2
        return dataclasses.replace(
            self, gain=self.gain * np.float32(10 ** (db / 20) / math.sqrt(energy + 1e-20))
        )

    def ring(self, out: Array, pitch: float, rng: np.random.Generator) -> None:
        """Add the impulse response."""
        kernels.ring(
            (self.hz * (pitch * 2 * np.pi / RATE)).astype(np.float32), (self.rate * (pitch / RATE)).astype(np.float32),
            self.gain.astype(np.float32), rng.uniform(0, 0.5, self.hz.size).astype(np.float32), out,
        )  # fmt: skip


def dry_sound(
    body: Body, action: str, striker: str, support: str, onset: int, noise: Noise, rng: np.random.Generator
) -> Complex:
    """Spectrum [FFT / 2 + 1] of one contact that begins at sample `onset`, without room or microphone."""
    force = contact_force(body, action, striker, float(onset), noise, rng)
    # Some recordings play faster or slower than what they are of.
    pitch = math.exp(rng.normal(0, 0.2)) if rng.random() < 0.2 else 1.0
    rate = body.rate + support_rate(body, support, rng)
    others = np.zeros(SAMPLES, np.float32)
    for modes in _others(body, action, striker, support, rng):
        modes[0].scaled(modes[1], force.width_s).ring(others, pitch, rng)
    # What is pushed pushes air: sound goes with the change of the force (rigid-body acceleration noise).
    samples = max(force.width_s * RATE, 2.0)
    click = 10 ** ((rng.uniform(-32, -2) - _CLICK_FALL_DB * math.log2(samples / 2)) / 20) / math.sqrt(
        17 / samples**3
    )
    total = np.zeros(FFT // 2 + 1, np.complex64)
    for pulses in (force.at_body, force.elsewhere):
        if not pulses.any():
            continue
        response = others.copy()
        if body.hz.size:
            # Where it is struck: modes with a node there keep still.
            place = np.abs(np.sin(rng.uniform(0, np.pi, body.hz.size)))
            Modes(body.hz, rate, body.level * place).scaled(0.0, force.width_s).ring(response, pitch, rng)
        response[0] += click
        response[1] -= click * 0.95
        total += scipy.fft.rfft(pulses, FFT) * scipy.fft.rfft(response, FFT)
    if force.grains.any():
        own = math.sqrt(float(np.vdot(total, total).real)) + 1e-12
        db = rng.uniform(-5, 25) if body.shape in ("heap", "loose") else rng.uniform(-20, 8)
        grains = scipy.fft.rfft(force.grains, FFT)
        size = math.sqrt(float(np.vdot(grains, grains).real)) + 1e-12
        total = total / own + grains * np.float32(10 ** (db / 20) / size)
    return np.asarray(total, dtype=np.complex64)


def _others(
    body: Body, action: str, striker: str, support: str, rng: np.random.Generator
) -> list[tuple[Modes, float]]:
    """What sounds as well, and how loud beside the body [dB]."""
    found = []
    s = STRIKER.get(striker)
    if s is not None and s.hz[1] > 0 and rng.random() < 0.35:
        found.append((_any_modes(rng, int(rng.integers(1, 8)), s.hz, s.rate), rng.uniform(-40, -8)))
    if support in ("table", "foam", "bedded") and rng.random() < 0.6:
        hz, rate = _TABLE[int(rng.integers(len(_TABLE)))]
        found.append((_any_modes(rng, 24, hz, rate), rng.uniform(-35, -4) - (10 if support == "foam" else 0)))
    if action == "footstep" and rng.random() < 0.5:  # the weight of a person on the ground
        found.append((_any_modes(rng, 3, (22, 120), (15, 80)), rng.uniform(-20, 10)))
    if body.material.youngs_modulus < 1e8:  # matter that gives way: a thump
        found.append((_any_modes(rng, 4, (40, 400), (50, 400)), rng.uniform(-15, 5)))
    return found


def _any_modes(
    rng: np.random.Generator, count: int, hz: tuple[float, float], rate: tuple[float, float]
) -> Modes:
    f = hz[0] * (hz[1] / hz[0]) ** rng.random(count)
    decay = log_uniform(rng, *rate) * np.exp(rng.normal(0, 0.4, count)) * (f / 1000) ** rng.uniform(0, 0.8)
    return Modes(f, decay, rng.normal(0, 1, count))
