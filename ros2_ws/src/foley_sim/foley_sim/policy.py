"""Exploration: which object to touch where and how, as plans that are known well before their contact.

Every plan ends where the next can start: at rest, above everything that stands on the table. One plan::

    published      travel high      descend        contact   follow-through   rise and hover
    |--- LEAD -----|----------------|--------------|---------|----------------|
                   start                           contact_ns                 end

The descent meets the face at the speed of the action; the stroke of a scratch follows under the pressure of the
wrist spring; a tap or hit turns back a few millimetres below the face, which the spring takes up.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from foley_sim import arm
from foley_sim.spec import ObjectSpec, SceneSpec
from foley_sim.trajectory import ProfileBuilder, Trajectory

Array = NDArray[np.float64]
Action = Literal["tap", "hit", "scratch"]
ACTIONS: tuple[Action, ...] = ("tap", "hit", "scratch")
NS = 1_000_000_000

LEAD_S = 0.06  # from publication to the start of the motion
CONTACT_AFTER_S = (1.02, 1.25)  # from publication to the planned contact
PLAN_RATE_HZ = 100.0  # of the points that are published
PERIOD_S = (1.5, 1.8)  # from one plan to the next, where the stroke leaves time
FACE_MARGIN_M = 0.003  # from the tip's edge to the edge of the face
CLEARANCE_M = 0.045  # of the hovering tip above the tallest object

_SPEEDS: dict[Action, tuple[float, float]] = {
    "tap": (0.08, 0.25),
    "hit": (0.25, 0.8),
    "scratch": (0.03, 0.25),
}
_SHARES: dict[Action, float] = {"tap": 0.36, "hit": 0.34, "scratch": 0.30}
_STROKE_M = (0.03, 0.10)
_STROKE_S = (0.25, 1.3)
_LANDING_SPEED = (0.04, 0.09)  # of a scratch [m/s]
_PRESS_M = (0.0015, 0.0040)  # depth of a scratch below the face, taken up by the wrist spring
_FOLLOW_M = (0.002, 0.009)
_BRAKING = 40.0  # [m/s^2]
_DESCENT_S = 0.42
_SETTLE_S = 0.06  # from landing to the stroke


@dataclasses.dataclass(frozen=True)
class Target:
    """What to do to which object."""

    object_id: str
    action: Action
    point: tuple[float, float, float]  # of first contact, in the world [m]
    speed: float  # along the normal for a tap or hit, along the stroke for a scratch [m/s]
    stroke: tuple[float, float] = (0.0, 0.0)  # vector of a scratch [m]
    depth: float = 0.002  # of the plan below the face [m]
    landing_speed: float = 0.0  # of a scratch [m/s]
    yaw: float = 0.0  # of the gripper [rad]


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """One action as a joint trajectory over x, y, z, yaw. Times are simulation time."""

    plan_id: str
    target: Target
    published_ns: int
    start_ns: int
    contact_ns: int
    trajectory: Trajectory
    width: float  # of the gripper [m]

    @property
    def end_ns(self) -> int:
        return self.start_ns + round(self.trajectory.duration_s * NS)

    def points(self, rate_hz: float = PLAN_RATE_HZ) -> tuple[Array, Array, Array, Array]:
        """Times [n] from the start [s]; positions, velocities and accelerations [n, 6] of `arm.PLANNED`."""
        times = self.trajectory.times(rate_hz)
        position, velocity, acceleration = self.trajectory.sample(times)
        rest = np.zeros((len(times), 1))
        return (
            times,
            np.hstack([position, rest, np.full_like(rest, self.width)]),
            np.hstack([velocity, rest, rest]),
            np.hstack([acceleration, rest, rest]),
        )


class Policy:
    """Draws targets for a scene, each object in turn in shuffled rounds, and plans the motion.

    Args:
        scene: what stands on the table.
        seed: of all choices.
        weights: share of each action; the default mixes all three.
        touch: which objects may be touched; None for all.

    Raises:
        ValueError: no object can be touched, or an action is unknown.
    """

    def __init__(
        self,
        scene: SceneSpec,
        seed: int,
        weights: dict[Action, float] | None = None,
        touch: Callable[[ObjectSpec], bool] | None = None,
    ) -> None:
        weights = dict(_SHARES if weights is None else weights)
        unknown = set(weights) - set(ACTIONS)
        if unknown or sum(weights.values()) <= 0 or min(weights.values()) < 0:
            raise ValueError(
                f"action weights are {weights}: known are {', '.join(ACTIONS)}, shares must not be negative"
            )
        self._scene = scene
        self._rng = np.random.default_rng([0x90C1, scene.seed, seed])
        self._seed = seed
        self._weights = weights
        self._queue: list[ObjectSpec] = []
        allowed = [o for o in scene.objects if touch is None or touch(o)]
        self._touchable = [o for o in allowed if face_radius(o, scene.striker.tip_radius) > 0]
        if not self._touchable:
            raise ValueError(
                f"scene `{scene.scene_id}`: no object has a face that the tip of radius "
                f"{scene.striker.tip_radius} m can touch"
            )
        self._count = 0

    @property
    def hover_z(self) -> float:
        """Height of the tool at rest [m]."""
        return max(o.top for o in self._scene.objects) + CLEARANCE_M + self._scene.striker.length

    def home(self) -> Array:
        """Where the arm starts, [4]: x, y, z, yaw."""
        return np.array([0.0, 0.12, self.hover_z, 0.0])

    def pause_s(self) -> float:
        """Time from one plan to the next, if the motion is done by then."""
        return float(self._rng.uniform(*PERIOD_S))

    def target(self) -> Target:
        """The next thing to do."""
        if not self._queue:
            order = self._rng.permutation(len(self._touchable))
            self._queue = [self._touchable[i] for i in order]
        item = self._queue.pop()
        names = [a for a in ACTIONS if self._weights.get(a, 0.0) > 0]
        shares = np.array([self._weights[a] for a in names])
        action = names[int(self._rng.choice(len(names), p=shares / shares.sum()))]
        yaw = float(self._rng.uniform(-0.6, 0.6))
        if action == "scratch":
            scratch = self._scratch(item, yaw)
            if scratch is not None:
                return scratch
            action = "tap"
        speed = float(self._rng.uniform(*_SPEEDS[action]))
        x, y = self._point(item)
        depth = float(np.clip(speed**2 / (2 * _BRAKING), *_FOLLOW_M))
        return Target(item.object_id, action, (x, y, item.top), speed, depth=depth, yaw=yaw)

    def plan(self, now_ns: int, joints: Array, target: Target | None = None) -> Plan:
        """Plan an action from rest at ``joints`` [4], published at ``now_ns``.

        Raises:
            ValueError: the target is out of the arm's reach or names no object of the scene.
        """
        target = target or self.target()
        contact_s = float(self._rng.uniform(*CONTACT_AFTER_S)) - LEAD_S
        self._check(target)
        trajectory, contact_s = plan_motion(
            joints, target, contact_s, self.hover_z, self._scene.striker.length
        )
        start_ns = now_ns + round(LEAD_S * NS)
        self._count += 1
        return Plan(
            plan_id=f"{self._scene.scene_id}-p{self._seed}-{self._count:04d}",
            target=target,
            published_ns=now_ns,
            start_ns=start_ns,
            contact_ns=start_ns + round(contact_s * NS),
            trajectory=trajectory,
            width=arm.stick_width(),
        )

    def _check(self, target: Target) -> None:
        if target.object_id not in {o.object_id for o in self._scene.objects} | {"table"}:
            raise ValueError(
                f"target names object `{target.object_id}`, which is not in `{self._scene.scene_id}`"
            )
        height = target.point[2] - target.depth + self._scene.striker.length
        for joint, value in zip(("x", "y", "z"), (target.point[0], target.point[1], height), strict=True):
            low, high = arm.limits(joint)
            if not low <= value <= high:
                raise ValueError(
                    f"target {target.point}: joint `{joint}` would be {value:.3f}, reach is [{low}, {high}] m"
                )

    def _point(self, item: ObjectSpec) -> tuple[float, float]:
        """A point of the upper face, away from its edges, in the world."""
        half = usable_half(item, self._scene.striker.tip_radius)
        local = self._rng.uniform(-1, 1, 2)
        if item.shape == "cylinder":
            while np.hypot(*local) > 1:
                local = self._rng.uniform(-1, 1, 2)
        return _to_world(item, local * half)

    def _scratch(self, item: ObjectSpec, yaw: float) -> Target | None:
        """A straight stroke over the face; None where no stroke is long enough."""
        half = usable_half(item, self._scene.striker.tip_radius)
        speed = math.exp(self._rng.uniform(*np.log(_SPEEDS["scratch"])))
        low = max(_STROKE_M[0], speed * _STROKE_S[0])
        high = min(_STROKE_M[1], speed * _STROKE_S[1])
        for _ in range(60):
            ends = self._rng.uniform(-1, 1, (2, 2)) * half
            if item.shape == "cylinder" and np.any(np.hypot(*ends.T) > half[0]):
                continue
            length = float(np.linalg.norm(ends[1] - ends[0]))
            if low <= length <= high:
                first, second = _to_world(item, ends[0]), _to_world(item, ends[1])
                return Target(
                    item.object_id,
                    "scratch",
                    (*first, item.top),
                    speed,
                    stroke=(second[0] - first[0], second[1] - first[1]),
                    depth=float(self._rng.uniform(*_PRESS_M)),
                    landing_speed=float(self._rng.uniform(*_LANDING_SPEED)),
                    yaw=yaw,
                )
        return None


def usable_half(item: ObjectSpec, tip_radius: float) -> Array:
    """Half extents [2] of the part of the upper face that the tip may touch; not positive where there is none."""
    return np.array(item.size[:2]) / 2 - tip_radius - FACE_MARGIN_M


def face_radius(item: ObjectSpec, tip_radius: float) -> float:
    """The smaller of `usable_half` [m]."""
    return float(usable_half(item, tip_radius).min())


def plan_motion(
    joints: Array,  # [4] x, y, z, yaw at rest
    target: Target,
    contact_s: float,
    hover_z: float,
    stick_length: float,
) -> tuple[Trajectory, float]:
    """Joint motion of one action and the time of its contact, from the start of the motion [s]."""
    touch_z = target.point[2] + stick_length
    landing = target.landing_speed if target.action == "scratch" else target.speed
    descent = contact_s - _DESCENT_S

    z = ProfileBuilder(float(joints[2]))
    if abs(joints[2] - hover_z) > 1e-6:
        z.move(min(descent, 0.4), hover_z)
    z.until(descent).move(_DESCENT_S, touch_z, -landing)
    horizontal = [ProfileBuilder(float(joints[0])), ProfileBuilder(float(joints[1]))]
    travel = descent + 0.25 * _DESCENT_S  # the last of the travel is still well above the face
    for builder, goal in zip(horizontal, target.point[:2], strict=True):
        builder.move(travel, goal).until(contact_s)
    yaw = ProfileBuilder(float(joints[3])).move(travel, target.yaw)

    if target.action == "scratch":
        z.move(2.0 * target.depth / landing, touch_z - target.depth)
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
        z.until(horizontal[0].time_s - 0.5 * ramp)  # lifts while it still slides, as a hand does
        z.move(0.35, hover_z)
    else:
        braking = landing**2 / (2 * target.depth)
        z.push(2 * landing / braking, braking)
        rise = hover_z - touch_z
        z.move(float(np.clip(1.6 * rise / max(landing, 0.3), 0.28, 0.40)), hover_z)
    return Trajectory((horizontal[0].build(), horizontal[1].build(), z.build(), yaw.build())), contact_s


def _to_world(item: ObjectSpec, local: Array) -> tuple[float, float]:
    c, s = math.cos(item.yaw), math.sin(item.yaw)
    x, y = float(local[0]), float(local[1])
    return item.position[0] + c * x - s * y, item.position[1] + s * x + c * y
