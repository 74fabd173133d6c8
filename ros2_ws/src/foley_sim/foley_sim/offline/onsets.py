"""When something begins to be heard, and when a plan says that it would: one onset for every audible blow or stroke.

A blow is an impact of at least BLOW_NS that comes at least APART_S after the onset before it: the bounces of a tap
follow it within some 10 ms and are heard as one with it, while the blows of a knock or pat are onsets of their own. A
stroke begins when the slip of a run of sliding on a thing first exceeds STROKE_MPS; runs are parted by RUN_GAP_S
without any, so that each stroke of a rub is an onset. What slips slower, as a pad does that is lifted, is none.

Planned onsets follow from the planned motion alone: the tip comes down through the height at which the plan meets the
face, or after that begins to move along it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from foley_common.times import NS_PER_S
from foley_sim.robots.actions import Plan
from foley_sim.sound.events import Event, Impact, Sliding

BLOW_NS = 1e-3  # [N s]; the slowest landing of a scratch has 1.2e-3
STROKE_MPS = 0.02  # [m/s]
APART_S = 0.03
RUN_GAP_S = 0.02
MATCH_S = 0.06  # an onset further from every planned one was not planned

Kind = Literal["blow", "stroke"]
_SAMPLE_HZ = 2000.0


@dataclasses.dataclass(frozen=True)
class Onset:
    """The beginning of something audible."""

    time_s: float
    kind: Kind
    object_id: str
    impulse: float  # of a blow [N s]; NaN of a stroke


def onsets(events: Sequence[Event]) -> list[Onset]:
    """True onsets in order of time."""
    found = [
        Onset(e.time_s, "blow", e.object_id, e.impulse)
        for e in events
        if isinstance(e, Impact) and e.impulse >= BLOW_NS
    ]
    # Of each thing by itself: a tip may brush against another one all the while.
    end_s, silent = dict[str, float](), dict[str, bool]()
    for e in sorted((e for e in events if isinstance(e, Sliding)), key=lambda e: e.start_s):
        if e.start_s - end_s.get(e.object_id, -np.inf) > RUN_GAP_S:
            silent[e.object_id] = True
        if silent[e.object_id] and e.slip_speed >= STROKE_MPS:
            found.append(Onset(e.start_s, "stroke", e.object_id, float("nan")))
            silent[e.object_id] = False
        end_s[e.object_id] = e.end_s
    apart: list[Onset] = []
    for onset in sorted(found, key=lambda o: o.time_s):
        if not apart or onset.time_s - apart[-1].time_s >= APART_S:
            apart.append(onset)
    return apart


def planned(plan: Plan) -> dict[Kind, list[float]]:
    """Times at which a plan's blows land and its strokes begin [s]."""
    start = plan.start_ns / NS_PER_S
    contact = (plan.contact_ns - plan.start_ns) / NS_PER_S
    times = np.arange(contact, plan.trajectory.duration_s, 1 / _SAMPLE_HZ)
    place, velocity, _ = plan.trajectory.sample(times)
    face = float(plan.trajectory.sample(np.array([contact]))[0][0, 2])
    high = place[:, 2] > face + 1e-4
    back = np.flatnonzero(high[:-1] & ~high[1:]) + 1
    moves = (np.hypot(velocity[:, 0], velocity[:, 1]) >= STROKE_MPS) & ~high
    begins = np.flatnonzero(moves[1:] & ~moves[:-1]) + 1
    return {
        "blow": [start + contact, *(start + times[back]).tolist()],
        "stroke": (start + times[begins]).tolist(),
    }


def match(found: Sequence[Onset], plans: Sequence[Plan]) -> list[float]:
    """For each onset when a plan has it [s], NaN where none has: each planned one goes to the nearest onset."""
    times = [float("nan")] * len(found)
    for plan in plans:
        for kind, moments in planned(plan).items():
            for moment in moments:
                near = [
                    (abs(onset.time_s - moment), i)
                    for i, onset in enumerate(found)
                    if onset.kind == kind and np.isnan(times[i])
                ]
                if near and min(near)[0] <= MATCH_S:
                    times[min(near)[1]] = moment
    return times


def action_at(time_s: float, plans: Sequence[Plan]) -> str:
    """What is being done at a time; empty if nothing is."""
    plan = _plan_at(time_s, plans)
    return plan.target.action if plan else ""


def point_at(time_s: float, plans: Sequence[Plan]) -> list[float] | None:
    """Where what is being done at a time was meant to touch first, [3] in the world [m]; None if nothing is."""
    plan = _plan_at(time_s, plans)
    return [round(float(v), 5) for v in plan.target.point] if plan else None


def _plan_at(time_s: float, plans: Sequence[Plan]) -> Plan | None:
    moment = time_s * NS_PER_S
    return next((plan for plan in plans if plan.start_ns <= moment <= plan.end_ns), None)
