"""Contacts from sound, motion and force.

An onset in the sound is a contact only if the robot was doing something that can make one::

    sound  --> onset --+
    tip    ------------+--> gates --> merge with a contact that still lasts --> action, object --> DetectedContact
    force, plan, depth +

Each gate says whether it had data and whether it agrees. Motion decides: a tip at rest, or one that passes on
through the air undisturbed, made no contact whatever was heard. The others raise or lower the confidence. An onset
that does not stand out of the robot's own noise needs a force that was felt, or a sharp stop near a surface. The
decision waits some 90 ms after the onset, for the motion that follows.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foley_common.enumerations import Action, Gate
from foley_common.times import NS_PER_S
from foley_perception.action.planned_contact import PlannedContact
from foley_perception.contact.listener import HeardOnset
from foley_perception.contact_event import Contact
from foley_perception.stamped_history import VectorHistory, VectorSeries

Array = NDArray[np.float64]
MS = 1_000_000


@dataclasses.dataclass(frozen=True)
class GateConfig:
    """What motion and force must look like around an onset."""

    min_speed_m_s: float = 0.02  # slower than this is rest
    min_change: float = 0.4  # change of velocity at a contact, as a share of the speed before
    hit_speed_m_s: float = 0.25  # a faster approach is a hit, a slower one a tap
    slip_m: float = 0.004  # displacement along the surface that makes a scratch
    force_step_n: float = 0.3  # rise of the force that tells a contact
    near_m: float = 0.02  # distance to a surface, a plan or an object that counts as near
    lift_m: float = 0.004  # a tip that rises this far has ended its contact
    loud_db: float = 3.0  # with sound and motion alone, an onset this strong needs no sharp stop
    decision_s: float = 0.09  # after the onset, for the motion that follows
    patience_s: float = 0.05  # more than that, if poses are late
    min_confidence: float = 0.5

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{field.name} is {value}, must be positive")
        if self.min_confidence > 1:
            raise ValueError(f"min_confidence is {self.min_confidence}, must be at most 1")


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """A plan under execution and the contact expected from it, if any."""

    plan_id: str
    start_ns: int
    end_ns: int
    contact: PlannedContact | None


@dataclasses.dataclass(frozen=True)
class DetectedContact:
    """A contact, and what it was found by. It is the detector's owner that knows objects and frames."""

    contact: Contact
    level_dbfs: float  # of the heard onset
    gates_used: int
    gates_passed: int


@dataclasses.dataclass
class Counts:
    """What became of the onsets."""

    onsets: int = 0
    contacts: int = 0
    at_rest: int = 0  # refused by the motion gate
    no_motion_data: int = 0  # refused because nothing was known of the motion
    merged: int = 0  # within a contact that still lasted
    unsure: int = 0  # below the confidence asked for
    own_noise: int = 0  # as the robot itself sounds, and felt by nobody


@dataclasses.dataclass(frozen=True, eq=False)
class _Motion:
    before: Array  # [3] velocity just before the onset [m/s]
    after: Array  # [3] velocity after it
    position: Array  # [3] at the onset
    slip: float  # [m] across the approach
    struck: bool  # the approach was stopped or turned
    sharply: bool  # ... within milliseconds, as nothing but a contact does
    moving: bool  # the tip moved after the onset


class ContactDetector:
    """Decide which onsets are contacts. Feed it, then call :meth:`poll`.

    Args:
        config: thresholds.
        clearance: distance [m] of a point [3] from the nearest observed surface, NaN where nothing is seen.
        tip: positions [3] of the tip in the world.
        force: measured forces [3] [N].
    """

    _MOST_LATE_NS = 3 * NS_PER_S

    def __init__(
        self,
        config: GateConfig | None = None,
        clearance: Callable[[Array], float] | None = None,
        tip: VectorSeries | None = None,
        force: VectorSeries | None = None,
    ) -> None:
        self.config = config or GateConfig()
        self.clearance = clearance
        self.tip: VectorSeries = tip if tip is not None else VectorHistory()
        self.force: VectorSeries = force if force is not None else VectorHistory()
        self.counts = Counts()
        self._plans: collections.deque[Plan] = collections.deque(maxlen=16)
        self._waiting: list[HeardOnset] = []
        self._last: Contact | None = None
        self._newest_tip_ns: int | None = None
        self._progress_ns = 0  # when the newest pose was seen to be new
        self._normal = np.array([0.0, 0.0, 1.0])  # against the approach of the last contact

    def add_plan(self, plan: Plan) -> None:
        self._plans.append(plan)

    def add_onset(self, onset: HeardOnset) -> None:
        self.counts.onsets += 1
        self._waiting.append(onset)

    @property
    def waiting(self) -> int:
        """Onsets not decided yet."""
        return len(self._waiting)

    def poll(self, now_ns: int) -> list[DetectedContact]:
        """Contacts whose evidence is complete, or overdue, at ROS time ``now_ns``."""
        wait = int(self.config.decision_s * NS_PER_S)
        patience = int(self.config.patience_s * NS_PER_S)
        contacts: list[DetectedContact] = []
        while self._waiting:
            ready_ns = self._waiting[0].time_ns + wait
            newest = self.tip.newest_ns
            if newest != self._newest_tip_ns:
                self._newest_tip_ns, self._progress_ns = newest, now_ns
            # On a machine that is behind, poses come late as well; wait as long as they come.
            coming = now_ns - self._progress_ns < patience and now_ns < ready_ns + self._MOST_LATE_NS
            if not (newest is not None and newest >= ready_ns) and (now_ns < ready_ns + patience or coming):
                break
            contact = self._decide(self._waiting.pop(0))
            if contact is not None:
                self.counts.contacts += 1
                contacts.append(contact)
        return contacts

    def reset(self) -> None:
        """Forget histories and plans, as after a jump of time. Counts stay."""
        self.tip.clear()
        self.force.clear()
        self._plans.clear()
        self._waiting.clear()
        self._last = None

    # ---- inside ----------------------------------------------------------------------------------------
    def _decide(self, onset: HeardOnset) -> DetectedContact | None:
        t = onset.time_ns
        motion = self._motion(t)
        if motion is None:
            self.counts.no_motion_data += 1
            return None
        if self._still_touching(t):
            self.counts.merged += 1
            return None
        plan = self._plan_at(t)
        used = passed = Gate.AUDIO
        force = self._force_step(t)
        if force is not None:
            used |= Gate.WRENCH
            passed |= Gate.WRENCH if force >= self.config.force_step_n else 0
        near = self._near(motion.position, t, plan)
        if near is not None:
            used |= Gate.PROXIMITY
            passed |= Gate.PROXIMITY if near else 0
        used |= Gate.MOTION
        # Braking and moving along are a contact only where something else says that there is a surface.
        others = Gate.WRENCH | Gate.PROXIMITY
        touching = bool(passed & others)
        loud = not used & others and onset.strength_db >= self.config.loud_db
        if not (
            motion.sharply or (motion.struck and loud) or ((motion.struck or motion.moving) and touching)
        ):
            self.counts.at_rest += 1
            return None
        passed |= Gate.MOTION
        felt = passed & Gate.WRENCH or (passed & Gate.PROXIMITY and motion.sharply)
        if not (onset.clear or felt):
            self.counts.own_noise += 1
            return None
        confidence = _confidence(onset.strength_db, used, passed)
        if confidence < self.config.min_confidence:
            self.counts.unsure += 1
            return None
        speed = float(np.linalg.norm(motion.before))
        if motion.struck and speed > 0:
            self._normal = -motion.before / speed
        x, y, z = motion.position.tolist()
        contact = Contact(
            t,
            position=(x, y, z),
            action=self._action(motion, speed, plan, t),
            confidence=confidence,
            plan_id=plan.plan_id if plan is not None else "",
        )
        self._last = contact
        return DetectedContact(contact, onset.level_dbfs, used, passed)

    def _motion(self, t: int) -> _Motion | None:
        c = self.config
        before = self.tip.velocity(t - 30 * MS, t - 3 * MS)
        after = self.tip.velocity(t + 12 * MS, t + int(c.decision_s * NS_PER_S))
        position = self.tip.at(t)
        if before is None or after is None or position is None:
            return None
        speed = float(np.linalg.norm(before))
        struck = speed >= c.min_speed_m_s and float(np.linalg.norm(after - before)) >= c.min_change * speed
        # Braking in the air changes the velocity as well, but goes on as it began.
        earlier = self.tip.velocity(t - 60 * MS, t - 33 * MS)
        trend = before - earlier if earlier is not None else np.zeros(3)
        just_after = self.tip.velocity(t + 2 * MS, t + 26 * MS)
        change = just_after - before - trend if just_after is not None else np.full(3, np.inf)
        sharply = struck and float(np.linalg.norm(change)) >= 0.6 * c.min_change * speed
        direction = before / speed if speed > c.min_speed_m_s else -self._normal
        end = self.tip.at(t + int(c.decision_s * NS_PER_S), tolerance_s=c.decision_s / 2)
        travel = end - position if end is not None else np.zeros(3)
        slip = float(np.linalg.norm(travel - (travel @ direction) * direction))
        moving = float(np.linalg.norm(after)) >= c.min_speed_m_s
        return _Motion(before, after, position, slip, struck, sharply, moving)

    def _still_touching(self, t: int) -> bool:
        """Whether the tip has not lifted off since the last contact."""
        last = self._last
        if last is None or not last.located or t - last.time_ns > 3 * NS_PER_S:
            return False
        if t - last.time_ns < 40 * MS:
            return True  # a rebound of the body that was struck
        _, path = self.tip.window(last.time_ns, t)
        if not len(path):
            return False
        height = (path - last.position) @ self._normal
        # Also downwards: what was taken for a surface is none if the tip passes through it.
        return bool(np.abs(height).max() < self.config.lift_m)

    def _force_step(self, t: int) -> float | None:
        """Rise of the force [N] at the onset over what it was before; None without data."""
        _, before = self.force.window(t - 120 * MS, t - 15 * MS)
        _, after = self.force.window(t - 5 * MS, t + 60 * MS)
        if len(before) < 3 or len(after) < 3:
            return None
        base = np.median(before, axis=0)
        noise = float(np.percentile(np.linalg.norm(before - base, axis=1), 90))
        rise = float(np.max(np.linalg.norm(after - base, axis=1)))
        return rise if rise > 3.0 * noise else 0.0

    def _near(self, position: Array, t: int, plan: Plan | None) -> bool | None:
        """Whether the tip is near an observed surface or a planned contact; None if neither is known."""
        answers: list[bool] = []
        if plan is not None and plan.contact is not None:
            expected = plan.contact
            late = (t - expected.time_ns) / NS_PER_S
            on_time = -0.2 < late < 0.2 + expected.duration_s
            answers.append(
                on_time and bool(np.linalg.norm(position - expected.position) < 5 * self.config.near_m)
            )
        if self.clearance is not None:
            distance = self.clearance(position)
            if math.isfinite(distance):
                answers.append(abs(distance) < self.config.near_m)
        return any(answers) if answers else None

    def _plan_at(self, t: int) -> Plan | None:
        for plan in reversed(self._plans):
            if plan.start_ns - 100 * MS <= t <= plan.end_ns + 300 * MS:
                return plan
        return None

    def _action(self, motion: _Motion, speed: float, plan: Plan | None, t: int) -> int:
        c = self.config
        expected = plan.contact if plan is not None else None
        if motion.slip >= c.slip_m and float(np.linalg.norm(motion.after)) >= c.min_speed_m_s:
            return Action.SCRATCH
        # A slow scratch has not begun to slide when the decision falls; its plan knows that it will.
        if expected is not None and abs(t - expected.time_ns) < 250 * MS and expected.slides:
            return Action.SCRATCH
        return Action.HIT if speed >= c.hit_speed_m_s else Action.TAP


def _confidence(strength_db: float, used: int, passed: int) -> float:
    """How far the gates agree, as a probability: log odds are added, motion having passed."""
    odds = 0.5 + 0.2 * min(max(strength_db, 0.0), 10.0)
    for gate, agrees, disagrees in ((Gate.WRENCH, 1.5, 2.0), (Gate.PROXIMITY, 1.0, 1.5)):
        if used & gate:
            odds += agrees if passed & gate else -disagrees
    return 1.0 / (1.0 + math.exp(-odds))
