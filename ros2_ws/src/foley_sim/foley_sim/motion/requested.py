"""A contact that somebody asks for becomes a target that the policy can plan, or is refused with the reason.

The tool comes from above, so what is asked for is a place of an object's upper face. It may be off by SNAP_M: what a
detector knows of a place is not exact, and its names of objects are not the simulator's.
"""

from __future__ import annotations

import dataclasses
import enum
import math

import numpy as np
from numpy.typing import NDArray

from foley_sim.motion.policy import Policy
from foley_sim.physics.surfaces import ROUND, face_radius, to_local, to_world, usable_half
from foley_sim.robots import robot_of
from foley_sim.robots.actions import ACTIONS, PAD_ACTIONS, SPEEDS, Action, Target
from foley_sim.spec import ObjectSpec, SceneSpec

Array = NDArray[np.float64]
Point = tuple[float, float, float]

SNAP_M = 0.03
"""A place this far beside the part of a face that can be touched still means that object."""
ABOVE_M = 0.05
"""And this far above its top."""
STEEPEST_NORMAL = 0.5
"""Least upward part of a normal that the tool can come against: 60 degrees from upright."""
_TOLERANCE = 1e-6  # of a speed that was a float32 on its way


class Refusal(enum.Enum):
    """Why a contact is not made."""

    OUT_OF_REACH = "out of reach"
    BAD_CONTACT = "bad contact"


class ContactRefused(ValueError):
    """A contact that cannot be made; the message names field, value and cure."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal


@dataclasses.dataclass(frozen=True)
class ContactRequest:
    """What is asked for."""

    action: str  # one of ACTIONS
    object_id: str = ""  # of the simulator; another name is nobody's, and `position` alone counts
    position: Point | None = None  # in the world [m]
    normal: Point = (0.0, 0.0, 0.0)  # out of the surface; zero: not given
    speed: float = 0.0  # [m/s]; 0: the middle of what the action has


def target_of(scene: SceneSpec, policy: Policy, request: ContactRequest) -> Target:
    """What the arm shall do.

    Raises:
        ContactRefused: it cannot.
    """
    action = _action_of(scene, request.action)
    speed = _speed_of(scene, action, request.speed)
    item, local = _place_of(scene, request)
    target = policy.aimed(item, action, local, speed)
    if target is None:
        raise _bad(
            f"action is `{action}`: no stroke of it from {_text(request.position)} fits on `{item.object_id}`; ask "
            "for another place or for a tap"
        )
    try:
        policy.check(target)
        robot_of(scene).posture(
            np.array([*target.point[:2], target.point[2] - target.depth + scene.striker.length, target.yaw])
        )
    except ValueError as error:
        raise ContactRefused(Refusal.OUT_OF_REACH, str(error)) from None
    return target


def _action_of(scene: SceneSpec, name: str) -> Action:
    action = next((a for a in ACTIONS if a == name), None)
    if action is None:
        raise _bad(f"action is `{name}`, this robot knows {', '.join(ACTIONS)}")
    if action in PAD_ACTIONS and not scene.striker.has_pad:
        able = ", ".join(a for a in ACTIONS if a not in PAD_ACTIONS)
        raise _bad(f"action is `{action}`, which needs a soft pad; this robot has none and can {able}")
    return action


def _speed_of(scene: SceneSpec, action: Action, speed: float) -> float:
    low, high = (s * scene.blow_speed for s in SPEEDS[action])
    if speed == 0.0:
        return (low + high) / 2
    if not low - _TOLERANCE <= speed <= high + _TOLERANCE:
        raise _bad(
            f"speed is {speed:.3f} m/s, a {action} is made with {low:.3f} to {high:.3f}; 0 leaves it to the robot"
        )
    return float(np.clip(speed, low, high))


def _place_of(scene: SceneSpec, request: ContactRequest) -> tuple[ObjectSpec, Array]:
    """The object, and where on its upper face, [2] in its axes [m]."""
    named = next((o for o in scene.objects if o.object_id == request.object_id), None)
    if request.position is None:
        if named is None:
            raise _bad(
                f"object_id is `{request.object_id}`, which is none of this scene's, and no position is given: "
                "set `position` and its frame_id"
            )
        return _touchable(scene, named), np.zeros(2)
    if not np.isfinite(request.position).all():
        raise _bad(f"position is {_text(request.position)}: every value must be finite")
    x, y, z = request.position
    for name, value, (low, high) in zip("xy", (x, y), robot_of(scene).reach, strict=False):
        if not low <= value <= high:
            raise ContactRefused(
                Refusal.OUT_OF_REACH,
                f"position.{name} is {value:.3f} m, the arm reaches from {low} to {high}",
            )
    items = scene.objects if named is None else (named,)
    item, local, beside = min(
        ((o, *_nearest(scene, o, np.array([x, y]))) for o in items), key=lambda found: found[2]
    )
    if beside > SNAP_M:
        raise _bad(
            f"position is {_text(request.position)}: `{item.object_id}` is {beside:.3f} m beside it, and what is "
            f"touched must lie within {SNAP_M} m"
        )
    if not -SNAP_M <= z <= item.top + ABOVE_M:
        raise _bad(
            f"position.z is {z:.3f} m, `{item.object_id}` stands from 0 to {item.top:.3f} m; give a place on it"
        )
    length = math.hypot(*request.normal)
    if length > 0 and not request.normal[2] / length >= STEEPEST_NORMAL:
        raise ContactRefused(
            Refusal.OUT_OF_REACH,
            f"normal is {_text(request.normal)}: the tool comes from above, against faces that look up",
        )
    return _touchable(scene, item), local


def _touchable(scene: SceneSpec, item: ObjectSpec) -> ObjectSpec:
    if face_radius(item, scene.striker.tip_radius) <= 0:
        raise ContactRefused(
            Refusal.OUT_OF_REACH,
            f"`{item.object_id}` is too narrow above for a tip of radius {scene.striker.tip_radius} m",
        )
    return item


def _nearest(scene: SceneSpec, item: ObjectSpec, place: Array) -> tuple[Array, float]:
    """The place [2] in the object's axes that may be touched nearest to one of the world [2], and how far it is [m]."""
    half = np.maximum(usable_half(item, scene.striker.tip_radius), 0.0)
    local = to_local(item, place)
    if item.shape in ROUND:
        inside = local * min(1.0, float(half.min()) / max(math.hypot(*local), 1e-9))
    else:
        inside = np.clip(local, -half, half)
    return inside, math.dist(to_world(item, inside), place.tolist())


def _bad(message: str) -> ContactRefused:
    return ContactRefused(Refusal.BAD_CONTACT, message)


def _text(point: Point | None) -> str:
    return "its middle" if point is None else "(" + ", ".join(f"{v:.3f}" for v in point) + ")"
