"""From MuJoCo's contacts, step by step, to events: impacts, sliding and whole contacts with their exact onset.

MuJoCo's contact is softer and longer than a real one, so its force over time is not used for sound. What it does
give well is when, where and how fast the tip met the face, how fast it left again (hence the impulse), how fast it
slips and how hard it presses.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_sim.robots.actions import REPEATED
from foley_sim.sound.events import Event, Hold, Impact, Sliding
from foley_sim.spec import Head, Reaction

Array = NDArray[np.float64]

IMPACT_WINDOW_S = 0.010
"""An impact is reported at the latest this long after its onset."""
MIN_APPROACH = 2e-3  # [m/s]; slower is a resting contact that flickers
MIN_SLIP = 2e-3  # [m/s]
EPISODE_GAP_S = 0.08  # touches closer together than this are one contact: a tap and its bounces
BLOWS_GAP_S = 0.4  # the same for the blows of one knock or pat


def episode_gap_s(action: str) -> float:
    """A contact of this action is over when nothing touched for so long [s]."""
    return BLOWS_GAP_S if action in REPEATED else EPISODE_GAP_S


@dataclasses.dataclass(frozen=True)
class Contact:
    """One contact as it truly was: from the first touch to the last of its bounces."""

    onset_ns: int
    end_ns: int  # of the last touch
    object_id: str
    point: tuple[float, float, float]  # of the first touch, in the world [m]
    action: str  # see actions.ACTIONS; empty for a touch that nobody planned
    impulse: float  # of the first impact [N s]
    speed: float  # of approach along the normal [m/s]
    touches: int  # 1 + number of bounces and of further blows
    slip_m: float  # path slid [m]
    plan_id: str
    reaction: Reaction = "static"  # of the object

    @property
    def duration_s(self) -> float:
        return (self.end_ns - self.onset_ns) / NS_PER_S


@dataclasses.dataclass
class Reading:
    """The tip's contact in one physics step."""

    time_s: float
    object_id: str
    point: Array  # [3] [m]
    normal: Array  # [3] out of the object
    penetration: float  # [m]
    velocity: Array  # [3] of the tip [m/s]
    normal_force: float  # [N]


@dataclasses.dataclass
class _Impact:
    time_s: float
    object_id: str
    point: tuple[float, float, float]
    normal: tuple[float, float, float]
    speed: float
    head: Head
    impulse: float = 0.0  # of the contact force so far
    rebound: float = -math.inf  # greatest speed away from the face
    impulse_at_rebound: float = 0.0


@dataclasses.dataclass
class _Slide:
    start_s: float
    end_s: float
    object_id: str
    point: Array
    head: Head
    slip: float = 0.0
    force: float = 0.0
    steps: int = 0


@dataclasses.dataclass
class _Hold:
    start_s: float
    object_id: str
    head: Head
    end_s: float = 0.0
    point: Array | None = None
    force: float = 0.0
    indent: float = 0.0
    steps: int = 0


@dataclasses.dataclass
class _Episode:
    onset_s: float
    last_s: float
    object_id: str
    point: tuple[float, float, float]
    speed: float
    action: str
    plan_id: str
    impulse: float = math.nan
    touches: int = 1
    slip_m: float = 0.0


class TouchTracker:
    """Turns readings into events. Call `step` for every physics step, `flush` about every 4 ms.

    Args:
        tip_mass: effective mass behind the tip [kg]; bounds the impulse to [m v, 2 m v].
        timestep_s: of the physics.
    """

    def __init__(self, tip_mass: float, timestep_s: float) -> None:
        self._mass = tip_mass
        self._dt = timestep_s
        self._impact: _Impact | None = None
        self._slide: _Slide | None = None
        self._hold: _Hold | None = None
        self._episode: _Episode | None = None
        self._touching = False
        self.events: list[Event] = []  # for the sound; the owner takes them and clears the list
        self.contacts: list[Contact] = []  # finished; taken the same way
        self.clipped = 0  # impacts whose measured impulse lay outside its bounds

    def step(
        self,
        time_s: float,
        reading: Reading | None,
        action: str = "",
        plan_id: str = "",
        head: Head = "tip",
    ) -> None:
        """One physics step: what the head touches (None: nothing), and the action under way."""
        if reading is None:
            if self._touching:
                self._touching = False
                self._finish_impact()
                self.flush()
            episode = self._episode
            if episode is not None and time_s - episode.last_s > episode_gap_s(episode.action):
                self.finish()
            return
        approach = -float(reading.velocity @ reading.normal)
        if not self._touching:
            self._touching = True
            self._begin(reading, approach, action, plan_id, head)
        self._press(reading, approach, head)

    def flush(self) -> None:
        """Report the holding and sliding since the last call."""
        hold, self._hold = self._hold, None
        if hold is not None and hold.point is not None:
            x, y, z = (float(v) for v in hold.point)
            self.events.append(
                Hold(
                    start_s=hold.start_s,
                    end_s=hold.end_s,
                    object_id=hold.object_id,
                    point=(x, y, z),
                    normal_force=max(hold.force / hold.steps, 0.0),
                    indent_speed=hold.indent / hold.steps,
                    head=hold.head,
                )
            )
        slide, self._slide = self._slide, None
        if slide is None or slide.steps == 0:
            return
        if self._episode is not None:
            self._episode.slip_m += slide.slip * self._dt
        x, y, z = (float(v) for v in slide.point)
        self.events.append(
            Sliding(
                start_s=slide.start_s,
                end_s=slide.end_s,
                object_id=slide.object_id,
                point=(x, y, z),
                slip_speed=slide.slip / slide.steps,
                normal_force=slide.force / slide.steps,
                head=slide.head,
            )
        )

    def finish(self) -> None:
        """Close the contact that is open, if any."""
        self._finish_impact()
        self.flush()
        episode, self._episode = self._episode, None
        if episode is None or math.isnan(episode.impulse):
            return
        self.contacts.append(
            Contact(
                onset_ns=round(episode.onset_s * NS_PER_S),
                end_ns=round(episode.last_s * NS_PER_S),
                object_id=episode.object_id,
                point=episode.point,
                action=episode.action,
                impulse=episode.impulse,
                speed=episode.speed,
                touches=episode.touches,
                slip_m=episode.slip_m,
                plan_id=episode.plan_id,
            )
        )

    def _begin(self, reading: Reading, approach: float, action: str, plan_id: str, head: Head) -> None:
        episode = self._episode
        if episode is not None and (
            episode.object_id != reading.object_id
            or episode.plan_id != plan_id
            or reading.time_s - episode.last_s > episode_gap_s(episode.action)
        ):
            self.finish()
        if approach < MIN_APPROACH:
            return
        # The step began a little inside the face: go back to where it was crossed.
        onset = reading.time_s - min(reading.penetration / approach, self._dt)
        x, y, z = (float(v) for v in reading.point)
        nx, ny, nz = (float(v) for v in reading.normal)
        self._impact = _Impact(max(onset, 0.0), reading.object_id, (x, y, z), (nx, ny, nz), approach, head)
        if self._episode is None:
            self._episode = _Episode(
                max(onset, 0.0), reading.time_s, reading.object_id, (x, y, z), approach, action, plan_id
            )
        else:
            self._episode.touches += 1

    def _press(self, reading: Reading, approach: float, head: Head) -> None:
        impact = self._impact
        if impact is not None:
            if -approach > impact.rebound:
                impact.rebound, impact.impulse_at_rebound = -approach, impact.impulse
            impact.impulse += reading.normal_force * self._dt
            if reading.time_s - impact.time_s >= IMPACT_WINDOW_S - self._dt:
                self._finish_impact()
        if self._episode is not None:
            self._episode.last_s = reading.time_s
            hold = self._hold
            if hold is None:
                hold = self._hold = _Hold(reading.time_s, reading.object_id, head)
            hold.end_s, hold.point = reading.time_s + self._dt, reading.point
            hold.force += reading.normal_force
            hold.indent += approach
            hold.steps += 1
        along = reading.velocity + approach * reading.normal
        slip = math.sqrt(along.dot(along))
        if slip < MIN_SLIP or reading.normal_force <= 0:
            return
        if self._slide is None:
            self._slide = _Slide(reading.time_s, 0.0, reading.object_id, reading.point, head)
        self._slide.end_s = reading.time_s + self._dt
        self._slide.point = reading.point
        self._slide.slip += slip
        self._slide.force += reading.normal_force
        self._slide.steps += 1

    def _finish_impact(self) -> None:
        """The impulse of compression and rebound, without what the wrist spring presses afterwards."""
        impact, self._impact = self._impact, None
        if impact is None:
            return
        measured = max(impact.impulse_at_rebound, 0.0)
        low = self._mass * impact.speed
        impulse = min(max(measured, low), 2 * low)
        self.clipped += int(impulse != measured)
        self.events.append(
            Impact(
                impact.time_s,
                impact.object_id,
                impact.point,
                impact.normal,
                impulse,
                impact.speed,
                impact.head,
            )
        )
        if self._episode is not None and math.isnan(self._episode.impulse):
            self._episode.impulse = impulse
