"""Hertz contact: how long striker and surface touch, and the force pulse of that touch.

Elastic sphere against a half-space (K. L. Johnson, Contact Mechanics, 1985, section 11.4):
  1/E* = (1 - nu1^2)/E1 + (1 - nu2^2)/E2,  1/m = 1/m1 + 1/m2,
  T = 2.87 (m^2 / (R E*^2 v))^(1/5).
The force follows the indentation to the power 1.5, and the indentation is close to half a sine; so F ~ sin(pi t/T)^1.5.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
from numpy.typing import NDArray
from scipy import integrate

from foley_sim.spec import Head, MaterialSample, StrikerSpec

MIN_SPEED = 1e-3
"""Slower than this is a resting contact [m/s]; T would grow without bound as v goes to 0."""

_GRID = np.linspace(0.0, 1.0, 1025)
_SHAPE = np.sin(np.pi * _GRID) ** 1.5
_CUMULATIVE = integrate.cumulative_trapezoid(_SHAPE, initial=0.0)
_CUMULATIVE /= _CUMULATIVE[-1]


@functools.lru_cache(maxsize=64)
def with_head(striker: StrikerSpec, head: Head) -> StrikerSpec:
    """The striker as it touches with this head: the pad slides over the tip and takes its place."""
    if head == "tip":
        return striker
    return dataclasses.replace(
        striker,
        tip_radius=striker.pad_radius,
        youngs_modulus=striker.pad_modulus,
        poisson_ratio=striker.pad_poisson_ratio,
    )


def effective_modulus(striker: StrikerSpec, material: MaterialSample) -> float:
    """E* [Pa] of the two bodies in series."""
    return 1.0 / (
        (1 - striker.poisson_ratio**2) / striker.youngs_modulus
        + (1 - material.poisson_ratio**2) / material.youngs_modulus
    )


def contact_time(striker: StrikerSpec, material: MaterialSample, object_mass: float, speed: float) -> float:
    """Duration of one elastic contact [s].

    object_mass: what stands behind the surface [kg]. speed: approach along the normal [m/s].
    Raises ValueError where a mass or a speed is not possible.
    """
    if not (math.isfinite(object_mass) and object_mass > 0):
        raise ValueError(f"contact: object_mass is {object_mass}, must be positive")
    if not (math.isfinite(speed) and speed >= 0):
        raise ValueError(f"contact: speed is {speed}, must not be negative")
    mass = striker.tip_mass * object_mass / (striker.tip_mass + object_mass)
    return hertz_time(mass, striker.tip_radius, effective_modulus(striker, material), speed)


def hertz_time(mass: float, radius: float, modulus: float, speed: float) -> float:
    """Duration of an elastic contact [s]: reduced mass [kg], radius [m], E* [Pa], approach [m/s]; not checked."""
    return float(2.87 * (mass**2 / (radius * modulus**2 * max(speed, MIN_SPEED))) ** 0.2)


def force_pulse(
    impulse: float, duration_s: float, onset_s: float, sample_rate: int
) -> tuple[int, NDArray[np.float64]]:
    """Impulse that each sample interval receives [N s], [n], and the index of the first one.

    The pulse is integrated over every interval, so that its sum is `impulse` and its onset is not rounded to a sample,
    even where the contact is shorter than one interval.
    """
    first = math.floor(onset_s * sample_rate)
    last = math.ceil((onset_s + duration_s) * sample_rate)
    edges = (np.arange(first, last + 1) / sample_rate - onset_s) / duration_s
    return first, impulse * np.diff(np.interp(edges, _GRID, _CUMULATIVE))
