"""The other hand: it lays its pad on a thing and steadies it while the first hand acts on it.

A held thing sounds shorter, as it should: the hold damps its modes where the pad rests (sound/voice.py). Both hands
are planned together, so the other one rests before the first contact and leaves after the last.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_sim.motion.action_motion import plan_motion
from foley_sim.physics.surfaces import ROUND, surface, to_world, usable_half
from foley_sim.robots.actions import Plan, Target
from foley_sim.robots.tool import stick_width
from foley_sim.spec import ObjectSpec, SceneSpec

Array = NDArray[np.float64]

PARK = (-0.44, 0.32)
"""Where it rests when nothing is to be held [m]: beyond what the first hand reaches for."""
SHARE = 0.5
"""Of the actions on things that can be held."""
DELAY_NS = 900_000_000
"""The first hand's plan is published so much later, which gives the other one time to arrive."""
APART_M = 0.05
"""Between the sticks of both hands, at least."""
_START_NS = 60_000_000
_LAND_S = 1.45  # from the start to the touch
_LANDING_SPEED = 0.05  # [m/s]
_DEPTH_M = (0.003, 0.005)  # of the plan below the face, taken up by the wrist spring
_LEAVE_S = 0.35  # before the end of the first hand's plan
_TRIES = 40


def can_hold(item: ObjectSpec) -> bool:
    """Whether a thing may be steadied: what rolls or lies loose would not be the same thing any more."""
    return item.shape not in ("heap", "rod", "dome") and item.reaction != "rolls"


def plan_hold(
    scene: SceneSpec, plan: Plan, rest: Array, hover_z: float, rng: np.random.Generator
) -> Plan | None:
    """The other hand's plan beside ``plan`` from where it rests [4]; None where nothing is to be held.

    ``plan`` must be published DELAY_NS from now, which is when the one returned is published.
    """
    item = next((o for o in scene.objects if o.object_id == plan.target.object_id), None)
    if item is None or not can_hold(item) or not scene.striker.has_pad or rng.uniform() >= SHARE:
        return None
    point = _beside(scene, item, plan.target, rng)
    if point is None:
        return None
    now = plan.published_ns - DELAY_NS
    start = now + _START_NS
    hold_s = (plan.end_ns - start) / NS_PER_S - _LAND_S - _LEAVE_S
    target = Target(
        item.object_id,
        "press",
        point,
        _LANDING_SPEED,
        depth=float(rng.uniform(*_DEPTH_M)),
        landing_speed=_LANDING_SPEED,
        hold_s=hold_s,
    )
    striker = scene.striker
    trajectory, contact_s = plan_motion(rest, target, _LAND_S, hover_z, striker.length, striker.tip_radius)
    return Plan(
        plan_id=f"{plan.plan_id}-hold",
        target=target,
        published_ns=now,
        start_ns=start,
        contact_ns=start + round(contact_s * NS_PER_S),
        trajectory=trajectory,
        width=stick_width(),
    )


def plan_return(scene: SceneSpec, now_ns: int, rest: Array, place: Array) -> Plan:
    """Back to a place [4] of the same height, touching nothing."""
    from foley_sim.robots.trajectory import ProfileBuilder, Trajectory

    profiles = tuple(
        ProfileBuilder(float(a)).move(0.9, float(b)).build() for a, b in zip(rest, place, strict=True)
    )
    start = now_ns + _START_NS
    nowhere = Target("table", "press", (float(place[0]), float(place[1]), 0.0), _LANDING_SPEED)
    trajectory = Trajectory(profiles)
    end = start + round(trajectory.duration_s * NS_PER_S)
    return Plan(f"{scene.scene_id}-return-{now_ns}", nowhere, now_ns, start, end, trajectory, stick_width())


def _beside(
    scene: SceneSpec, item: ObjectSpec, target: Target, rng: np.random.Generator
) -> tuple[float, float, float] | None:
    """The point of the face [3], of some, that is farthest from what the first hand does; None if all are too near."""
    begin = np.array(target.point[:2])
    end = begin + target.stroke
    half = usable_half(item, scene.striker.tip_radius)
    along = end - begin
    best, farthest = None, APART_M
    for _ in range(_TRIES):
        local = rng.uniform(-1, 1, 2)
        if item.shape in ROUND and np.hypot(*local) > 1:
            continue
        local = local * half
        place = np.array(to_world(item, local))
        share = np.clip((place - begin) @ along / max(float(along @ along), 1e-12), 0.0, 1.0)
        away = float(np.linalg.norm(place - (begin + share * along)))
        if away >= farthest:
            best, farthest = (float(place[0]), float(place[1]), float(surface(item, local)[0])), away
    return best
