"""One blow: Hunt and Crossley's contact between the striker and a surface that gives way, integrated in time.

F = k d^1.5 (1 + 3/2 c d'), k = 4/3 E* sqrt(R) (K. H. Hunt, F. R. E. Crossley, Coefficient of restitution interpreted as
damping in vibroimpact, J. Appl. Mech. 42, 1975). Energy lost in it is gone: the pulse leans to its front.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from foley_sim.judge.substances import Array
from foley_sim.spec import Head, MaterialSample, StrikerSpec

STEPS = 200
"""Of integration in the contact time of the lossless contact."""


def stiffness(striker: StrikerSpec, material: MaterialSample, head: Head) -> float:
    """k [N/m^1.5]."""
    modulus, poisson, radius = striker.youngs_modulus, striker.poisson_ratio, striker.tip_radius
    if head == "pad":
        modulus, poisson, radius = striker.pad_modulus, striker.pad_poisson_ratio, striker.pad_radius
    own = (1 - material.poisson_ratio**2) / material.youngs_modulus
    return 4 / 3 * math.sqrt(radius) / ((1 - poisson**2) / modulus + own)


def restitution(material: MaterialSample, head: Head) -> float:
    """Of the contact itself, for its damping: [0.25, 0.9]."""
    hard = 0.9 - 1.1 * min(material.loss_factor, 0.5)
    return max(hard * (0.55 if head == "pad" else 1.0), 0.25)


def pulse(
    k: float, mass: float, surface_mass: float, e: float, speed: float, impulse: float, onset: float, rate: int
) -> tuple[int, Array]:
    """First sample and the impulse of each sample interval [n] [N s], whose sum is `impulse`."""
    speed = max(speed, 1e-3)
    reduced = mass * surface_mass / (mass + surface_mass)
    duration = 2.94 * (1.25 * reduced / k) ** 0.4 * speed**-0.2
    step = duration / STEPS
    momentum = integrate(k, mass, surface_mass, (1 - e) / speed, speed, step)[0]
    momentum /= momentum[-1]
    times = onset + step * np.arange(momentum.size)
    first = math.floor(onset * rate)
    edges = np.arange(first, math.ceil(times[-1] * rate) + 1) / rate
    return first, impulse * np.diff(np.interp(edges, times, momentum))


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def integrate(
    k: float, mass: float, surface_mass: float, c: float, speed: float, step: float
) -> tuple[Array, float, float]:
    """Momentum handed over up to each step [n], and the speeds of striker and surface afterwards [m/s]."""
    out = np.zeros(40 * 200)
    depth, striker, surface, n = 0.0, speed, 0.0, 0
    while n < out.size - 1:
        rate = striker - surface
        depth += step * rate
        if depth <= 0:
            break
        force = max(k * depth**1.5 * (1 + 1.5 * c * rate), 0.0)
        striker -= step * force / mass
        surface += step * force / surface_mass
        out[n + 1] = out[n] + step * force
        n += 1
    return out[: n + 1], striker, surface
