"""Sound of a scene, rendered as time goes on.

  Impact  -> Hertz pulse ----\\
                              +-> modal bank of the object -> room response -> sum -> microphone -> samples
  Sliding -> surface profile -/        (pressure at 1 m)         (delay, 1/r)      (hum, noise, gain)
  Impact  -> slower pulse through the object's mount -> modal bank of the table
  Hold    -> damps the modes of the object while it lasts (not in the UNDAMPED editions)
  a loose part or a crack on an object -> bounces on its modal bank (rattle.py)
  all     -> grains of loose and fibrous matter (grains.py) -> room response
  all     -> stick -> contact microphone (contact_mic.py)

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
from foley_sim.sound.ambience import MAINS_HZ, AmbientSound, Hum
from foley_sim.sound.contact_mic import ContactMicrophone
from foley_sim.sound.events import TABLE_ID, Event, Hold, Impact
from foley_sim.sound.microphone import Microphone, MotorHum
from foley_sim.sound.rattle import loose_bodies
from foley_sim.sound.room import Point, RoomConvolver, impulse_responses, travel_delay_s
from foley_sim.sound.voice import CLICK, Voice
from foley_sim.spec import ObjectSpec, SceneSpec

BLOCK_S = 0.01
"""Grid on which the room works and silent objects are put to rest. Calls that end on it cost least."""

UNDAMPED = frozenset({"tabletop"})
"""Editions in which what rests on a body does not damp it: models learned their sound before holds were events."""

_TO_TABLE = 0.5  # share of an object's impulse that reaches the table through its mount


class SoundRenderer:
    """Mono samples of everything that happens in one scene. See the module's docstring for the rules of time."""

    def __init__(self, scene: SceneSpec, *, seed: int, hum: Hum | None = None) -> None:
        """hum: pitches of mains and motors; None: mains of 50 Hz, motors drawn from the seed.

        Raises ValueError for a negative seed, an object named like the table, or anything outside the room.
        """
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
        self._grid = round(BLOCK_S * self.sample_rate)
        self._cursor = 0  # first sample not yet returned
        self._late_events = 0
        self._voices = [self._object_voice(spec, index, seed) for index, spec in enumerate(scene.objects)]
        self._voices.append(
            Voice(modal.table_bank(), modal.TABLE_MATERIAL, (0.0, 0.0, 0.0), 0.0, scene.striker,
                  [seed, len(names)], self.sample_rate, self._grid)
        )  # fmt: skip
        self._index = {name: i for i, name in enumerate([*names, TABLE_ID])}
        self._sources: tuple[Point, ...] = (
            *((spec.position[0], spec.position[1], spec.top) for spec in scene.objects),
            (0.0, 0.0, 0.01),
        )
        responses = impulse_responses(
            scene.room, scene.microphone.position, self._sources, self.sample_rate, scene.seed,
            scene.microphone.axis if scene.microphone.pattern == "cardioid" else None,
        )  # fmt: skip
        self._responses = responses
        self.use_blocks(BLOCK_S)
        self._motor = MotorHum([seed, 11], self.sample_rate, base_hz=None if hum is None else hum.motor_hz)
        self._motor_level = 10 ** (scene.room.motor_dbfs / 20)
        self._microphone = Microphone(
            sample_rate=self.sample_rate,
            gain_db=scene.microphone.gain_db,
            noise_dbfs=scene.room.noise_dbfs,
            seed=[seed, 13],
            response=scene.microphone.response,
        )
        self._ambience: AmbientSound | None = None
        if scene.room.ambience != "none":
            self._ambience = AmbientSound(
                scene.room.ambience,
                [seed, 19],
                self.sample_rate,
                mains_hz=MAINS_HZ if hum is None else hum.mains_hz,
            )
            self._ambience_level = 10 ** (scene.room.ambience_dbfs / 20)
        self._contact: ContactMicrophone | None = None
        if scene.contact_microphone is not None:
            self._contact = ContactMicrophone(
                scene.contact_microphone, scene.striker, motor_dbfs=scene.room.motor_dbfs,
                sample_rate=self.sample_rate, grid=self._grid, seed=[seed, 23],
            )  # fmt: skip
            for voice in self._voices:
                voice.on_friction = self._contact.rub
        self._contact_samples = None if self._contact is None else np.zeros(0, dtype=np.float32)

    def use_blocks(self, seconds: float) -> None:
        """Let the room work on larger blocks from the start: less work where nothing has to be known soon.

        Raises ValueError after the first sample, or for a block that is not a multiple of BLOCK_S.
        """
        count = round(seconds * self.sample_rate)
        if self._cursor > 0 or count < self._grid or count % self._grid:
            raise ValueError(
                f"sound: blocks of {seconds} s after {self.rendered_s} s; choose a multiple of {BLOCK_S} s, at 0 s"
            )
        self._block = count
        self._room = RoomConvolver(self._responses, count)
        self._input = np.zeros((len(self._voices), count))
        self._sounding = np.zeros(len(self._voices), dtype=bool)

    @property
    def contact_samples(self) -> NDArray[np.float32] | None:
        """What the contact microphone heard in the stretch of the last `render`; None where the scene has none."""
        return self._contact_samples

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
        else:
            first = math.ceil(event.start_s * self.sample_rate)
            if first < self._cursor:
                self._late_events += 1
                first = self._cursor
            if isinstance(event, Hold):
                if self._scene.edition not in UNDAMPED:
                    voice.hold(event, first, self._cursor)
            else:
                voice.slide(event, first)
        voice.crumble(event, self._cursor)

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
        parts, touched = [np.zeros(0, dtype=np.float32)], [np.zeros(0, dtype=np.float32)]
        while self._cursor < end:
            begin = self._cursor % self._block
            count = min(self._block - begin, end - self._cursor)
            heard, felt = self._render_within_block(begin, count)
            parts.append(heard)
            if felt is not None:
                touched.append(felt)
        if self._contact is not None:
            self._contact_samples = np.concatenate(touched)
        return np.concatenate(parts)

    def _render_within_block(
        self, begin: int, count: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
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
        hum = self._motor.run(start, count)
        around = self._motor_level * hum
        if self._ambience is not None:
            around += self._ambience_level * self._ambience.take(count)
        heard = self._microphone.record(pressure, around)
        return heard, None if self._contact is None else self._contact.run(start, count, hum)

    def _add_impact(self, event: Impact, voice: Voice) -> None:
        onset = event.time_s
        if onset * self.sample_rate < self._cursor:
            self._late_events += 1
            onset = self._cursor / self.sample_rate
        striker = contact.with_head(self._scene.striker, event.head)
        duration = contact.contact_time(striker, voice.material, voice.bank.mass, event.speed)
        first, impulses = contact.force_pulse(event.impulse, duration, onset, self.sample_rate)
        voice.strike(
            first,
            impulses,
            voice.drive(event.point, duration, event.normal[2]),
            voice.bank.click + CLICK[event.head],
        )
        if self._contact is not None:
            self._contact.strike(first, impulses)
        table = self._voices[-1]
        if voice is not table:
            slow = max(duration, 0.5 / voice.bank.bounce_hz)
            first, impulses = contact.force_pulse(event.impulse * _TO_TABLE, slow, onset, self.sample_rate)
            table.strike(first, impulses, table.drive(event.point, slow), table.bank.click)

    def _object_voice(self, spec: ObjectSpec, index: int, seed: int) -> Voice:
        bank = modal.object_bank(spec, scene_seed=self._scene.seed)
        return Voice(bank, spec.material, spec.position, spec.yaw, self._scene.striker, [seed, index],
                     self.sample_rate, self._grid, loose_bodies(spec, bank))  # fmt: skip

    def _known(self, object_id: str) -> int:
        if object_id not in self._index:
            raise ValueError(f"sound: object is `{object_id}`, known are {', '.join(self._index)}")
        return self._index[object_id]
