"""What a touch sets in motion: rods that roll, with their noise on the table, and loose pieces of heaps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from foley_sim.headless_gl import import_mujoco
from foley_sim.physics import bodies
from foley_sim.sound.events import Event, Hold, Impact, Sliding
from foley_sim.spec import SOFT_PA, ObjectSpec, Reaction, SceneSpec

MOVED_M = 0.001
"""A rod that travelled less was not moved by the touch."""
MIN_ROLL = 0.008  # [m/s]; slower is not heard
ROLL_SLIP = 0.3  # slip of the rough line of contact as a share of the travel's speed
ROLL_LOAD = 0.05  # share of the weight that bears on it
MAX_LOAD_N = 0.2
GRAVITY = 9.81  # [m/s^2]


class LooseRods:
    """All rods of a scene that may roll; free of cost where there are none.

    Args:
        scene: what stands on the table.
        model, data: the MjModel and MjData made from it.
    """

    def __init__(self, scene: SceneSpec, model: Any, data: Any) -> None:
        self._data = data
        self._reactions: dict[str, Reaction] = {o.object_id: o.reaction for o in scene.objects}
        self._soft = {o.object_id for o in scene.objects if o.material.youngs_modulus < SOFT_PA}
        self._rods: list[tuple[ObjectSpec, int, int, int, int]] = []
        self._travel: dict[str, tuple[float, float]] = {}  # where it was, and how far it has gone since [m]
        kind = import_mujoco().mjtObj.mjOBJ_JOINT
        name_to_id = import_mujoco().mj_name2id
        for item in scene.objects:
            if item.fixed:
                continue
            slide = name_to_id(model, kind, bodies.slide_joint(item.object_id))
            roll = name_to_id(model, kind, bodies.roll_joint(item.object_id))
            q, v = model.jnt_qposadr, model.jnt_dofadr
            self._rods.append((item, int(q[slide]), int(v[slide]), int(q[roll]), int(v[roll])))
        self.watch()

    def watch(self) -> None:
        """From now on tell how far they travel."""
        for item, q, *_ in self._rods:
            self._travel[item.object_id] = (float(self._data.qpos[q]), 0.0)

    def tick(self, time_s: float, since_s: float) -> list[Sliding]:
        """Turn each rod as it travelled, and the sound of its rolling over the last ``since_s``."""
        heard = []
        for item, q, v, roll_q, roll_v in self._rods:
            place, speed = float(self._data.qpos[q]), float(self._data.qvel[v])
            radius = item.size[1] / 2
            # Travel along +y of the object turns it about -x.
            self._data.qpos[roll_q], self._data.qvel[roll_v] = -place / radius, -speed / radius
            start, far = self._travel[item.object_id]
            self._travel[item.object_id] = (start, max(far, abs(place - start)))
            if abs(speed) < MIN_ROLL or time_s < since_s:
                continue
            volume = math.pi * radius**2 * item.size[0] * (1 - item.hollowness)
            weight = item.material.density * volume * GRAVITY
            x, y, _ = item.position
            heard.append(
                Sliding(
                    start_s=time_s - since_s,
                    end_s=time_s,
                    object_id=item.object_id,
                    point=(x, y, 0.0),
                    slip_speed=ROLL_SLIP * abs(speed),
                    normal_force=min(ROLL_LOAD * weight, MAX_LOAD_N),
                )
            )
        return heard

    def reaction(self, object_id: str) -> Reaction:
        """What the touch did to the object: a rod that did not move measurably did not roll."""
        reaction = self._reactions.get(object_id, "static")
        if reaction == "rolls" and self._travel[object_id][1] < MOVED_M:
            return "deforms" if object_id in self._soft else "static"
        return reaction


GRAIN_PUSH = 8.0  # speed that an impulse gives to a piece beside it [m/s per N s]
GRAIN_DRAG = 0.4  # share of a sliding head's speed that a piece beside it takes on
GRAIN_REACH_M = 0.025  # how far a push is felt
GRAIN_TRAVEL_M = 0.014  # no piece goes farther


class LooseGrains:
    """The visible loose pieces of all heaps: a touch near one pushes it down the slope. They make no sound here.

    Args:
        scene: what stands on the table.
        model, data: the MjModel and MjData made from it.
    """

    def __init__(self, scene: SceneSpec, model: Any, data: Any) -> None:
        self._data = data
        kind, name_to_id = import_mujoco().mjtObj.mjOBJ_JOINT, import_mujoco().mj_name2id
        self._pieces: dict[str, tuple[Any, Any, Any]] = {}  # qpos and qvel addresses [n], places [n, 3]
        for item in scene.objects:
            if item.shape != "heap":
                continue
            joints = [
                name_to_id(model, kind, bodies.grain_joint(item.object_id, i)) for i in range(bodies.GRAINS)
            ]
            places = model.body_pos[model.jnt_bodyid[joints]].copy()
            self._pieces[item.object_id] = (model.jnt_qposadr[joints], model.jnt_dofadr[joints], places)

    def push(self, event: Event) -> None:
        """Set in motion what lies near this touch."""
        if event.object_id not in self._pieces or isinstance(event, Hold):
            return
        q, v, places = self._pieces[event.object_id]
        near = np.exp(-np.sum(((places - event.point) / GRAIN_REACH_M) ** 2, axis=1))
        speed = GRAIN_PUSH * event.impulse if isinstance(event, Impact) else GRAIN_DRAG * event.slip_speed
        # A piece stops after its speed times the time in which it settles.
        left = (GRAIN_TRAVEL_M - self._data.qpos[q]) / bodies.GRAIN_SETTLE_S
        self._data.qvel[v] = np.maximum(self._data.qvel[v], np.minimum(speed * near, np.maximum(left, 0.0)))
