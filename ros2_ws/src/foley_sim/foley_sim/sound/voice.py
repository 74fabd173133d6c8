"""One sounding body: its modal bank, its friction, its grains, and what rests on it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from foley_sim.sound import modal
from foley_sim.sound.events import Event, Hold, Sliding
from foley_sim.sound.friction import FrictionVoice
from foley_sim.sound.grains import GrainVoice
from foley_sim.sound.kernels import Array
from foley_sim.sound.microphone import FULL_SCALE_PA
from foley_sim.sound.rattle import LooseBody, RattlingResonators
from foley_sim.sound.resonators import FAR, Damper, Pulse, Resonators
from foley_sim.sound.room import Point
from foley_sim.spec import HEADS, Head, MaterialSample, StrikerSpec

SILENCE_PA = 1e-6 * FULL_SCALE_PA
_SIDE_COUPLING = 0.3
_SLIDING_CONTACT_S = 5e-4  # time for which a bump of the profile pushes, as far as the load on the modes goes
_PAD_FRICTION = 1.2  # of the force that the tip would shake the body with
_TIP_DASHPOT = 0.15  # of the tip at rest [N s/m per N]: a hard contact takes little out of what rings
_TIP_DASHPOT_MOST = 0.6  # [N s/m]

_KEPT_SHAPES = 512

_STRIKER_DENSITY = 4000.0  # of stick and gripper together [kg/m^3]: plastic tip on a steel rod
_TIP_CLICK = (
    1.5 * modal.AIR_DENSITY / (4 * math.pi * modal.SOUND_SPEED * _STRIKER_DENSITY)
)  # see ModalBank.click
_PAD_CLICK = 0.6 * _TIP_CLICK  # the pad gives way between stick and surface
CLICK: dict[Head, float] = {"tip": _TIP_CLICK, "pad": _PAD_CLICK}
"""Pressure at 1 m per rate of force that the striker itself radiates [Pa s/N]."""
_SCRATCH_CLICK = 6.0
"""Times CLICK: grit works on the whole stick, which radiates better than its tip; without it a solid block would be
silent."""


def _resonators(
    bank: modal.ModalBank, loose: tuple[LooseBody, ...], sample_rate: int, grid: int
) -> Resonators:
    modes = (bank.frequency_hz, bank.decay, bank.radiation)
    if not loose:
        return Resonators(*modes, sample_rate=sample_rate, grid=grid, silence=SILENCE_PA)
    return RattlingResonators(
        *modes, bank.mass_kg, loose, sample_rate=sample_rate, grid=grid, silence=SILENCE_PA
    )


class Voice:
    """Pressure at 1 m [Pa] of one body. seed: [s, index of the body]. grid: samples, see resonators.py.

    loose: what rattles on it.
    """

    def __init__(
        self, bank: modal.ModalBank, material: MaterialSample, origin: Point, yaw: float, striker: StrikerSpec,
        seed: list[int], sample_rate: int, grid: int, loose: tuple[LooseBody, ...] = (),
    ) -> None:  # fmt: skip
        self.bank = bank
        self.material = material
        self.on_friction: Callable[[int, Array], None] | None = None
        """Called with every stretch of friction: its first sample and its impulses [n] [N s]."""
        self._place = tuple(float(v) for v in origin)
        self._cos, self._sin = math.cos(yaw), math.sin(yaw)
        self._striker = striker
        self._rate, self._grid = sample_rate, grid
        self._resonators = _resonators(bank, loose, sample_rate, grid)
        self._friction = {
            "tip": FrictionVoice(material, [*seed, 5], sample_rate),
            "pad": FrictionVoice(
                material, [*seed, 5], sample_rate, head_modulus=striker.pad_modulus, strength=_PAD_FRICTION
            ),
        }
        self._scratch_before = dict.fromkeys(HEADS, 0.0)  # impulse of friction in the sample before this one
        self._shapes: dict[tuple[int, ...], Array] = {}
        self._grains: GrainVoice | None = None
        if material.grain_hz > 0:
            self._grains = GrainVoice(material, striker.tip_mass, [*seed, 17], sample_rate)

    def drive(self, point: Point, contact_s: float, normal_z: float = 1.0) -> Array:
        """Modal velocity per impulse at a point of the world [1/kg], [m].

        Shapes belong to the upper face: a blow from the side reaches them weakly.
        """
        return max(abs(normal_z), _SIDE_COUPLING) * self.bank.drive(
            self._local(point), self._striker.tip_mass, contact_s
        )

    def strike(self, first: int, impulses: Array, drive: Array, click_gain: float) -> None:
        """Schedule a force pulse: impulses [n] from sample `first` on."""
        click = np.diff(impulses, prepend=0.0, append=0.0) * click_gain * self._rate**2
        self._resonators.strike(Pulse(first, np.append(impulses, 0.0), click, drive))

    def slide(self, event: Sliding, first: int) -> None:
        """Schedule a slide that is heard from sample `first` on."""
        self._friction[event.head].add(event, self.drive(event.point, _SLIDING_CONTACT_S), first)

    def hold(self, event: Hold, first: int, now: int) -> None:
        """Damp what rings from sample `first` on: a dashpot c at the point adds c phi^2 / (2 m) to every decay."""
        c = self._striker.pad_damping
        if event.head == "tip":
            c = min(_TIP_DASHPOT * event.normal_force, _TIP_DASHPOT_MOST)

        def decay() -> Array:
            extra = c * self._shapes_near(event.point) ** 2 / (2 * self.bank.mass_kg)
            return np.minimum(extra, 2 * np.pi * self.bank.frequency_hz)  # no more than critical

        self._resonators.damp(Damper(first, math.ceil(event.end_s * self._rate), decay), now)

    def crumble(self, event: Event, now: int) -> None:
        """Set off the grains of an event, if the body has any; `now` is the next sample to be rendered."""
        if self._grains is not None:
            self._grains.add(event, now)

    def due(self, stop: int) -> bool:
        """Whether anything is to be computed before sample `stop`."""
        grains = self._grains is not None and self._grains.due(stop)
        return grains or self._resonators.ringing or self._next_drive() < stop

    def run(self, start: int, out: Array) -> None:
        """Add the pressure at 1 m [Pa] of samples [start, start + n) to out [n]."""
        at, stop = start, start + out.size
        while at < stop:
            edge = min((at // self._grid + 1) * self._grid, stop)
            driven_from = self._next_drive()
            if not self._resonators.ringing and driven_from >= edge:
                at = edge
                continue
            if at % self._grid == 0 and self._resonators.ringing:
                free = (min(stop, driven_from) - at) // self._grid * self._grid
                done = self._resonators.free(at, out[at - start : at - start + free]) if free > 0 else 0
                if done:
                    at += done
                    self._scratch_before = dict.fromkeys(HEADS, 0.0)
                    continue
            self._run_cell(at, out[at - start : edge - start])
            if edge % self._grid == 0:
                for friction in self._friction.values():
                    friction.settle(edge)
                self._resonators.settle(self._next_drive() < edge)
            at = edge
        if self._grains is not None:
            self._grains.run(start, out)

    def _run_cell(self, start: int, out: Array) -> None:
        """Samples that do not cross the grid."""
        excitations: list[tuple[Array, Array]] = []
        scratches = np.zeros(out.size)
        for head in HEADS:
            friction = self._friction[head]
            if not friction.due(start + out.size):
                self._scratch_before[head] = 0.0
                continue
            scratch = np.zeros(out.size)
            for drive, row in friction.run(start, out.size):
                excitations.append((drive, row))
                scratch += row
            if self.on_friction is not None:
                self.on_friction(start, scratch)
            gain = _SCRATCH_CLICK * CLICK[head] * self._rate**2
            scratches += np.diff(scratch, prepend=self._scratch_before[head]) * gain
            self._scratch_before[head] = float(scratch[-1])
        self._resonators.run(start, out, excitations)
        out += scratches

    def _next_drive(self) -> int:
        starts = [friction.next_start() for friction in self._friction.values()]
        return min(self._resonators.next_drive(), *starts, FAR)

    def _shapes_near(self, point: Point) -> Array:
        """Mode shapes [m] within a millimetre of a point of the world: what rests there is wider than that."""
        local = self._local(point)
        key = tuple(round(x * 1000) for x in local.tolist())
        if key not in self._shapes:
            if len(self._shapes) >= _KEPT_SHAPES:
                self._shapes.clear()
            self._shapes[key] = self.bank.shapes(np.array(key) / 1000)
        return self._shapes[key]

    def _local(self, point: Point) -> Array:
        """A point of the world in the body's frame [3]."""
        x, y, z = point[0] - self._place[0], point[1] - self._place[1], point[2] - self._place[2]
        return np.array([self._cos * x + self._sin * y, -self._sin * x + self._cos * y, z])
