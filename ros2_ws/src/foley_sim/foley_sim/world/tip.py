"""What touches the tip: the deepest contact of every step, and the force on the tool."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_sim.headless_gl import import_mujoco
from foley_sim.physics import mjcf
from foley_sim.spec import SceneSpec
from foley_sim.world.contacts import Reading

Array = NDArray[np.float64]

WRENCH_NOISE = (0.02, 0.002)
"""Standard deviation of the force [N] and torque [N m] sensor."""
SMOOTH_SLIP = 2e-3
"""Slip speed below which friction fades [m/s]."""

_NOISE = np.repeat(WRENCH_NOISE, 3)


class Tip:
    """The tip in one MuJoCo model.

    Args:
        scene: gives friction and the length of the stick.
        model, data: of MuJoCo.
        name: of the tip's geom.
    """

    def __init__(self, scene: SceneSpec, model: Any, data: Any, name: str) -> None:
        self._mujoco = mujoco = import_mujoco()
        self._model, self._data = model, data
        self._length = scene.striker.length
        self._contact_s = {o.object_id: mjcf.contact_s(o, scene.edition) for o in scene.objects}
        self._geom = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, name)
        self._names = {
            i: str(model.geom(i).name)
            for i in range(model.ngeom)
            if model.geom_conaffinity[i] and model.geom(i).name
        }
        self._face = next(iter(self._names))
        friction = {o.object_id: o.material.friction for o in scene.objects}
        self._friction = {i: friction.get(name, mjcf.TABLE_FRICTION) for i, name in self._names.items()}
        self._force = np.zeros(3)  # summed over the steps since the last wrench [N]
        self._local = np.zeros(6)

    def choose_head(self, padded: bool, object_id: str) -> None:
        """Give the contact of the tip's geom to the pad (softer than most of what it meets) or back to the face."""
        self._model.geom_priority[self._geom] = 2 if padded else 0
        if padded:
            duration = max(mjcf.PAD_CONTACT_S, self._contact_s.get(object_id, 0.0))
            self._model.geom_solref[self._geom] = mjcf.solref(mjcf.PAD_RESTITUTION, duration)
            self._model.geom_solimp[self._geom] = self._model.geom_solimp[self._face]
            self._model.geom_condim[self._geom] = 1

    def reading(self, time_s: float, ask_velocity: Callable[[], Array]) -> Reading | None:
        """The deepest contact in the step just taken; also adds up the force.

        Args:
            ask_velocity: tells the tip's velocity [3] before that step.
        """
        mujoco, d = self._mujoco, self._data
        deepest: Reading | None = None
        velocity = ask_velocity()
        for i in range(d.ncon):
            contact = d.contact[i]
            if self._geom not in (contact.geom1, contact.geom2) or contact.dist >= 0:
                continue
            other = int(contact.geom2 if contact.geom1 == self._geom else contact.geom1)
            sign = -1.0 if contact.geom1 == self._geom else 1.0  # MuJoCo's normal points from geom1 to geom2
            normal = sign * contact.frame[:3]
            mujoco.mj_contactForce(self._model, d, i, self._local)
            pressure = float(self._local[0])
            slip = velocity - (velocity @ normal) * normal
            # Coulomb friction, smooth through rest.
            drag = self._friction[other] * slip / math.hypot(SMOOTH_SLIP, math.sqrt(slip.dot(slip)))
            self._force += pressure * (normal - drag)
            if deepest is None or -contact.dist > deepest.penetration:
                deepest = Reading(
                    time_s=time_s,
                    object_id=self._names[other],
                    point=contact.pos.copy(),
                    normal=normal,
                    penetration=-float(contact.dist),
                    velocity=velocity,
                    normal_force=pressure,
                )
        return deepest

    def mean_force(self, steps: int) -> Array:
        """The force [3] of the world on the tip over so many steps [N]."""
        return self._force / steps

    def forget(self) -> None:
        """Begin a new mean."""
        self._force[:] = 0.0

    def wrench(self, force: tuple[float, float, float], rng: np.random.Generator) -> Array:
        """What a sensor in the tool frame says [6] of a force in the tool's axes that acts on the tip."""
        fx, fy, fz = force
        length = self._length  # the force acts at (0, 0, length)
        noise = rng.standard_normal(6) * _NOISE
        return np.asarray(np.array([fx, fy, fz, -length * fy, length * fx, 0.0]) + noise)
