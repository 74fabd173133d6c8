"""Sound of a scene, rendered as time goes on.

  Impact  -> Hertz pulse ----\\
                              +-> modal bank of the object -> room response -> sum -> microphone -> samples
  Sliding -> surface profile -/        (pressure at 1 m)         (delay, 1/r)      (hum, noise, gain)
  Impact  -> slower pulse through the object's mount -> modal bank of the table

Time: an event at t is heard from t + distance / 343 m/s on (0.3 m: 0.9 ms). Nothing needs the future: `render(until)`
uses events before `until` only. Samples are the same however the time line is cut into calls, up to rounding in single
precision.

Not thread safe: one thread adds events and renders.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from foley_sim.sound import contact, kernels, modal
from foley_sim.sound.events import TABLE_ID, Event, Impact
from foley_sim.sound.friction import FrictionVoice
from foley_sim.sound.kernels import Array
from foley_sim.sound.microphone import FULL_SCALE_PA, Microphone, MotorHum
from foley_sim.sound.room import Point, RoomConvolver, impulse_responses, travel_delay_s
from foley_sim.spec import MaterialSample, ObjectSpec, SceneSpec, StrikerSpec

BLOCK_S = 0.01
"""Grid on which the room works and silent objects are put to rest. Calls that end on it cost least."""

_SILENCE = 1e-6 * FULL_SCALE_PA
_SIDE_COUPLING = 0.3
_SLIDING_CONTACT_S = 5e-4  # time for which a bump of the profile pushes, as far as the load on the modes goes
_TO_TABLE = 0.5  # share of an object's impulse that reaches the table through its mount


class _Voice:
    """One sounding body: bank, its state, and what is about to drive it."""

    def __init__(
        self, bank: modal.ModalBank, material: MaterialSample, origin: Point, yaw: float, striker: StrikerSpec,
        seed: list[int], sample_rate: int,
    ) -> None:  # fmt: skip
        self.bank = bank
        self.material = material
        self.ringing = False
        self.friction = FrictionVoice(material, seed, sample_rate)
        self._origin = np.array(origin)
        self._cos, self._sin = math.cos(yaw), math.sin(yaw)
        self._striker = striker
        self._rate = sample_rate
        pole = np.exp((-bank.decay + 2j * np.pi * bank.frequency_hz) / sample_rate)
        self._pole_re, self._pole_im = np.ascontiguousarray(pole.real), np.ascontiguousarray(pole.imag)
        self._re, self._im = np.zeros(pole.size), np.zeros(pole.size)
        self._scratch_before = 0.0  # impulse of friction in the sample before this one
        self._pulses: list[tuple[int, Array, Array, Array]] = []  # first sample, impulses, click, drive

    def drive(self, point: Point, contact_s: float, normal_z: float = 1.0) -> Array:
        """Modal velocity per impulse at a point of the world [1/kg], [m].

        Shapes belong to the upper face: a blow from the side reaches them weakly.
        """
        d = np.array(point) - self._origin
        local = np.array([self._cos * d[0] + self._sin * d[1], -self._sin * d[0] + self._cos * d[1], d[2]])
        return max(abs(normal_z), _SIDE_COUPLING) * self.bank.drive(local, self._striker.tip_mass, contact_s)

    def strike(self, first: int, impulses: Array, drive: Array, click_gain: float) -> None:
        """Schedule a force pulse: impulses [n] from sample `first` on."""
        click = np.diff(impulses, prepend=0.0, append=0.0) * click_gain * self._rate**2
        self._pulses.append((first, np.append(impulses, 0.0), click, drive))

    def due(self, stop: int) -> bool:
        """Whether anything is to be computed before sample `stop`."""
        return self.ringing or self._driven(stop)

    def run(self, start: int, out: Array) -> None:
        """Add the pressure at 1 m [Pa] of samples [start, start + n) to out [n]."""
        self.ringing = True
        drives, rows = [], []
        for first, impulses, click, drive in self._pulses:
            begin, end = max(first, start), min(first + impulses.size, start + out.size)
            if begin < end:
                row = np.zeros(out.size)
                row[begin - start : end - start] = impulses[begin - first : end - first]
                out[begin - start : end - start] += click[begin - first : end - first]
                drives.append(drive)
                rows.append(row)
        self._pulses = [p for p in self._pulses if p[0] + p[1].size > start + out.size]
        if self.friction.due(start + out.size):
            scratch = np.zeros(out.size)
            for drive, row in self.friction.run(start, out.size):
                drives.append(drive)
                rows.append(row)
                scratch += row
            out += np.diff(scratch, prepend=self._scratch_before) * _SCRATCH_CLICK * self._rate**2
            self._scratch_before = scratch[-1]
        else:
            self._scratch_before = 0.0
        kernels.run_bank(
            self._re,
            self._im,
            self._pole_re,
            self._pole_im,
            self.bank.radiation,
            np.array(drives).reshape(len(drives), self._re.size),
            np.array(rows).reshape(len(rows), out.size),
            out,
        )

    def settle(self, now: int) -> None:
        """On the grid: forget what is too faint to hear, and rest if nothing is left.

        Events still to come play no part, or adding them early would change the samples before them.
        """
        self.friction.settle(now)
        loudness = np.hypot(self._re, self._im) * self.bank.radiation
        faint = loudness < _SILENCE * 1e-3  # also keeps denormal numbers out of the inner loop
        self._re[faint] = 0.0
        self._im[faint] = 0.0
        if loudness.sum() < _SILENCE and not self._driven(now):
            self._re[:] = 0.0
            self._im[:] = 0.0
            self.ringing = False

    def _driven(self, stop: int) -> bool:
        return any(first < stop for first, *_ in self._pulses) or self.friction.due(stop)


class SoundRenderer:
    """Mono samples of everything that happens in one scene. See the module's docstring for the rules of time."""

    def __init__(self, scene: SceneSpec, *, seed: int) -> None:
        """Raises ValueError for a negative seed, an object named like the table, or anything outside the room."""
        if seed < 0:
            raise ValueError(f"sound: seed is {seed}, must not be negative")
        self.sample_rate = scene.microphone.sample_rate
        if not 16_000 <= self.sample_rate <= 192_000:
            raise ValueError(
                f"sound: microphone.sample_rate is {self.sample_rate}, must lie in 16000 .. 192000 Hz"
            )
        names = [spec.object_id for spec in scene.objects]
        if TABLE_ID in names or len(set(names)) != len(names):
            raise ValueError(f"sound: object ids {names} must differ from each other and from `{TABLE_ID}`")
        kernels.warm_up()
        self._scene = scene
        self._block = round(BLOCK_S * self.sample_rate)
        self._cursor = 0  # first sample not yet returned
        self._late_events = 0
        self._voices = [self._object_voice(spec, index, seed) for index, spec in enumerate(scene.objects)]
        self._voices.append(
            _Voice(modal.table_bank(), modal.TABLE_MATERIAL, (0.0, 0.0, 0.0), 0.0, scene.striker,
                   [seed, len(names), 5], self.sample_rate)
        )  # fmt: skip
        self._index = {name: i for i, name in enumerate([*names, TABLE_ID])}
        self._sources: tuple[Point, ...] = (
            *((spec.position[0], spec.position[1], spec.top) for spec in scene.objects),
            (0.0, 0.0, 0.01),
        )
        responses = impulse_responses(
            scene.room, scene.microphone.position, self._sources, self.sample_rate, scene.seed
        )
        self._room = RoomConvolver(responses, self._block)
        self._input = np.zeros((len(self._voices), self._block))
        self._sounding = np.zeros(len(self._voices), dtype=bool)
        self._motor = MotorHum([seed, 11], self.sample_rate)
        self._motor_level = 10 ** (scene.room.motor_dbfs / 20)
        self._microphone = Microphone(
            sample_rate=self.sample_rate,
            gain_db=scene.microphone.gain_db,
            noise_dbfs=scene.room.noise_dbfs,
            seed=[seed, 13],
        )

    @property
    def rendered_s(self) -> float:
        """Time of the next sample that `render` will return."""
        return self._cursor / self.sample_rate

    @property
    def late_events(self) -> int:
        """Events that came after their time was rendered; they sounded at once instead."""
        return self._late_events

    @property
    def limited_samples(self) -> int:
        """Samples that the overload guard had to bend."""
        return self._microphone.limited_samples

    def travel_delay_s(self, object_id: str) -> float:
        """How long the sound of an object (or the table) takes to the microphone [s]."""
        return travel_delay_s(self._sources[self._known(object_id)], self._scene.microphone.position)

    def bank(self, object_id: str) -> modal.ModalBank:
        """The modes of an object (or the table)."""
        return self._voices[self._known(object_id)].bank

    def add(self, event: Event) -> None:
        """Add an event. One whose time is rendered already sounds now and counts as late.

        Raises ValueError for an unknown object.
        """
        voice = self._voices[self._known(event.object_id)]
        if isinstance(event, Impact):
            self._add_impact(event, voice)
            return
        first = math.ceil(event.start_s * self.sample_rate)
        if first < self._cursor:
            self._late_events += 1
            first = self._cursor
        voice.friction.add(event, voice.drive(event.point, _SLIDING_CONTACT_S), first)

    def set_joint_speed(self, time_s: float, speed: float) -> None:
        """From time_s on the joints move at `speed`, a fraction of full speed. Raises ValueError outside [0, 1]."""
        if not 0.0 <= speed <= 1.0:
            raise ValueError(f"sound: joint speed is {speed}, must lie in [0, 1]")
        if not (math.isfinite(time_s) and time_s >= 0):
            raise ValueError(f"sound: time_s of a joint speed is {time_s}, must not be negative")
        self._motor.set_speed(max(math.ceil(time_s * self.sample_rate), self._cursor), speed)

    def render(self, until_s: float) -> NDArray[np.float32]:
        """Samples from the end of the last call to until_s (exclusive), in (-1, 1).

        Raises ValueError for an until_s before that end, or one that is not finite.
        """
        if not math.isfinite(until_s):
            raise ValueError(f"sound: until_s is {until_s}, must be finite")
        end = math.ceil(until_s * self.sample_rate - 1e-6)  # times on the sample grid may be off by rounding
        if end < self._cursor:
            raise ValueError(f"sound: until_s is {until_s}, but {self.rendered_s} s are rendered already")
        parts = []
        while self._cursor < end:
            begin = self._cursor % self._block
            count = min(self._block - begin, end - self._cursor)
            parts.append(self._render_within_block(begin, count))
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)

    def _render_within_block(self, begin: int, count: int) -> NDArray[np.float32]:
        start, stop = self._cursor, self._cursor + count
        for i, voice in enumerate(self._voices):
            if voice.due(stop):
                voice.run(start, self._input[i, begin : begin + count])
                self._sounding[i] = True
        pressure = self._room.partial(self._input, self._sounding)[begin : begin + count]
        self._cursor = stop
        if stop % self._block == 0:
            self._room.commit(self._input, self._sounding)
            self._input[:] = 0.0
            self._sounding[:] = False
            for voice in self._voices:
                if voice.ringing:
                    voice.settle(stop)
        return self._microphone.record(pressure, self._motor_level * self._motor.run(start, count))

    def _add_impact(self, event: Impact, voice: _Voice) -> None:
        onset = event.time_s
        if onset * self.sample_rate < self._cursor:
            self._late_events += 1
            onset = self._cursor / self.sample_rate
        striker = self._scene.striker
        duration = contact.contact_time(striker, voice.material, voice.bank.mass, event.speed)
        first, impulses = contact.force_pulse(event.impulse, duration, onset, self.sample_rate)
        voice.strike(
            first,
            impulses,
            voice.drive(event.point, duration, event.normal[2]),
            voice.bank.click + _TIP_CLICK,
        )
        table = self._voices[-1]
        if voice is not table:
            slow = max(duration, 0.5 / voice.bank.bounce_hz)
            first, impulses = contact.force_pulse(event.impulse * _TO_TABLE, slow, onset, self.sample_rate)
            table.strike(first, impulses, table.drive(event.point, slow), table.bank.click)

    def _object_voice(self, spec: ObjectSpec, index: int, seed: int) -> _Voice:
        bank = modal.object_bank(spec, scene_seed=self._scene.seed)
        return _Voice(bank, spec.material, spec.position, spec.yaw, self._scene.striker, [seed, index, 5],
                      self.sample_rate)  # fmt: skip

    def _known(self, object_id: str) -> int:
        if object_id not in self._index:
            raise ValueError(f"sound: object is `{object_id}`, known are {', '.join(self._index)}")
        return self._index[object_id]


_STRIKER_DENSITY = 4000.0  # of stick and gripper together [kg/m^3]: plastic tip on a steel rod
_TIP_CLICK = (
    1.5 * modal.AIR_DENSITY / (4 * math.pi * modal.SOUND_SPEED * _STRIKER_DENSITY)
)  # see ModalBank.click
_SCRATCH_CLICK = 6 * _TIP_CLICK
"""Grit works on the whole stick, which radiates better than its tip; without it a solid block would be silent."""
