"""Joint motion as piecewise quintic polynomials of time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_POWERS = np.arange(6)


@dataclasses.dataclass(frozen=True, eq=False)
class Profile:
    """One joint: coefficients [k, 6] of powers of (t - knots[i]) between knots [k + 1] [s]."""

    knots: Array
    coefficients: Array

    @property
    def duration_s(self) -> float:
        return float(self.knots[-1])

    def sample(self, times_s: Array) -> tuple[Array, Array, Array]:
        """Position, velocity and acceleration [n] at times [n]; at rest before the start and after the end."""
        times = np.clip(times_s, 0.0, self.knots[-1])
        index = np.clip(np.searchsorted(self.knots, times, side="right") - 1, 0, len(self.coefficients) - 1)
        t = (times - self.knots[index])[:, None]
        c = self.coefficients[index]
        position = np.sum(c * t**_POWERS, axis=1)
        velocity = np.sum(c[:, 1:] * _POWERS[1:] * t ** _POWERS[:5], axis=1)
        acceleration = np.sum(c[:, 2:] * (_POWERS[2:] * _POWERS[1:5]) * t ** _POWERS[:4], axis=1)
        moving = (times_s >= 0.0) & (times_s <= self.knots[-1])
        return position, np.where(moving, velocity, 0.0), np.where(moving, acceleration, 0.0)


class ProfileBuilder:
    """Put a profile together, piece after piece, from rest at ``start``."""

    def __init__(self, start: float) -> None:
        self._knots = [0.0]
        self._rows: list[Array] = []
        self._state = (float(start), 0.0, 0.0)

    @property
    def time_s(self) -> float:
        return self._knots[-1]

    @property
    def state(self) -> tuple[float, float, float]:
        """Position, velocity and acceleration where the profile ends so far."""
        return self._state

    def move(
        self, duration_s: float, position: float, velocity: float = 0.0, acceleration: float = 0.0
    ) -> ProfileBuilder:
        """A quintic from the present state to this one."""
        _check(duration_s)
        row = quintic(duration_s, self._state, (position, velocity, acceleration))
        return self._append(duration_s, row, (position, velocity, acceleration))

    def hold(self, duration_s: float) -> ProfileBuilder:
        """Stay where the profile is; its speed must be zero."""
        position = self._state[0]
        return self._append(duration_s, np.array([position, 0.0, 0, 0, 0, 0]), (position, 0.0, 0.0))

    def push(self, duration_s: float, acceleration: float) -> ProfileBuilder:
        """Constant acceleration from the present position and velocity."""
        p, v, _ = self._state
        end = p + v * duration_s + acceleration * duration_s**2 / 2
        row = np.array([p, v, acceleration / 2, 0, 0, 0])
        return self._append(duration_s, row, (end, v + acceleration * duration_s, 0.0))

    def until(self, time_s: float) -> ProfileBuilder:
        """Hold until this time of the profile; nothing if it is past already."""
        return self.hold(time_s - self.time_s) if time_s > self.time_s + 1e-9 else self

    def build(self) -> Profile:
        return Profile(np.array(self._knots), np.stack(self._rows))

    def _append(self, duration_s: float, row: Array, end: tuple[float, float, float]) -> ProfileBuilder:
        _check(duration_s)
        self._knots.append(self._knots[-1] + duration_s)
        self._rows.append(row)
        self._state = end
        return self


def _check(duration_s: float) -> None:
    if not (math.isfinite(duration_s) and duration_s > 0):
        raise ValueError(f"duration is {duration_s} s, must be positive")


def quintic(duration_s: float, start: Sequence[float], end: Sequence[float]) -> Array:
    """Coefficients [6] of the polynomial with this position, velocity and acceleration at both ends."""
    t = duration_s
    p0, v0, a0 = start
    p1, v1, a1 = end
    d = p1 - p0 - v0 * t - a0 * t * t / 2
    e = (v1 - v0 - a0 * t) * t
    f = (a1 - a0) * t * t
    return np.array(
        [
            p0,
            v0,
            a0 / 2,
            (10 * d - 4 * e + f / 2) / t**3,
            (-15 * d + 7 * e - f) / t**4,
            (6 * d - 3 * e + f / 2) / t**5,
        ]
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Trajectory:
    """Profiles of several joints over the same time."""

    profiles: tuple[Profile, ...]

    @property
    def duration_s(self) -> float:
        return max(p.duration_s for p in self.profiles)

    def sample(self, times_s: Array) -> tuple[Array, Array, Array]:
        """Positions, velocities and accelerations [n, joints] at times [n] after the start."""
        columns = [profile.sample(times_s) for profile in self.profiles]
        position, velocity, acceleration = (np.stack(c, axis=1) for c in zip(*columns, strict=True))
        return position, velocity, acceleration

    def times(self, rate_hz: float) -> Array:
        """Sampling times from 0 to the end, which is included."""
        count = math.ceil(self.duration_s * rate_hz - 1e-9)
        return np.minimum(np.arange(count + 1) / rate_hz, self.duration_s)
