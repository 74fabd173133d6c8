"""Vibration modes of rods and domes; plates, discs, bars and blocks are in `modes`."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from foley_sim.sound import fem
from foley_sim.sound.modes import ModeSet, audible, beyond, free_free_roots, free_free_shape
from foley_sim.spec import MaterialSample

Array = NDArray[np.float64]

_CIRCLE_SHEAR = 0.9  # Timoshenko's coefficient of a solid circle
_TUBE_SHEAR = 0.5  # of a thin-walled tube


def rod(length: float, diameter: float, material: MaterialSample, *, wall: float = 0.0) -> ModeSet:
    """Free-free rod or tube along x, bending vertically (Fletcher & Rossing, chapter 2).

    w = beta^2 sqrt(E I / (rho A)), I = pi (R^4 - r^4) / 4, A = pi (R^2 - r^2); shear and rotary inertia to first
    order as in `modes.bar`.
    """
    outer, inner = diameter / 2, diameter / 2 - wall if wall > 0 else 0.0
    section = math.pi * (outer**2 - inner**2)
    radius2 = (outer**2 + inner**2) / 4  # I / A
    beta_l = free_free_roots()
    beta = beta_l / length
    shear = 2 * (1 + material.poisson_ratio) / (_TUBE_SHEAR if wall > 0 else _CIRCLE_SHEAR)
    speed = math.sqrt(material.youngs_modulus * radius2 / material.density)
    f = speed * beta**2 / (2 * math.pi) / np.sqrt(1 + beta**2 * radius2 * (1 + shear))

    def shapes(point: Array) -> Array:
        return free_free_shape(beta_l, float(np.clip(point[0] / length, -0.5, 0.5) + 0.5))

    mass = np.full(f.shape, material.density * section * length)
    return audible(ModeSet(f, mass, beyond(beta, beta[0]), np.ones(f.shape), length * diameter, shapes))


def tube_wall(length: float, diameter: float, wall: float, material: MaterialSample) -> ModeSet:
    """Inextensional bending of a tube's wall around its circumference (Rayleigh), struck on its top.

    The antinode lies on the struck point, so every shape is 1 there; frequencies as in `modes.ring`.
    """
    n = np.arange(2.0, 13.0)
    radius = (diameter - wall) / 2
    plate = math.sqrt(
        material.youngs_modulus * wall**2 / (12 * material.density * (1 - material.poisson_ratio**2))
    )
    f = plate / radius**2 * n * (n**2 - 1) / np.sqrt(n**2 + 1) / (2 * math.pi)
    mass = material.density * 2 * math.pi * radius * wall * length / 2 * (1 + 1 / n**2)
    ones = np.ones(n.shape)
    rms = np.full(n.shape, math.sqrt(0.5))
    area = math.pi * diameter * length
    return audible(ModeSet(f, mass, n / radius, rms, area, lambda point: ones, order=n))


def dome(diameter: float, height: float, wall: float, material: MaterialSample) -> ModeSet:
    """A spherical cap on its rim, a bowl upside down: finite elements, scaled: w = omega sqrt(E / rho) / diameter.

    A pair of degenerate modes (cosine and sine of n t) moves, seen from the struck point, as one whose antinode lies on
    that point; so only its shape along the meridian is kept.
    """
    found = fem.cap(height / diameter, wall / diameter, material.poisson_ratio)
    f = found.omega * math.sqrt(material.youngs_modulus / material.density) / diameter / (2 * math.pi)
    radius = fem.cap_radius(height / diameter) * diameter
    widest = math.asin(min(diameter / 2 / radius, 1.0))
    mass = found.mass * dome_mass(diameter, height, wall, material)
    samples = np.linspace(0.0, 1.0, fem.SAMPLES)

    def shapes(point: Array) -> Array:
        angle = math.asin(min(math.hypot(point[0], point[1]) / radius, 1.0))
        at = float(np.clip(angle / widest, 0.0, 1.0)) * (fem.SAMPLES - 1)
        left = min(int(at), fem.SAMPLES - 2)
        part = at - samples[left] * (fem.SAMPLES - 1)
        return np.asarray(found.shape[:, left] * (1 - part) + found.shape[:, left + 1] * part)

    # Nodal lines along the meridian, counted from the sign changes of the shape, and n across: what short-circuits.
    turns = np.count_nonzero(np.diff(np.sign(found.shape[:, 1:-1]), axis=1), axis=1)
    k = np.hypot(found.order / (0.6 * diameter / 2), math.pi * (turns + 0.5) / (radius * widest))
    area = 2 * math.pi * radius * height
    return audible(ModeSet(f, mass, beyond(k, float(k.min())), found.rms, area, shapes, order=found.order))


def dome_mass(diameter: float, height: float, wall: float, material: MaterialSample) -> float:
    """Of the shell [kg]: its mid-surface 2 pi R h times the wall, R and h those of the mid-surface."""
    radius = fem.cap_radius(height / diameter) * diameter
    middle = (radius - wall / 2) / radius
    return float(material.density * wall * 2 * math.pi * radius * height * middle**2)
