"""Scratching: a tip drags over a rough profile, and what the profile does to the force drives the modal bank.

After K. van den Doel, P. G. Kry, D. K. Pai, FoleyAutomatic (SIGGRAPH 2001): the profile is noise with a 1/f^b spectrum,
traversed at the slip speed; faster is brighter and louder, rougher is louder and (smaller b) brighter. Every object has
one profile of its own, and consecutive slides continue where the last one left it.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from foley_sim.sound import kernels
from foley_sim.sound.events import Sliding
from foley_sim.sound.kernels import Array
from foley_sim.spec import MaterialSample

PROFILE_POINTS = 1 << 16
POINT_SPACING = 4e-6  # [m]; the profile repeats after a quarter of a metre
SHORTEST_WAVE = 1.2e-5  # what the contact patch of a stiff surface does not smooth away [m]
LONGEST_WAVE = 4e-3  # longer waves are followed by the arm, not heard [m]
SMOOTHING_S = 0.002
_REFERENCE_SPEED = 0.1  # [m/s]
_STIFF = 1e10  # [Pa]; above this it is the striker's tip that yields
_GAIN = 4.0  # set by ear and level: scratches lie 10 to 30 dB below taps


def surface_profile(material: MaterialSample, seed: list[int], head_modulus: float = _STIFF) -> Array:
    """Unit-rms profile [PROFILE_POINTS] with power spectrum 1/f^b, b from 1.6 (polished) to 0.6 (coarse).

    Where surface or head is soft it yields, the contact patch grows, and fine detail is smoothed away (Hertz: patch ~
    modulus^(-1/3)). head_modulus: of what slides [Pa].
    """
    rng = np.random.default_rng(seed)
    wave = np.fft.rfftfreq(PROFILE_POINTS, d=POINT_SPACING)  # [cycles/m]
    amplitude = np.zeros(wave.size)
    softest = min(material.youngs_modulus, head_modulus)
    shortest = SHORTEST_WAVE * max((_STIFF / softest) ** (1 / 3), 1.0)
    band = wave >= 1 / LONGEST_WAVE
    amplitude[band] = wave[band] ** (-(1.6 - material.roughness) / 2) * np.exp(
        -((wave[band] * shortest) ** 2)
    )
    spectrum = amplitude * np.exp(2j * np.pi * rng.random(wave.size))
    profile = np.fft.irfft(spectrum, PROFILE_POINTS)
    return np.asarray(profile / profile.std())


def force_amplitude(event: Sliding, material: MaterialSample) -> float:
    """Rms of the fluctuating normal force [N]: grows with load, friction, roughness and the root of the speed."""
    return float(
        _GAIN
        * event.normal_force
        * (0.2 + 0.8 * material.roughness)
        * (0.5 + material.friction)
        * math.sqrt(event.slip_speed / _REFERENCE_SPEED)
    )


@dataclasses.dataclass
class _Segment:
    first: int
    stop: int
    speed: float
    amplitude: float
    drive: Array  # [m]


class FrictionVoice:
    """All sliding on one object. Where two slides overlap in time the one added last is heard."""

    def __init__(
        self,
        material: MaterialSample,
        seed: list[int],
        sample_rate: int,
        *,
        head_modulus: float = _STIFF,
        strength: float = 1.0,
    ) -> None:
        """head_modulus: of what slides [Pa]. strength: factor on the force that shakes the bank."""
        self._material = material
        self._head_modulus = head_modulus
        self._strength = strength
        self._seed = seed
        self._rate = sample_rate
        self._profile: Array | None = None
        self._state = np.zeros(3)
        self._segments: list[_Segment] = []
        self._last: _Segment | None = None
        self._smoothing = 1.0 - math.exp(-1.0 / (SMOOTHING_S * sample_rate))

    def due(self, stop: int) -> bool:
        """Whether a slide is under way or fading out before sample `stop`."""
        return self.next_start() < stop

    def next_start(self) -> int:
        """First sample that a slide drives: 0 where one is under way, far away if there is none."""
        if self._last is not None:
            return 0
        return min((segment.first for segment in self._segments), default=2**62)

    def add(self, event: Sliding, drive: Array, first: int) -> None:
        """Add a slide whose first audible sample is `first` and that excites the bank by `drive` [m]."""
        stop = math.ceil(event.end_s * self._rate)
        if stop > first:
            amplitude = self._strength * force_amplitude(event, self._material)
            self._segments.append(_Segment(first, stop, event.slip_speed, amplitude, drive))

    def run(self, start: int, count: int) -> list[tuple[Array, Array]]:
        """Excitations of the samples [start, start + count): (drive [m], impulses [count]) each."""
        if self._profile is None:
            self._profile = surface_profile(self._material, self._seed, self._head_modulus)
        near = [segment for segment in self._segments if segment.first < start + count]
        owner = np.full(count, -1)
        for index, segment in enumerate(near):
            owner[max(segment.first - start, 0) : max(segment.stop - start, 0)] = index
        speed, force = np.zeros(count), np.zeros(count)
        for index, segment in enumerate(near):
            mine = owner == index
            speed[mine], force[mine] = segment.speed, segment.amplitude
        impulses = np.empty(count)
        kernels.run_friction(
            self._state,
            self._profile,
            speed,
            force,
            1 / POINT_SPACING,
            float(self._rate),
            self._smoothing,
            impulses,
        )
        result = self._shares(near, owner, impulses)
        self._segments = [segment for segment in self._segments if segment.stop > start + count]
        return result

    def settle(self, now: int) -> None:
        """Fall silent once the last slide has faded out; call on a fixed grid of samples, the next one being `now`."""
        if self._state[2] < 1e-6 and not any(segment.first < now for segment in self._segments):
            self._last = None
            self._state[1:] = 0.0

    def _shares(self, near: list[_Segment], owner: Array, impulses: Array) -> list[tuple[Array, Array]]:
        """Samples without a slide (its fade-out) belong to the slide before them."""
        changes = np.flatnonzero(np.diff(owner)) + 1
        result = []
        for begin, end in zip([0, *changes], [*changes, owner.size], strict=True):
            if owner[begin] >= 0:
                self._last = near[int(owner[begin])]
            if self._last is not None:
                part = np.zeros(impulses.size)
                part[begin:end] = impulses[begin:end]
                result.append((self._last.drive, part))
        return result
