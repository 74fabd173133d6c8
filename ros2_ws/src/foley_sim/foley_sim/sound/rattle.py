"""What moves against a body and rattles: a loose part that bounces on it, the faces of a crack that clap.

Both are a mass m_p on a surface that vibrates, pressed on by an acceleration p (weight for a part, the clamping of the
crack's faces for a crack), with room to move by `play` until it meets a stop:

    z'' = -p                              while it is off the surface, 0 < z - y < play
    y = -sum of phi q over the modes      the surface at its place; a blow drives modes downwards
    J = (1 + e) (y' - z') / (1 / m_p + sum of phi^2 / m)      at the surface and, upside down, at the stop

with Newton's restitution e (W. Goldsmith, Impact, 1960; a ball on a vibrating table: J. Guckenheimer & P. Holmes,
Nonlinear Oscillations, 1983, section 2.4). A light surface gives way: both masses move. The part leaves the surface
when that falls away faster than p, so quiet vibration makes no sound, and a blow makes a train of bounces whose times
follow from its strength. Slower than REST it stays on the surface.

Every bounce is a Hertz pulse that excites the modes of the body at its place, the modes of the part, and the click of
both. The same state of the modes is what the part stands on, so friction, rebounds and bounces all make it rattle. The
loop goes sample by sample; how the time line is cut changes nothing.
"""

from __future__ import annotations

import dataclasses
import math
import zlib

import numba
import numpy as np

from foley_sim.condition import Crack, Part
from foley_sim.sound import conditions, modal
from foley_sim.sound.contact import force_pulse, hertz_time
from foley_sim.sound.kernels import Array
from foley_sim.sound.resonators import Resonators
from foley_sim.spec import MaterialSample, ObjectSpec

REST = 2e-3
"""Approach below which a part does not bounce [m/s]."""

GRAVITY = 9.81  # [m/s^2]
_PART_RADIUS = 0.004  # of rims and threads where they touch [m]
_TYPICAL_SPEED = 0.1  # of bounces, for the duration of their contacts [m/s]
_FACE_MASS = 0.02  # of a crack's face that moves by itself: share of the body's mass, times the depth
_FACE_MASS_MOST = 0.01  # [kg]
_FACE_RESTITUTION = 0.3
_FACE_OPENING = 1e-3  # [m], further than it ever opens
_FACE_RADIUS = 0.01  # [m]
_CLAMPING = (60.0, 600.0)  # acceleration from which faces come apart [m/s^2]; drawn for each body
_LONGEST_PULSE_S = 5e-4
_jit = numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})


@dataclasses.dataclass(frozen=True, eq=False)
class LooseBody:
    """One thing that moves against a body. Arrays: [m] over the body's modes, [k] over its own."""

    mass: float  # [kg]
    pressed: float  # acceleration that presses it on [m/s^2]
    play: float  # [m]
    restitution: float
    shapes: Array  # [m] of the body's modes at its place
    contact_s: float  # of one bounce
    click: float  # pressure at 1 m per rate of force of a bounce [Pa s/N], body and part
    own: modal.ModalBank | None = None  # None: it does not ring


def loose_bodies(spec: ObjectSpec, bank: modal.ModalBank) -> tuple[LooseBody, ...]:
    """What moves against a body in its condition."""
    condition = spec.condition
    found = []
    if condition.part is not None and condition.part.loose:
        found.append(_part(spec, bank, condition.part))
    if condition.crack is not None:
        found.append(_face(spec, bank, condition.crack))
    return tuple(found)


def _part(spec: ObjectSpec, bank: modal.ModalBank, part: Part) -> LooseBody:
    own = modal.part_bank(part)
    return LooseBody(
        mass=part.mass,
        pressed=GRAVITY,
        play=part.play,
        restitution=part.restitution,
        shapes=bank.shapes(conditions.on_face(spec, part.place)),
        contact_s=_contact_s(part.mass, _PART_RADIUS, part.material, spec.material),
        click=bank.click + own.click,
        own=own,
    )


def _face(spec: ObjectSpec, bank: modal.ModalBank, crack: Crack) -> LooseBody:
    mass = min(_FACE_MASS * crack.depth * bank.mass, _FACE_MASS_MOST)
    rng = np.random.default_rng([0xC4AC, zlib.crc32(spec.object_id.encode())])
    return LooseBody(
        mass=mass,
        pressed=math.exp(rng.uniform(*np.log(_CLAMPING))),
        play=_FACE_OPENING,
        restitution=_FACE_RESTITUTION,
        shapes=bank.shapes(conditions.on_face(spec, crack.place)),
        contact_s=_contact_s(mass, _FACE_RADIUS, spec.material, spec.material),
        click=bank.click,
    )


def _contact_s(mass: float, radius: float, one: MaterialSample, other: MaterialSample) -> float:
    softness = sum((1 - m.poisson_ratio**2) / m.youngs_modulus for m in (one, other))
    return min(hertz_time(mass, radius, 1 / softness, _TYPICAL_SPEED), _LONGEST_PULSE_S)


class RattlingResonators(Resonators):
    """Resonators with bodies on them that bounce. Takes what Resonators takes.

    Args:
        mass: [m] modal masses of the body [kg].
        bodies: at least one.
    """

    def __init__(
        self, frequency_hz: Array, decay: Array, gain: Array, mass: Array, bodies: tuple[LooseBody, ...], *,
        sample_rate: int, grid: int, silence: float,
    ) -> None:  # fmt: skip
        super().__init__(frequency_hz, decay, gain, sample_rate=sample_rate, grid=grid, silence=silence)
        self._silence_after = silence
        pulses = [force_pulse(1.0, b.contact_s, 0.0, sample_rate)[1] for b in bodies]
        count, longest = len(bodies), max(p.size for p in pulses)
        # Modes that swing faster than a bounce lasts do not part the two during it.
        slow = np.array([1 / (1 + (2 * frequency_hz * b.contact_s) ** 2) for b in bodies])
        shapes = np.array([b.shapes for b in bodies])
        self._at = np.ascontiguousarray(shapes * slow)  # [l, m] how a body feels the modes
        self._back = np.ascontiguousarray(shapes / mass)  # [l, m] what its bounces drive [1/kg]
        self._period = 1 / (2 * np.pi * frequency_hz)  # [m] displacement per velocity [s]
        mobility = 1 / np.array([b.mass for b in bodies]) + np.sum(slow * shapes**2 / mass, axis=1)
        own = [_own_rows(b.own, sample_rate) for b in bodies]
        most = max(rows.shape[1] for rows in own)
        self._own = np.stack([np.pad(rows, ((0, 0), (0, most - rows.shape[1]))) for rows in own])  # [l, 4, k]
        self._own_state = np.zeros((count, 2, most))
        self._facts = np.array(
            [[b.pressed, b.play, b.restitution, 1 / j, b.mass, b.click * sample_rate**2, max(REST, 1.5 * b.pressed
              / sample_rate)] for b, j in zip(bodies, mobility, strict=True)]
        )  # fmt: skip
        self._pulse = np.array([np.pad(p, (0, longest - p.size)) for p in pulses])  # [l, p]
        self._moves = np.zeros(
            (count, 5)
        )  # z, v, impulse of the bounce, its next sample, impulse of the last sample
        self._moves[:, 3] = longest  # none is under way

    def free(self, start: int, out: Array) -> int:
        """Nothing is free here."""
        return 0

    def settle(self, driven: bool) -> None:
        """Rests only when what lies on the body does, and then it lies on the body."""
        own = np.hypot(self._own_state[:, 0], self._own_state[:, 1]) * self._own[:, 2]
        height, speed = self._moves[:, 0], self._moves[:, 1]
        moving = (height > 1e-7) | (np.abs(speed) > self._facts[:, 6]) | (self._moves[:, 4] != 0)
        if moving.any() or own.sum() > self._silence_after:
            return
        super().settle(driven)
        if not self.ringing:
            self._own_state[:] = 0.0
            self._moves[:, :2] = 0.0

    def _advance(self, pole_re: Array, pole_im: Array, drives: Array, rows: Array, out: Array) -> None:
        run_rattling(
            self._re, self._im, pole_re, pole_im, self._gain, drives, rows, self._at, self._back, self._period,
            self._facts, self._pulse, self._moves, self._own, self._own_state, 1 / self._rate, out,
        )  # fmt: skip


def _own_rows(bank: modal.ModalBank | None, sample_rate: int) -> Array:
    """[4, k]: real and imaginary part of the poles, pressure per velocity, velocity per impulse."""
    if bank is None:
        return np.zeros((4, 0))
    pole = np.exp((-bank.decay + 2j * np.pi * bank.frequency_hz) / sample_rate)
    return np.array([pole.real, pole.imag, bank.radiation, 1 / bank.mass_kg])


@_jit  # type: ignore[untyped-decorator]
def run_rattling(
    re: Array,  # [m] as in kernels.run_bank
    im: Array,
    pole_re: Array,
    pole_im: Array,
    gain: Array,
    drive: Array,  # [e, m]
    impulse: Array,  # [e, n]
    at: Array,  # [l, m]
    back: Array,  # [l, m]
    period: Array,  # [m] [s]
    facts: Array,  # [l, 7] pressed, play, restitution, mass of a bounce, mass, click, slowest bounce
    pulse: Array,  # [l, p]
    moves: Array,  # [l, 5] in place
    own: Array,  # [l, 4, k]
    own_state: Array,  # [l, 2, k] in place
    step: float,  # [s]
    out: Array,  # [n] added to
) -> None:
    """kernels.run_bank with bodies that bounce on the bank.

    A bounce pushes both for as long as its pulse lasts; until it ends there is no other, and it may dip a little.
    """
    length = pulse.shape[1]
    for i in range(out.size):
        for e in range(drive.shape[0]):
            kick = impulse[e, i]
            if kick != 0.0:
                for m in range(re.size):
                    re[m] += drive[e, m] * kick
        total = 0.0
        for b in range(at.shape[0]):
            surface, speed = 0.0, 0.0
            for m in range(re.size):
                surface -= at[b, m] * im[m] * period[m]
                speed -= at[b, m] * re[m]
            z, v = moves[b, 0], moves[b, 1]
            v -= facts[b, 0] * step
            z += v * step
            if moves[b, 3] >= length:
                floor = z <= surface
                if floor or z >= surface + facts[b, 1]:
                    z = surface if floor else surface + facts[b, 1]
                    approach = speed - v if floor else v - speed
                    if approach > facts[b, 6]:
                        hit = (1.0 + facts[b, 2]) * approach * facts[b, 3]
                        moves[b, 2] = hit if floor else -hit
                        moves[b, 3] = 0.0
                    elif approach > 0.0:
                        v = speed
            now = 0.0
            if moves[b, 3] < length:
                now = moves[b, 2] * pulse[b, int(moves[b, 3])]
                moves[b, 3] += 1.0
                v += now / facts[b, 4]
                for m in range(re.size):
                    re[m] += back[b, m] * now
            total += facts[b, 5] * (now - moves[b, 4])
            moves[b, 0], moves[b, 1], moves[b, 4] = z, v, now
            for k in range(own.shape[2]):
                own_state[b, 0, k] += own[b, 3, k] * now
                x, y = own_state[b, 0, k], own_state[b, 1, k]
                total += own[b, 2, k] * x
                own_state[b, 0, k] = x * own[b, 0, k] - y * own[b, 1, k]
                own_state[b, 1, k] = x * own[b, 1, k] + y * own[b, 0, k]
        for m in range(re.size):
            total += gain[m] * re[m]
            real = re[m] * pole_re[m] - im[m] * pole_im[m]
            im[m] = re[m] * pole_im[m] + im[m] * pole_re[m]
            re[m] = real
        out[i] += total
