"""Exploration: which object to touch where and how, as plans that are known well before their contact.

Every plan ends where the next can start: at rest, above everything that stands on the table. One plan::

    published      travel high      descend        contact   follow-through   rise and hover
    |--- LEAD -----|----------------|--------------|---------|----------------|
                   start                           contact_ns                 end

The follow-through is the action: a turn below the face, more blows, strokes or a press (see action_motion.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_sim.motion.action_motion import BRAKING, REST_TO_REST_PEAK, plan_motion
from foley_sim.motion.second_hand import PARK
from foley_sim.physics.surfaces import (
    ROUND,
    face_radius,
    path_scale,
    surface,
    to_world,
    usable_half,
)
from foley_sim.robots import robot_of
from foley_sim.robots.actions import (
    ACTIONS,
    PAD_ACTIONS,
    SPEEDS,
    STROKES,
    Action,
    Plan,
    Target,
)
from foley_sim.robots.tool import stick_width
from foley_sim.spec import ObjectSpec, SceneSpec

Array = NDArray[np.float64]

LEAD_S = 0.06  # from publication to the start of the motion
CONTACT_AFTER_S = (1.02, 1.25)  # from publication to the planned contact
PERIOD_S = (1.5, 1.8)  # from one plan to the next, where the stroke leaves time
CLEARANCE_M = 0.045  # of the hovering tip above the tallest object

_TABLETOP_SHARES: dict[Action, float] = {"tap": 0.36, "hit": 0.34, "scratch": 0.30}
_SHARES: dict[Action, float] = dict.fromkeys(ACTIONS, 1.0)
_STROKE_M = (0.03, 0.10)
_STROKE_S = (0.25, 1.3)
_SHORT_M = 0.012  # a stroke over a curved top may be this short
_LANDING_SPEED = (0.04, 0.09)  # of a scratch [m/s]
_PRESS_M = (0.0015, 0.0040)  # depth of a scratch below the face, taken up by the wrist spring
_FOLLOW_M = (0.002, 0.009)
_KNOCK_INTERVAL_S = (1 / 7, 1 / 4)
_KNOCKS = (2, 4)
_PATS = (2, 3)
_PAT_REST_S = (0.06, 0.15)
_PAT_DEPTH_M = (0.003, 0.005)
_RUB_STROKES = (3, 5)
_RUB_M = (0.02, 0.06)
_RUB_S = 1.6  # of all strokes together, at most
_RUB_DEPTH_M = (0.0015, 0.0030)
_PRESS_DEPTH_M = (0.012, 0.019)
_PRESS_S = (0.4, 0.9)
# What a rod that may roll away from under the tip can take.
_ROLLING: tuple[Action, ...] = ("tap", "hit", "knock")


class Policy:
    """Draws targets for a scene, each object in turn in shuffled rounds, and plans the motion.

    Args:
        scene: what stands on the table.
        seed: of all choices.
        weights: share of each action. The default mixes all that the edition has and the striker can do.
        touch: which objects may be touched; None for all.

    Raises:
        ValueError: no object can be touched, or an action is unknown or needs a pad that is not there.
    """

    def __init__(
        self,
        scene: SceneSpec,
        seed: int,
        weights: dict[Action, float] | None = None,
        touch: Callable[[ObjectSpec], bool] | None = None,
    ) -> None:
        weights = default_weights(scene) if weights is None else dict(weights)
        unknown = set(weights) - set(ACTIONS)
        if unknown or sum(weights.values()) <= 0 or min(weights.values()) < 0:
            raise ValueError(
                f"action weights are {weights}: known are {', '.join(ACTIONS)}, shares must not be negative"
            )
        padded = [a for a in ACTIONS if weights.get(a, 0.0) > 0 and a in PAD_ACTIONS]
        if padded and not scene.striker.has_pad:
            raise ValueError(f"action weights name {', '.join(padded)}, but the striker's has_pad is False")
        self._scene = scene
        self._robot = robot_of(scene)
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
                + ("" if len(allowed) == len(scene.objects) else " among those that `touch` allows")
            )
        self._count = 0

    @property
    def hover_z(self) -> float:
        """Height of the tool at rest [m]."""
        return max(o.top for o in self._scene.objects) + CLEARANCE_M + self._scene.striker.length

    def home(self) -> Array:
        """Where the arm starts, [4]: x, y, z, yaw."""
        return np.array([0.0, 0.12, self.hover_z, 0.0])

    def park(self) -> Array:
        """Where the other hand rests, [4], if there is one."""
        return np.array([*PARK, self.hover_z, 0.0])

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
        if item.reaction == "rolls" and action not in _ROLLING:
            action = "tap"
        if action in STROKES:
            stroked = self._stroked(item, action, yaw)
            if stroked is not None:
                return stroked
            action = "tap" if action == "scratch" else "pat"
        return self._struck(item, action, yaw)

    def aimed(self, item: ObjectSpec, action: Action, local: Array, speed: float) -> Target | None:
        """The action at a place of the upper face that somebody else chose; None where no stroke from there fits.

        Args:
            local: [2] in the object's axes [m], within `usable_half`.
            speed: [m/s] of the blow, or of a stroke.
        """
        if action in STROKES:
            return self._stroked(item, action, 0.0, local, speed)
        return self._struck(item, action, 0.0, local, speed)

    def plan(self, now_ns: int, joints: Array, target: Target | None = None) -> Plan:
        """Plan an action from rest at ``joints`` [4], published at ``now_ns``.

        Raises:
            ValueError: as `check`.
        """
        target = target or self.target()
        contact_s = float(self._rng.uniform(*CONTACT_AFTER_S)) - LEAD_S
        self.check(target)
        striker = self._scene.striker
        trajectory, contact_s = plan_motion(
            joints, target, contact_s, self.hover_z, striker.length, striker.tip_radius
        )
        start_ns = now_ns + round(LEAD_S * NS_PER_S)
        self._count += 1
        return Plan(
            plan_id=f"{self._scene.scene_id}-p{self._seed}-{self._count:04d}",
            target=target,
            published_ns=now_ns,
            start_ns=start_ns,
            contact_ns=start_ns + round(contact_s * NS_PER_S),
            trajectory=trajectory,
            width=stick_width(),
        )

    def check(self, target: Target) -> None:
        """Refuse what cannot be done.

        Raises:
            ValueError: the target is out of the arm's reach, names no object of the scene or asks for a pad that
                is not there.
        """
        if target.object_id not in {o.object_id for o in self._scene.objects} | {"table"}:
            raise ValueError(
                f"target names object `{target.object_id}`, which is not in `{self._scene.scene_id}`"
            )
        if target.head == "pad" and not self._scene.striker.has_pad:
            raise ValueError(f"target's action is `{target.action}`, but the striker's has_pad is False")
        height = target.point[2] - target.depth + self._scene.striker.length
        try:
            self._robot.check(target.point[0], target.point[1], height)
        except ValueError as error:
            raise ValueError(f"target {target.point}: {error}") from None

    def _local(self, item: ObjectSpec) -> Array:
        """A point of the upper face, away from its edges, [2] in the object's axes."""
        half = usable_half(item, self._scene.striker.tip_radius)
        local = self._rng.uniform(-1, 1, 2)
        if item.shape in ROUND:
            while np.hypot(*local) > 1:
                local = self._rng.uniform(-1, 1, 2)
        return np.asarray(local * half)

    def _struck(
        self, item: ObjectSpec, action: Action, yaw: float, at: Array | None = None, speed: float = 0.0
    ) -> Target:
        """Everything but strokes: at one point of the face, drawn where ``at`` does not say which."""
        rng = self._rng
        speed = speed or float(rng.uniform(*SPEEDS[action])) * self._scene.blow_speed
        local = self._local(item) if at is None else at.copy()
        if action == "knock" and item.reaction == "rolls":
            local[1] = 0.0  # from its very top it does not roll away between the blows
        height, normal = surface(item, local)
        point = (*to_world(item, local), height)
        depth = float(np.clip(speed**2 / (2 * BRAKING), *_FOLLOW_M))
        if action == "knock":
            return Target(
                item.object_id, action, point, speed, depth=depth, yaw=yaw, normal=normal,
                repeats=int(rng.integers(_KNOCKS[0], _KNOCKS[1] + 1)),
                interval_s=float(rng.uniform(*_KNOCK_INTERVAL_S)),
            )  # fmt: skip
        if action == "pat":
            return Target(
                item.object_id, action, point, speed, depth=float(rng.uniform(*_PAT_DEPTH_M)), yaw=yaw,
                normal=normal, repeats=int(rng.integers(_PATS[0], _PATS[1] + 1)),
                hold_s=float(rng.uniform(*_PAT_REST_S)),
            )  # fmt: skip
        if action == "press":
            return Target(
                item.object_id, action, point, speed, depth=float(rng.uniform(*_PRESS_DEPTH_M)), yaw=yaw,
                normal=normal, landing_speed=speed, hold_s=float(rng.uniform(*_PRESS_S)),
            )  # fmt: skip
        return Target(item.object_id, action, point, speed, depth=depth, yaw=yaw, normal=normal)

    def _stroked(
        self, item: ObjectSpec, action: Action, yaw: float, at: Array | None = None, speed: float = 0.0
    ) -> Target | None:
        """A straight stroke over the face, or several to and fro, from ``at``; None where none is long enough."""
        rub = action == "rub"
        half = usable_half(item, self._scene.striker.tip_radius)
        speed = speed or math.exp(self._rng.uniform(*np.log(SPEEDS[action])))
        low, high = _RUB_M if rub else _STROKE_M
        if rub:
            high = min(high, _RUB_S * speed / (REST_TO_REST_PEAK * _RUB_STROKES[0]))
        else:
            low, high = max(low, speed * _STROKE_S[0]), min(high, speed * _STROKE_S[1])
        curved = item.shape in ("rod", "dome", "heap")
        for _ in range(60):
            ends = self._rng.uniform(-1, 1, (2, 2)) * half
            if at is not None:
                ends[0] = at
            if curved:
                low = _SHORT_M
                # Ends of equal height, so that the pressure holds: along a rod, over the middle of a cap.
                ends = ends * (1.0, 0.0) if item.shape == "rod" else np.stack([ends[0], -ends[0]])
            if item.shape in ROUND and np.any(np.hypot(*ends.T) > half[0]):
                continue
            length = float(np.linalg.norm(ends[1] - ends[0]))
            if not low <= length <= high:
                continue
            height, normal = surface(item, ends[0])
            scale = path_scale(item, self._scene.striker.tip_radius)
            first = to_world(item, ends[0])
            end = to_world(item, ends[0] + (ends[1] - ends[0]) * scale) if curved else to_world(item, ends[1])
            repeats = 1
            if rub:
                fit = int(_RUB_S * speed / (REST_TO_REST_PEAK * length))
                repeats = min(
                    int(self._rng.integers(_RUB_STROKES[0], _RUB_STROKES[1] + 1)), max(fit, _RUB_STROKES[0])
                )
            return Target(
                item.object_id,
                action,
                (*first, height),
                speed,
                stroke=(end[0] - first[0], end[1] - first[1]),
                depth=float(self._rng.uniform(*(_RUB_DEPTH_M if rub else _PRESS_M))),
                landing_speed=float(self._rng.uniform(*_LANDING_SPEED)),
                yaw=yaw,
                normal=normal,
                repeats=repeats,
            )
        return None


def default_weights(scene: SceneSpec) -> dict[Action, float]:
    """Equal shares of what the striker can do; the edition `tabletop` keeps to its three actions."""
    if scene.edition == "tabletop":
        return dict(_TABLETOP_SHARES)
    return {a: share for a, share in _SHARES.items() if scene.striker.has_pad or a not in PAD_ACTIONS}
