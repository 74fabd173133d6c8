"""The contact microphone: a piezo disc on the gripper, which hears the stick itself.

Every force on the head runs up the stick, through the stick's own modes, to the disc. The stick is a round rod clamped
at the gripper and free at the head:
  longitudinal  f_n = (2 n - 1) c / (4 L), c = sqrt(E / rho), driven along the rod,
  bending       f_n = beta_n^2 kappa c / (2 pi L^2), kappa = r / 2, cos(beta) cosh(beta) = -1, driven across it
(N. H. Fletcher, T. D. Rossing, The Physics of Musical Instruments, sections 2.9 to 2.14). The disc resonates on its
glue. No room, no travel: a force at t is heard from t on. The motors stand on the same frame and are loud here.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from foley_sim.sound.kernels import Array
from foley_sim.sound.microphone import FULL_SCALE_PA, Microphone
from foley_sim.sound.resonators import Pulse, Resonators
from foley_sim.spec import ContactMicrophoneSpec, StrikerSpec

_DENSITY = 1400.0  # glass-filled nylon [kg/m^3]
_RADIUS = 0.004  # of the stick [m]
_LOSS = 0.035  # of nylon, clamp and glue together
_CLAMP_DECAY = 25.0  # [1/s]
_BETA = np.array([1.8751, 4.6941, 7.8548, 10.9955, 14.1372, 17.2788])
_LONGITUDINAL = 3
_ACROSS = 0.25  # share of a blow along the stick that bends it, by aim and grip
_DISC_DB, _DISC_Q = 10.0, 3.5
_SENSITIVITY = 0.27 * FULL_SCALE_PA  # output per velocity of the stick [Pa s/m]: a hard tap at 0.8 m/s fits
_DIRECT = 8e-5  # what the disc feels of the push itself, relative to _SENSITIVITY [m/(N s)]
_FRICTION = 0.12  # share of friction's force that runs up the stick; the rest stays in grit and surface


class ContactMicrophone:
    """Samples of the disc on one stick.

    Args:
        spec, striker: what listens, and what it is glued to.
        motor_dbfs: of the motors in the free-field microphone.
        grid: samples between two chances of the stick to come to rest.
    """

    def __init__(
        self,
        spec: ContactMicrophoneSpec,
        striker: StrikerSpec,
        *,
        motor_dbfs: float,
        sample_rate: int,
        grid: int,
        seed: list[int],
    ) -> None:
        hz, self._drive, gain = stick_modes(striker, sample_rate)
        decay = math.pi * hz * _LOSS + _CLAMP_DECAY
        self._stick = Resonators(
            hz, decay, _SENSITIVITY * gain, sample_rate=sample_rate, grid=grid, silence=1e-6 * FULL_SCALE_PA
        )
        self._grid = grid
        self._rate = sample_rate
        self._motor = 10 ** ((motor_dbfs + spec.motor_db) / 20)
        self._microphone = Microphone(
            sample_rate=sample_rate,
            gain_db=spec.gain_db,
            noise_dbfs=spec.noise_dbfs,
            seed=seed,
            response=((min(spec.resonance_hz, 0.45 * sample_rate), _DISC_DB, _DISC_Q),),
            white=True,
        )

    @property
    def limited_samples(self) -> int:
        """Samples that the overload guard had to bend."""
        return self._microphone.limited_samples

    def strike(self, first: int, impulses: Array) -> None:
        """The head feels a force pulse: impulses [n] [N s] per sample from sample `first` on."""
        direct = _SENSITIVITY * _DIRECT * self._rate * impulses
        self._stick.strike(Pulse(first, impulses, direct, self._drive))

    def rub(self, first: int, impulses: Array) -> None:
        """The head feels friction: impulses [n] [N s] per sample from sample `first` on."""
        self.strike(first, _FRICTION * impulses)

    def run(self, start: int, count: int, hum: Array) -> NDArray[np.float32]:
        """Samples [start, start + count) in (-1, 1). hum: of the motors, unit rms at full speed, [count]."""
        out = np.zeros(count)
        at, stop = start, start + count
        while at < stop:
            edge = min((at // self._grid + 1) * self._grid, stop)
            if self._stick.ringing or self._stick.next_drive() < edge:
                self._stick.run(at, out[at - start : edge - start], [])
                if edge % self._grid == 0:
                    self._stick.settle(self._stick.next_drive() < edge)
            at = edge
        return self._microphone.record(out, self._motor * hum)


def stick_modes(striker: StrikerSpec, sample_rate: int) -> tuple[Array, Array, Array]:
    """Of the stick's modes, each [m]: frequency [Hz], velocity per impulse on the head [1/kg], output per velocity."""
    length, c = striker.length, math.sqrt(striker.youngs_modulus / _DENSITY)
    mass = _DENSITY * math.pi * _RADIUS**2 * length + striker.tip_mass
    n = np.arange(1, _LONGITUDINAL + 1)
    along = (2 * n - 1) * c / (4 * length)
    across = _BETA**2 * (_RADIUS / 2) * c / (2 * math.pi * length**2)
    hz = np.concatenate([along, across])
    # A clamped rod's modal mass is half (longitudinal) or a quarter (bending, unit deflection at its end) of its mass.
    drive = np.concatenate([np.full(n.size, 2 / mass), np.full(_BETA.size, 4 * _ACROSS / mass)])
    # The disc near the clamp senses strain, which for equal velocity is the same in every mode; signs alternate.
    gain = np.concatenate([(-1.0) ** (n - 1), 0.6 * (-1.0) ** np.arange(_BETA.size)])
    keep = hz < 0.45 * sample_rate
    return hz[keep], drive[keep], gain[keep]
