"""What is struck: a body of one material, its modes from the analytic frequencies of its class.

Frequencies, with c = sqrt(E / rho), length L, thickness h (Fletcher & Rossing, The Physics of Musical Instruments):

  bar, rod, tube   f_n = K c / (2 pi L^2) (beta_n L)^2, free ends: beta L = 4.730, 7.853, 10.996, ...; one end
                   clamped: 1.875, 4.694, 7.855, ...; K = h / sqrt(12), r / 2, or that of a tube; and c / 2L, along it
  plate, box       f_mn = 0.453 c_p h ((m / Lx)^2 + (n / Ly)^2), c_p = c / sqrt(1 - nu^2), supported edges; a box has
                   those of its three panels and the resonance of its air
  shell            f_n = c_p h / (2 pi sqrt(12) R^2) n (n^2 - 1) / sqrt(n^2 + 1), rings; higher along its axis
  dish             plate modes, raised by its curvature: f^2 = f_plate^2 + f_ring^2
  block            (c / 2) sqrt((l / Lx)^2 + (m / Ly)^2 + (n / Lz)^2), randomly shifted: their number grows with f^3
  sheet            tension and bending: f^2 = f_tension^2 + f_plate^2

each shifted at random, for no real body is ideal, and split in pairs where a round one is not quite round. Amplitude
decay rate of a mode [1/s]:

  (alpha + beta w^2 + eta(f) w) / 2 + support + radiation

The loss factors that MaterialRange gives are of clean specimens; bodies are painted, coated, cracked, filled, glued
and bolted, so they are scattered further here (Cremer & Heckl, Structure-Borne Sound: by a factor of three to ten).
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_sim.hearing.vocabulary import SHAPES
from foley_sim.materials import draw_material
from foley_sim.spec import MaterialSample

Array = NDArray[np.floating[Any]]

MODES = 64
LOWEST_HZ, HIGHEST_HZ = 35.0, 11_800.0
AIR_DENSITY, AIR_SPEED = 1.2, 343.0

SHAPE_WEIGHTS: dict[str, tuple[float, ...]] = {
    #          plate bar  box  shell block tube rod  dish sheet slab heap loose
    "wood": (1.5, 2.0, 2.0, 0.3, 1.5, 0.3, 1.5, 0.3, 0.2, 2.0, 0.0, 0.4),
    "metal": (1.5, 1.5, 1.3, 1.8, 0.8, 1.5, 1.5, 1.5, 0.8, 0.8, 0.0, 0.6),
    "glass": (1.5, 0.5, 0.4, 3.5, 0.7, 0.7, 0.4, 1.2, 0.0, 0.4, 0.0, 1.0),
    "ceramic": (1.5, 0.3, 0.3, 2.5, 0.7, 0.3, 0.0, 2.0, 0.0, 1.2, 0.0, 0.8),
    "plastic": (1.5, 0.8, 2.0, 2.0, 0.7, 1.2, 0.6, 1.0, 0.8, 0.6, 0.0, 0.4),
    "stone": (1.5, 0.5, 0.2, 0.2, 2.5, 0.0, 0.2, 0.2, 0.0, 2.5, 0.0, 1.5),
    "rubber": (1.0, 0.5, 0.5, 0.6, 2.0, 0.6, 0.4, 0.3, 1.0, 1.0, 0.0, 0.0),
    "cardboard": (1.0, 0.2, 3.0, 0.3, 0.6, 1.0, 0.0, 0.2, 1.5, 0.3, 0.0, 0.0),
    "paper": (0.6, 0.0, 0.5, 0.0, 0.8, 0.2, 0.0, 0.0, 2.5, 0.0, 1.5, 0.0),
    "fabric": (0.3, 0.0, 0.2, 0.0, 1.0, 0.0, 0.0, 0.0, 2.0, 0.6, 1.5, 0.0),
    "foam": (1.0, 0.2, 0.2, 0.0, 3.0, 0.0, 0.0, 0.0, 0.4, 0.6, 0.3, 0.0),
    "leaves": (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0),
    "gravel": (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0),
}
"""How often a material comes as each of SHAPES."""

_LENGTH_M = {
    "plate": (0.05, 1.2), "bar": (0.04, 1.5), "box": (0.04, 1.0), "shell": (0.03, 0.5), "block": (0.015, 0.5),
    "tube": (0.05, 1.5), "rod": (0.04, 1.5), "dish": (0.04, 0.6), "sheet": (0.08, 1.5), "slab": (0.2, 2.0),
    "heap": (0.05, 0.5), "loose": (0.004, 0.06),
}  # fmt: skip
_SLENDER = {  # thickness over length
    "plate": (0.004, 0.12), "bar": (0.01, 0.15), "box": (0.008, 0.08), "shell": (0.008, 0.09), "block": (0.3, 1.0),
    "tube": (0.01, 0.12), "rod": (0.004, 0.08), "dish": (0.005, 0.08), "sheet": (0.0005, 0.004), "slab": (0.01, 0.3),
    "heap": (0.2, 0.5), "loose": (0.15, 1.0),
}  # fmt: skip
_HOLLOW = {"box": (0.6, 0.97), "shell": (0.6, 0.97), "tube": (0.4, 0.95), "dish": (0.2, 0.6)}
_ALTERED = {"wood": 0.25, "stone": 0.2, "glass": 0.08}
_FREE_BAR = np.concatenate([[4.730, 7.853], (2 * np.arange(3, 40) + 1) * math.pi / 2])
_CLAMPED_BAR = np.concatenate([[1.875, 4.694], (2 * np.arange(3, 40) - 1) * math.pi / 2])
_GRID = (
    np.stack(np.meshgrid(np.arange(1, 25), np.arange(1, 25), indexing="ij"), -1).reshape(-1, 2).astype(float)
)
_CUBE = np.stack(np.meshgrid(*[np.arange(0, 6)] * 3, indexing="ij"), -1).reshape(-1, 3)[1:].astype(float)


@dataclasses.dataclass(frozen=True)
class Body:
    """One thing, as it would sound hanging free. Modes in the order of their frequency, m of them, maybe none."""

    object_id: int
    material: MaterialSample
    shape: str
    length: float  # [m], the longest side
    thickness: float  # [m], of its wall where it is hollow
    hollowness: float  # [0, 1], share of its volume that is air
    mass: float  # [kg]
    radius: float  # [m], of curvature where it is touched
    hz: Array  # [m]
    rate: Array  # [m] amplitude decay rate [1/s] of material and radiation
    level: Array  # [m] how strongly a mode moves and radiates, strike position apart
    air: int  # how many of the first modes are those of enclosed air


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Uniform in its logarithm."""
    return float(low * (high / low) ** rng.random())


def draw_body(object_id: int, name: str, rng: np.random.Generator, shape: str = "") -> Body:
    """A body of material `name`; of any shape it comes in, or of the one given."""
    material = draw_material(name, rng)
    if not shape:
        weights = np.array(SHAPE_WEIGHTS[name], float)
        shape = SHAPES[int(rng.choice(len(SHAPES), p=weights / weights.sum()))]
    low, high = _LENGTH_M[shape]
    length = low * (high / low) ** (rng.random() ** 1.3)
    thickness = max(length * log_uniform(rng, *_SLENDER[shape]), 1e-4)
    slim = shape in ("bar", "rod", "tube")
    width = length * (rng.uniform(0.02, 0.2) if slim else log_uniform(rng, 0.25, 1.0))
    hollowness = float(rng.uniform(*_HOLLOW[shape])) if shape in _HOLLOW else 0.0
    volume = length * width * thickness * {"box": 3.0, "shell": 3.0, "tube": 3.0}.get(shape, 1.0)
    mass = float(np.clip(material.density * volume, 1e-4, 200.0))
    hz, air = _frequencies(shape, material, length, width, thickness, rng)
    hz = hz * np.exp(rng.normal(0.0, log_uniform(rng, 0.003, 0.08), hz.size))
    if shape in ("shell", "dish", "tube") and hz.size:  # not quite round: pairs that beat
        split = 1.0 + rng.normal(0.0, log_uniform(rng, 0.0005, 0.02), hz.size - air)
        hz = np.concatenate([hz, hz[air:] * split])
    kept = (hz > LOWEST_HZ) & (hz < HIGHEST_HZ)
    kept[:air] &= rng.random(air) < 0.7
    air = int(kept[:air].sum())
    hz = hz[kept]
    if hz.size > MODES:  # the lowest and a part of the others
        order = np.argsort(hz[air:])
        lowest = order[: MODES // 3]
        rest = rng.choice(order[MODES // 3 :], MODES - air - lowest.size, replace=False)
        hz = np.concatenate([hz[:air], hz[air:][lowest], hz[air:][rest]])
    rate = material_rate(material, hz, rng) + _radiation_rate(shape, material, thickness, hz)
    rate[:air] = np.pi * hz[:air] / rng.uniform(4, 25, air)
    size = length if shape in ("plate", "slab", "sheet", "box", "dish") else width
    reach = (2 * np.pi * hz * size / AIR_SPEED) ** float(rng.uniform(0.7, 2.0))
    level = (
        reach
        / (1 + reach)
        * np.exp(rng.normal(0, 0.5, hz.size))
        * (hz / 1000.0) ** float(rng.normal(0.2, 0.4))
    )
    level[:air] *= log_uniform(rng, 0.1, 2.0)
    return Body(
        object_id, material, shape, length, thickness, hollowness, mass, log_uniform(rng, 0.001, 0.1),
        hz.astype(np.float32), rate.astype(np.float32), level.astype(np.float32), air,
    )  # fmt: skip


def _frequencies(
    shape: str, m: MaterialSample, length: float, width: float, h: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], int]:
    """Frequencies [Hz], and how many of the first are those of air."""
    c = math.sqrt(m.youngs_modulus / m.density)
    plate_speed = c / math.sqrt(1 - m.poisson_ratio**2)
    air: Array = np.zeros(0)
    if shape in ("bar", "rod", "tube"):
        radius = max(width / 2, h)
        gyration = {"bar": h / math.sqrt(12), "rod": h / 4, "tube": radius / math.sqrt(2)}[shape]
        beta = _FREE_BAR if rng.random() < 0.7 else _CLAMPED_BAR
        bending = gyration * c / (2 * math.pi * length**2) * beta**2
        # Short waves shear the bar (Timoshenko): they are slower than Euler's.
        bending = bending / np.sqrt(1 + 3.5 * (gyration * beta / length) ** 2)
        twisting = 0.55 * c / (2 * length) * np.arange(1, 6) * rng.uniform(0.6, 1.0)
        hz = np.concatenate([bending, twisting, c / (2 * length) * np.arange(1, 4)])
        if shape == "tube":
            n = np.arange(2, 9)
            rings = (
                plate_speed
                * h
                / (2 * math.pi * math.sqrt(12) * radius**2)
                * n
                * (n * n - 1)
                / np.sqrt(n * n + 1)
            )
            hz = np.concatenate([hz, (rings[:, None] * (1 + 0.12 * np.arange(4) ** 2)).ravel()])
            air = AIR_SPEED / (2 * length) * np.arange(1, 5) * rng.uniform(0.5, 1.0)
    elif shape in ("plate", "slab", "sheet", "dish"):
        edge = float(rng.choice([0.0, 0.25, 0.5]))  # supported, or freer at the edges
        squares = ((_GRID[:, 0] - edge) / length) ** 2 + ((_GRID[:, 1] - edge) / width) ** 2
        hz = 0.453 * plate_speed * h * squares
        if shape == "dish":
            hz = np.hypot(hz, plate_speed / (2 * math.pi * length * log_uniform(rng, 0.7, 6.0)))
        if shape == "sheet":
            hz = np.hypot(hz, log_uniform(rng, 3.0, 60.0) / 2 * np.sqrt(squares))
        # A thick plate shears too.
        hz = hz / np.sqrt(1 + hz * h / (0.25 * c))
    elif shape == "box":
        sides = (length, width, length * log_uniform(rng, 0.2, 1.0))
        panels = []
        for a, b in ((0, 1), (1, 2), (0, 2)):
            squares = (_GRID[:144, 0] / sides[a]) ** 2 + (_GRID[:144, 1] / sides[b]) ** 2
            panels.append(0.453 * plate_speed * h * rng.uniform(0.7, 1.3) * squares)
        hz = np.concatenate(panels)
        air = AIR_SPEED / 2 / np.array(sides) * rng.uniform(0.4, 1.0)
    elif shape == "shell":
        radius = length * rng.uniform(0.2, 0.5)
        n = np.arange(2, 13)
        rings = (
            plate_speed * h / (2 * math.pi * math.sqrt(12) * radius**2) * n * (n * n - 1) / np.sqrt(n * n + 1)
        )
        axial = 1 + rng.uniform(0.05, 1.5) * np.arange(5) ** 1.5
        hz = (rings[:, None] * axial).ravel()
        air = AIR_SPEED / (2 * math.pi) * np.array([log_uniform(rng, 0.1, 1.0) / radius, 2.0 / radius])
    elif shape == "block":
        sides3 = np.array([length, length * rng.uniform(0.4, 1.0), max(h, 0.3 * length)])
        hz = c / 2 * np.sqrt(((_CUBE / sides3) ** 2).sum(1)) * rng.uniform(0.55, 1.0, len(_CUBE))
    else:
        return np.zeros(0), 0
    return np.concatenate([air, hz]), air.size


def material_rate(
    m: MaterialSample, hz: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Decay rate [m] that the matter causes, scattered as specimens do, and by what is done to them."""
    eta = m.loss_factor * math.exp(rng.normal(0.0, 0.35))
    if rng.random() < _ALTERED.get(m.name, 0.15):  # painted, coated, cracked, filled, or of several parts
        eta = max(eta, 3e-4) * log_uniform(rng, 1.3, 5.0) + log_uniform(rng, 2e-4, 4e-3)
    slope = float(rng.normal(0.0, 0.15))
    omega = 2 * np.pi * hz
    of_mode = np.exp(rng.normal(0.0, 0.25, hz.size))
    curve = np.clip(hz / 1000.0, 0.05, 20.0) ** slope
    return np.asarray((m.damping_alpha + m.damping_beta * omega**2 + eta * curve * omega) / 2 * of_mode)


def _radiation_rate(shape: str, m: MaterialSample, h: float, hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Decay rate [m] by the sound that leaves a thin wall; full above its coincidence frequency."""
    c = math.sqrt(m.youngs_modulus / m.density)
    coincidence = AIR_SPEED**2 / (1.8 * c * h)
    ratio = hz / coincidence
    efficiency = np.where(ratio < 1, 0.3 * np.minimum(ratio, 1.0) ** 0.75, 1.0)
    if shape in ("bar", "rod", "block", "tube"):
        efficiency = 0.15 * efficiency
    return np.asarray(AIR_DENSITY * AIR_SPEED * efficiency / (m.density * max(h, 2e-4)) / 2)
