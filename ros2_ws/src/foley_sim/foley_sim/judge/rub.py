"""Sliding: a tip on its own spring, dragged over LuGre bristles and over asperities that it runs into.

Bristles after C. Canudas de Wit et al., A new model for control of systems with friction, IEEE TAC 40(3), 1995, with
stiffness per newton of load. Asperities come as a Poisson process in the distance slid.
"""

from __future__ import annotations

import numba
import numpy as np

from foley_sim.judge.substances import Array

_SUBSTEPS = 4
_TIP = (0.004, 6.0e3, 0.8)  # mass [kg], spring [N/m], dashpot [N s/m] of the tip sideways
_BRISTLE = (6.0e4, 25.0, 0.05)  # [1/m], [s/m], [s/m] per newton of load


class Rub:
    """Carries the tip's and the bristles' state from one stretch of sliding to the next."""

    def __init__(self, friction: float, roughness: float, rate: int, seed: list[int]) -> None:
        self._friction, self._roughness, self._rate = friction, roughness, rate
        self._rng = np.random.default_rng(seed)
        self._state = np.zeros(4)  # stretch of the spring, tip's speed, bristle, slow mean of the force

    def force(self, count: int, speed: float, load: float, soft: float) -> Array:
        """Impulse on the body in each of the next samples [count] [N s]; soft in [0, 1] blunts the asperities."""
        spacing = 4e-5 + 4e-4 * self._roughness
        hits = self._rng.poisson(min(speed / spacing / self._rate, 3.0), count)
        heights = self._rng.gamma(1.5, 1.0, count) * hits
        bumps = 0.12 * (0.1 + self._roughness) * (1 - 0.8 * soft) * load * min(speed / 0.1, 3.0) * heights
        pull = drag(self._state, speed, load, self._friction, bumps, count, 1.0 / self._rate)
        return np.asarray((bumps + 0.25 * pull) / self._rate)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def drag(
    state: Array, speed: float, load: float, friction: float, bumps: Array, count: int, dt: float
) -> Array:
    """Fluctuation of the friction force [count] [N]."""
    out = np.zeros(count)
    mass, spring, dashpot = _TIP
    stiff, damp, viscous = _BRISTLE
    step = dt / _SUBSTEPS
    for i in range(count):
        force = 0.0
        pressed = load + bumps[i]
        for _ in range(_SUBSTEPS):
            v = state[1]
            level = friction * (1 + 0.35 * np.exp(-((v / 0.02) ** 2)))
            flow = v - stiff * abs(v) / level * state[2]
            state[2] = min(max(state[2] + step * flow, -level / stiff), level / stiff)
            force = pressed * (stiff * state[2] + damp * flow * np.exp(-((v / 0.02) ** 2)) + viscous * v)
            state[1] = v + step * (spring * state[0] + dashpot * (speed - v) - force) / mass
            state[1] = min(max(state[1], -2.0), 2.0)
            state[0] = min(max(state[0] + step * (speed - state[1]), -0.01), 0.01)
        state[3] += 0.002 * (force - state[3])
        out[i] = force - state[3]
    return out
