"""Sound of a judge's scene. Everything an event does is worked out when it is added; rendering is linear from there.

An event at t counts from t on. Samples do not depend on how the time line is cut, up to rounding in single precision.
Not thread safe.
"""

from __future__ import annotations

import dataclasses
import math

import numba
import numpy as np
from numpy.typing import NDArray

from foley_sim.judge import bodies, strike
from foley_sim.judge.bursts import Bursts
from foley_sim.judge.hearing import FULL_SCALE_PA, Capsule, Room, Whine
from foley_sim.judge.rub import Rub
from foley_sim.judge.substances import Array
from foley_sim.sound.events import TABLE_ID, Event, Hold, Impact, Sliding
from foley_sim.spec import SceneSpec

_CLICK = 1.5e-7  # pressure at 1 m per rate of force, the striker's own [Pa s/N]
_SILENCE = 1e-8 * FULL_SCALE_PA
_TO_TABLE, _TABLE_S = 0.3, 0.004


@dataclasses.dataclass
class Push:
    """Impulses [n] [N s] on modes from a sample on, and pressure [n] that comes with them."""

    first: int
    impulse: Array
    drive: Array  # [m]
    pressure: Array


class Voice:
    """One body at work."""

    def __init__(self, body: bodies.Body, rate: int, seed: list[int]) -> None:
        self.body, self._rate = body, rate
        self.rub = Rub(body.material.friction, body.material.roughness, rate, [*seed, 1])
        self.bursts = Bursts(body.material, rate, [*seed, 2]) if body.material.grain_hz > 0 else None
        self._pole = np.exp((-body.decay + 1j * body.omega) / rate)
        self._state = np.zeros(body.omega.size, dtype=np.complex128)
        self.pushes: list[Push] = []
        self.holds: list[tuple[int, int, Array]] = []

    def run(self, start: int, out: Array) -> None:
        """Add pressure at 1 m [Pa] of samples from `start` on."""
        stop = start + out.size
        edges = {start, stop, *(e for hold in self.holds for e in hold[:2] if start < e < stop)}
        edges |= {p.first for p in self.pushes if start < p.first < stop}
        edges |= {p.first + p.impulse.size for p in self.pushes if start < p.first + p.impulse.size < stop}
        for begin, end in zip(sorted(edges), sorted(edges)[1:], strict=False):
            self._segment(begin, out[begin - start : end - start])
        self.pushes = [p for p in self.pushes if p.first + p.impulse.size > stop]
        self.holds = [h for h in self.holds if h[1] > stop]

    def _segment(self, begin: int, out: Array) -> None:
        end = begin + out.size
        active = [p for p in self.pushes if p.first < end and p.first + p.impulse.size > begin]
        if not active and float(np.sum(np.abs(self._state * self.body.gain))) < _SILENCE:
            self._state[:] = 0
            return
        pole = self._pole
        for first, last, damping in self.holds:
            if first <= begin < last:
                pole = pole * np.exp(-damping / self._rate)
        drive, impulse = np.zeros((len(active), pole.size)), np.zeros((len(active), out.size))
        for row, p in enumerate(active):
            part = slice(begin - p.first, end - p.first)
            drive[row], impulse[row] = p.drive, p.impulse[part]
            out += p.pressure[part]
        ring(self._state, pole, self.body.gain, drive, impulse, out)


@numba.njit(cache=True, fastmath={"reassoc", "contract", "nsz"})  # type: ignore[untyped-decorator]
def ring(
    state: NDArray[np.complex128], pole: NDArray[np.complex128], gain: NDArray[np.complex128], drive: Array,
    impulse: Array, out: Array,
) -> None:  # fmt: skip
    """z <- (z + drive impulse) pole; adds Re(gain z) to out [n]."""
    for i in range(out.size):
        total = 0.0
        for e in range(drive.shape[0]):
            kick = impulse[e, i]
            if kick != 0.0:
                for m in range(state.size):
                    state[m] += drive[e, m] * kick
        for m in range(state.size):
            total += gain[m].real * state[m].real - gain[m].imag * state[m].imag
            state[m] *= pole[m]
        out[i] += total


class JudgeSound:
    """Mono samples of everything that happens in one scene (editions.Sound)."""

    def __init__(self, scene: SceneSpec, *, seed: int) -> None:
        """Raises ValueError for a negative seed."""
        if seed < 0:
            raise ValueError(f"sound: seed is {seed}, must not be negative")
        self.sample_rate = rate = scene.microphone.sample_rate
        ear = scene.microphone.position
        self._striker = scene.striker
        sounding = [bodies.body(item, ear, scene.seed) for item in scene.objects] + [bodies.table(ear)]
        names = [*(item.object_id for item in scene.objects), TABLE_ID]
        self._voices = {
            name: Voice(body, rate, [seed, i]) for i, (name, body) in enumerate(zip(names, sounding, strict=True))
        }
        self._room = Room(scene.room, [body.position for body in sounding], ear, rate)
        self._whine = Whine([seed, 101], rate)
        self._motor = 10 ** (scene.room.motor_dbfs / 20)
        self._capsule = Capsule(scene.microphone.gain_db, scene.room.noise_dbfs, [seed, 102], rate)
        self._cursor, self._late = 0, 0

    @property
    def late_events(self) -> int:
        """Events that came after their time was rendered; they sounded at once instead."""
        return self._late

    @property
    def limited_samples(self) -> int:
        """Samples that the soft limit bent."""
        return self._capsule.limited_samples

    def add(self, event: Event) -> None:
        """Add an event. Raises ValueError for an unknown object."""
        if event.object_id not in self._voices:
            raise ValueError(f"sound: object is `{event.object_id}`, known are {', '.join(self._voices)}")
        voice = self._voices[event.object_id]
        onset = event.time_s if isinstance(event, Impact) else event.start_s
        if onset * self.sample_rate < self._cursor:
            self._late += 1
            onset = self._cursor / self.sample_rate
        if isinstance(event, Impact):
            self._impact(event, voice, onset)
            return
        first, stop = math.ceil(onset * self.sample_rate), math.ceil(event.end_s * self.sample_rate)
        if stop <= first:
            return
        if isinstance(event, Sliding):
            self._slide(event, voice, first, stop - first)
        else:
            self._hold(event, voice, first, stop)

    def set_joint_speed(self, time_s: float, speed: float) -> None:
        """From time_s on the joints move at this fraction of full speed. Raises ValueError outside [0, 1]."""
        if not 0.0 <= speed <= 1.0:
            raise ValueError(f"sound: joint speed is {speed}, must lie in [0, 1]")
        self._whine.set_speed(max(math.ceil(time_s * self.sample_rate), self._cursor), speed)

    def render(self, until_s: float) -> NDArray[np.float32]:
        """Samples from the end of the last call to until_s (exclusive). Raises ValueError for one before that end."""
        end = math.ceil(until_s * self.sample_rate - 1e-6) if math.isfinite(until_s) else -1
        if end < self._cursor:
            raise ValueError(f"sound: until_s is {until_s}, {self._cursor} samples are rendered already")
        parts = [np.zeros(0, dtype=np.float32)]
        while self._cursor < end:
            count = min(4800 - self._cursor % 4800, end - self._cursor)
            dry = np.zeros((len(self._voices), count))
            for row, voice in zip(dry, self._voices.values(), strict=True):
                voice.run(self._cursor, row)
            heard = self._room.run(self._cursor, dry)
            motor = self._motor * self._whine.run(self._cursor, count)
            parts.append(self._capsule.record(heard, motor))
            self._cursor += count
        return np.concatenate(parts)

    def _impact(self, event: Impact, voice: Voice, onset: float) -> None:
        body, tip = voice.body, self._striker.tip_mass
        drive = body.shape(event.point) * max(abs(event.normal[2]), 0.35)
        # What gives way at once: the mobility of all modes at the point, no heavier than the body.
        local = min(1 / (float(np.sum(drive**2)) + 1 / max(body.mass, 1e-3)), body.mass)
        k = strike.stiffness(self._striker, body.material, event.head)
        e = strike.restitution(body.material, event.head)
        first, impulse = strike.pulse(k, tip, max(local, 2e-3), e, event.speed, event.impulse, onset, self.sample_rate)
        # A blow cannot move the modes faster than the striker came in.
        share = 1 / (1 + tip * float(np.sum(drive**2)))
        click = np.diff(impulse, prepend=0.0) * _CLICK * self.sample_rate**2 * (0.3 if event.head == "pad" else 1.0)
        voice.pushes.append(Push(first, impulse, drive * share, click))
        self._loosen(voice, first, len(impulse), 0.5 * event.impulse * event.speed)
        table = self._voices[TABLE_ID]
        if voice is not table:
            count = round(_TABLE_S * self.sample_rate)
            slow = np.hanning(count)
            slow *= _TO_TABLE * event.impulse / slow.sum()
            table.pushes.append(Push(first, slow, table.body.shape(event.point), np.zeros(count)))

    def _slide(self, event: Sliding, voice: Voice, first: int, count: int) -> None:
        soft = 1.0 if event.head == "pad" else 0.0
        impulse = voice.rub.force(count, event.slip_speed, event.normal_force, soft)
        drive = voice.body.shape(event.point)
        drive /= 1 + self._striker.tip_mass * float(np.sum(drive**2))
        click = np.diff(impulse, prepend=impulse[0]) * 40 * _CLICK * self.sample_rate**2 * (1 - 0.7 * soft)
        voice.pushes.append(Push(first, impulse, drive, click))
        work = voice.body.material.friction * event.normal_force * event.slip_speed * count / self.sample_rate
        self._loosen(voice, first, count, work)

    def _hold(self, event: Hold, voice: Voice, first: int, stop: int) -> None:
        dashpot = self._striker.pad_damping if event.head == "pad" else min(0.1 * event.normal_force, 0.5)
        damping = np.minimum(dashpot * voice.body.shape(event.point) ** 2 / 2, voice.body.omega)
        voice.holds.append((first, stop, damping))
        work = event.normal_force * abs(event.indent_speed) * (stop - first) / self.sample_rate
        self._loosen(voice, first, stop - first, work)

    def _loosen(self, voice: Voice, first: int, count: int, work: float) -> None:
        if voice.bursts is not None and work > 0:
            noise = voice.bursts.pressure(work, count)
            if noise.size:
                voice.pushes.append(Push(first, np.zeros(noise.size), np.zeros(voice.body.omega.size), noise))
