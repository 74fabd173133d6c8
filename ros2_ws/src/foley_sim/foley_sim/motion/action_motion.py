"""The joint motion of one action. See policy.py for its phases.

The descent meets the face at the speed of the action. A blow turns back a few millimetres below the face, a stroke
follows under the pressure of the wrist spring, and a press goes deep into that spring.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from foley_sim.robots.actions import LANDED, Target
from foley_sim.robots.trajectory import ProfileBuilder, Trajectory

Array = NDArray[np.float64]

BRAKING = 40.0
"""Deceleration of a blow below the face [m/s^2]."""
DESCENT_S = 0.42
_SETTLE_S = 0.06  # from landing to the stroke
_PAT_LIFT_S = 0.25  # from letting go to the next blow
_SINK = 1.6  # duration of a press's way down, times depth / landing speed: slows down smoothly
REST_TO_REST_PEAK = 1.875
"""Peak over mean speed of a quintic from rest to rest."""


def plan_motion(
    joints: Array,  # [4] x, y, z, yaw at rest
    target: Target,
    contact_s: float,
    hover_z: float,
    stick_length: float,
    tip_radius: float = 0.0,  # [m], shifts the stick where the surface is inclined
) -> tuple[Trajectory, float]:
    """Joint motion of one action and the time of its first contact, from the start of the motion [s]."""
    lean = [tip_radius * n for n in target.normal[:2]]
    # A spherical tip touches an inclined face beside its own lowest point.
    touch_z = target.point[2] - tip_radius * (1.0 - target.normal[2]) + stick_length
    landing = target.approach
    descent = contact_s - DESCENT_S

    z = ProfileBuilder(float(joints[2]))
    if abs(joints[2] - hover_z) > 1e-6:
        z.move(min(descent, 0.4), hover_z)
    z.until(descent).move(DESCENT_S, touch_z, -landing)
    horizontal = [ProfileBuilder(float(joints[0])), ProfileBuilder(float(joints[1]))]
    travel = descent + 0.25 * DESCENT_S  # the last of the travel is still well above the face
    for builder, goal, shift in zip(horizontal, target.point[:2], lean, strict=True):
        builder.move(travel, goal + shift).until(contact_s)
    yaw = ProfileBuilder(float(joints[3])).move(travel, target.yaw)

    if target.action in LANDED:
        sink = _SINK if target.action == "press" else 2.0
        z.move(sink * target.depth / landing, touch_z - target.depth)
    if target.action == "scratch":
        _scratch(target, z, horizontal)
        z.move(0.35, hover_z)
    elif target.action == "rub":
        _rub(target, z, horizontal)
        z.move(0.35, hover_z)
    elif target.action == "press":
        rest = target.hold_s - (z.time_s - contact_s)
        z.hold(max(rest, 0.05)).move(0.4, hover_z)
    elif target.action == "pat":
        _pat(target, z, touch_z)
        z.move(0.35, hover_z)
    else:
        _blows(target, z, touch_z)
        rise = hover_z - touch_z
        z.move(float(np.clip(1.6 * rise / max(landing, 0.3), 0.28, 0.40)), hover_z)
    return Trajectory((horizontal[0].build(), horizontal[1].build(), z.build(), yaw.build())), contact_s


def _scratch(target: Target, z: ProfileBuilder, horizontal: list[ProfileBuilder]) -> None:
    """One stroke at an even speed, left while it still slides, as a hand does."""
    length = math.hypot(*target.stroke)
    ramp = 0.04 + 0.2 * length  # [s], to reach the speed and to leave it
    cruise = max(length / target.speed - ramp, 0.02)
    speed = length / (cruise + ramp)
    for builder, part in zip(horizontal, target.stroke, strict=True):
        share = part / length * speed
        p = builder.state[0]
        builder.hold(_SETTLE_S)
        builder.move(ramp, p + share * ramp / 2, share)
        builder.move(cruise, p + share * (ramp / 2 + cruise), share)
        builder.move(ramp, p + part)
    z.until(horizontal[0].time_s - 0.5 * ramp)


def _rub(target: Target, z: ProfileBuilder, horizontal: list[ProfileBuilder]) -> None:
    """To and fro, each stroke from rest to rest."""
    one_way = stroke_s(target)
    for builder, part in zip(horizontal, target.stroke, strict=True):
        start = builder.state[0]
        builder.hold(_SETTLE_S)
        for i in range(target.repeats):
            builder.move(one_way, start + (part if i % 2 == 0 else 0.0))
    z.until(horizontal[0].time_s)


def stroke_s(target: Target) -> float:
    """Duration of one stroke of a rub, whose greatest speed is the target's [s]."""
    return REST_TO_REST_PEAK * math.hypot(*target.stroke) / target.speed


def _blows(target: Target, z: ProfileBuilder, touch_z: float) -> None:
    """A tap or hit; for a knock the same again at even intervals."""
    braking = target.speed**2 / (2 * target.depth)
    turn = 2 * target.speed / braking
    z.push(turn, braking)
    for _ in range(target.repeats - 1):
        z.move(target.interval_s - turn, touch_z, -target.speed)
        z.push(turn, braking)


def _pat(target: Target, z: ProfileBuilder, touch_z: float) -> None:
    """Gentle blows that stay for a moment."""
    for i in range(target.repeats):
        if i:
            z.move(_PAT_LIFT_S, touch_z, -target.speed)
        z.move(2.0 * target.depth / target.speed, touch_z - target.depth)
        z.hold(target.hold_s)
