"""Loose and fibrous matter: gravel, leaves, fabric and paper sound by many small collisions, their grains.

After P. R. Cook, Physically informed sonic modeling (PhISM), Computer Music Journal 21(3), 1997: collisions are a
Poisson process, each one excites a short resonance. Here the work that a touch does on the matter sets them off:

  impact   m v^2 / 2 of the head, spent while the matter settles (exponential delays after the blow)
  sliding  friction * force * slip speed * time, evenly over the slide
  hold     force * speed into the surface * time, evenly over the hold

with grain_rate grains per joule. A grain is grain_level * sqrt(E) * exp(-t / grain_decay_s) * sin(2 pi f t) [Pa at
1 m], its energy E on average the work divided by the expected number. Energies are exponential; the clicks of paper
follow a power law, dN/dE ~ E^-1.4 (P. A. Houle, J. P. Sethna, Acoustic emission from crumpling paper, Phys. Rev. E 54,
1996).

The grains of an event are drawn from the seed and the event's own time, so neither the order in which events are added
nor the cut of the time line changes them.
"""

from __future__ import annotations

import math

import numpy as np

from foley_sim.sound import kernels
from foley_sim.sound.events import Event, Hold, Impact, Sliding
from foley_sim.sound.kernels import Array
from foley_sim.spec import MaterialSample

MAX_GRAINS = 512
"""Of one event. Work that would set off more makes fewer, stronger ones of the same energy in all."""
SETTLING_S = 0.012
"""Mean delay of an impact's grains."""
LONGEST_DELAY_S = 0.08

_HEARD_DECAYS = 7.0  # a grain is cut when it has fallen by 60 dB
_CLICK_EXPONENT = 1.4
_CLICK_RANGE = 1000.0  # from the faintest click to the strongest, in energy
_STRONGEST = 3.0  # of exponential energies, relative to their scale: pebbles do not differ without bound
_NYQUIST_SHARE = 0.45
_LOWEST_HZ = 150.0


def work(event: Event, material: MaterialSample, tip_mass: float) -> float:
    """Work that an event does on the matter it touches [J]."""
    if isinstance(event, Impact):
        return 0.5 * tip_mass * event.speed**2
    duration = event.end_s - event.start_s
    if isinstance(event, Sliding):
        return material.friction * event.normal_force * event.slip_speed * duration
    return event.normal_force * max(event.indent_speed, 0.0) * duration


class GrainVoice:
    """The grains of one object.

    Args:
        material: with grain_hz > 0.
        tip_mass: of the striker [kg].
        seed: of the draws.
        sample_rate: [Hz].
    """

    def __init__(self, material: MaterialSample, tip_mass: float, seed: list[int], sample_rate: int) -> None:
        self._material = material
        self._mass = tip_mass
        self._key = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
        self._rate = sample_rate
        self._first = np.zeros(0, dtype=np.int64)
        self._stop = np.zeros(0, dtype=np.int64)
        self._state = np.zeros((2, 0))  # real and imaginary part of every grain
        self._pole = np.zeros((2, 0))
        self._earliest = 2**62

    def next_start(self) -> int:
        """First sample that a grain still has to give; far away if there is none."""
        return self._earliest

    def due(self, stop: int) -> bool:
        """Whether a grain sounds before sample `stop`."""
        return self._earliest < stop

    def add(self, event: Event, cursor: int) -> None:
        """Draw the grains of an event; those that would have begun before sample `cursor` begin there."""
        m = self._material
        joules = work(event, m, self._mass)
        expected = m.grain_rate * joules
        if expected <= 0.0:
            return
        begin = event.time_s if isinstance(event, Impact) else event.start_s
        kind = (Impact, Sliding, Hold).index(type(event))
        # A generator that takes its key as it is: one is made for every event.
        rng = np.random.Generator(np.random.Philox(key=[self._key ^ kind, round(begin * 1e9)]))
        bounded = min(expected, 0.8 * MAX_GRAINS)
        count = min(int(rng.poisson(bounded)), MAX_GRAINS)
        if count == 0:
            return
        if isinstance(event, Impact):
            delay = np.minimum(rng.exponential(SETTLING_S, count), LONGEST_DELAY_S * rng.random(count) ** 0.1)
        else:
            delay = rng.random(count) * (event.end_s - event.start_s)
        hz = m.grain_hz * 2.0 ** (m.grain_spread * rng.standard_normal(count))
        omega = 2 * np.pi * np.clip(hz, _LOWEST_HZ, _NYQUIST_SHARE * self._rate) / self._rate
        energy = joules / bounded * self._unit_energies(rng, count)
        decay = 1.0 / (m.grain_decay_s * self._rate)
        start = np.maximum((begin + np.sort(delay)) * self._rate, cursor)
        first = np.ceil(start).astype(np.int64)
        sign = rng.integers(0, 2, count) * 2 - 1  # or their first half waves would add up to a thump
        # The grain begins between two samples: it has turned and decayed a little at the first one.
        z = m.grain_level * sign * np.sqrt(energy) * np.exp((1j * omega - decay) * (first - start))
        pole = np.exp(1j * omega - decay)
        length = math.ceil(_HEARD_DECAYS / decay)
        self._first = np.concatenate([self._first, first])
        self._stop = np.concatenate([self._stop, first + length])
        self._state = np.concatenate([self._state, [z.real, z.imag]], axis=1)
        self._pole = np.concatenate([self._pole, [pole.real, pole.imag]], axis=1)
        self._earliest = min(self._earliest, int(first.min()))

    def run(self, start: int, out: Array) -> None:
        """Add the pressure at 1 m [Pa] of the samples [start, start + n) to out [n]."""
        heard = np.zeros(out.size)
        kernels.run_grains(self._first, self._stop, self._state, self._pole, start, heard)
        out += heard
        stop = start + out.size
        if self._first.size:
            keep = self._stop > stop
            if not keep.all():
                self._first, self._stop = self._first[keep], self._stop[keep]
                self._state = np.ascontiguousarray(self._state[:, keep])
                self._pole = np.ascontiguousarray(self._pole[:, keep])
        self._earliest = max(int(self._first.min()), stop) if self._first.size else 2**62

    def _unit_energies(self, rng: np.random.Generator, count: int) -> Array:
        """Energies of mean 1."""
        if self._material.name != "paper":
            return np.minimum(rng.exponential(1.0, count), _STRONGEST) / (1 - math.exp(-_STRONGEST))
        a = 1.0 - _CLICK_EXPONENT
        ends = _CLICK_RANGE**a
        drawn = (1.0 + rng.random(count) * (ends - 1.0)) ** (1.0 / a)
        mean = (_CLICK_RANGE ** (1 + a) - 1) / (1 + a) * a / (ends - 1.0)
        return np.asarray(drawn / mean)
