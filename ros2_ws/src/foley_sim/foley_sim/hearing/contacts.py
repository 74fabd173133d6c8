"""What touches a body, and when: the force of a contact over time, and what sounds by itself.

A blow of a mass m at speed v lasts (Hertz, in Johnson, Contact Mechanics, eq. 11.24)

  tau = 2.87 (m^2 / (R E*^2 v))^(1/5),   1 / E* = 1 / E_body + 1 / E_striker,   1 / m = 1 / m_body + 1 / m_striker

Sliding is a dense random series of micro-impacts of the asperities: noise whose strength and band follow the speed
and the roughness. Loose matter, chips and shards are grains (`foley_sim.sound.grains`; P. R. Cook, PhISM, 1997).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from foley_sim.hearing import kernels
from foley_sim.hearing.backgrounds import Noise
from foley_sim.hearing.bodies import Array, Body, log_uniform, material_rate
from foley_sim.hearing.vocabulary import DRAWN_ACTIONS, RATE, SAMPLES, STRIKERS, SUPPORTS


@dataclasses.dataclass(frozen=True)
class Striker:
    """Ranges that log-uniform draws come from."""

    youngs_modulus: tuple[float, float]  # [Pa]
    mass: tuple[float, float]  # [kg], what moves with it
    radius: tuple[float, float]  # [m], of its tip
    hz: tuple[float, float]  # its own ring, where it has one
    rate: tuple[float, float]  # and how fast that dies [1/s]


STRIKER: dict[str, Striker] = {
    "metal": Striker((7e10, 2.1e11), (0.003, 3.0), (0.0005, 0.03), (400, 9000), (8, 300)),
    "rubber": Striker((1e6, 5e7), (0.005, 1.0), (0.003, 0.05), (0, 0), (0, 0)),
    "plastic": Striker((1e9, 4e9), (0.002, 0.5), (0.001, 0.03), (300, 5000), (80, 600)),
    "wood": Striker((5e8, 1.2e10), (0.005, 2.0), (0.002, 0.04), (200, 5000), (60, 500)),
    "fingernail": Striker((1e9, 3e9), (0.003, 0.05), (0.001, 0.005), (0, 0), (0, 0)),
    "shoe": Striker((5e6, 2e9), (0.1, 3.0), (0.01, 0.1), (60, 600), (80, 400)),
    "felt": Striker((1e5, 2e7), (0.005, 0.3), (0.003, 0.03), (0, 0), (0, 0)),
    "stone": Striker((1e10, 7e10), (0.01, 2.0), (0.002, 0.05), (800, 9000), (80, 800)),
}

_ACTION_WEIGHTS: dict[str, tuple[float, ...]] = {
    #        hit  bounce chat scrat rub  roll  foot dig  break press
    "solid": (6.5, 0.9, 0.8, 0.9, 0.3, 0.3, 0.7, 0.4, 0.4, 0.1),
    "slab": (4.0, 0.4, 0.4, 0.8, 0.3, 0.4, 4.0, 1.0, 0.3, 0.1),
    "loose": (1.0, 1.0, 1.5, 0.8, 0.5, 0.3, 1.5, 2.0, 1.0, 0.3),
    "soft": (3.0, 0.3, 0.4, 1.5, 1.5, 0.3, 1.2, 0.4, 0.4, 1.2),
}  # fmt: skip
_SUPPORT_WEIGHTS = (0.3, 0.17, 0.07, 0.08, 0.25, 0.1, 0.03)
_STRIKER_WEIGHTS = (2.0, 0.7, 1.0, 1.5, 0.9, 0.0, 0.5, 0.5, 1.6)
SUPPORT_RATE: dict[str, tuple[float, float]] = {
    "free": (0.02, 2.0), "held": (2, 40), "gripped": (15, 250), "foam": (2, 50), "table": (2, 70), "clamped": (1, 50),
    "bedded": (10, 400),
}  # fmt: skip
"""Decay rate that a support adds to a body of 0.1 kg [1/s]; to a heavier one less."""


_ACROSS = {"wood": (0.03, 0.2), "cardboard": (0.003, 0.05), "paper": (0.002, 0.03)}
"""What dents is pressed across its fibres: that modulus over the one along them, where it is another (Forest Products
Laboratory, Wood Handbook, table 5-1; K. J. Niskanen, Paper Physics)."""


@dataclasses.dataclass
class Force:
    """What a contact does: excitation of the body and sound of its own, each [SAMPLES]."""

    at_body: Array  # [N s] per sample, at a first place
    elsewhere: Array  # the same, at a second place
    grains: Array  # heard directly
    width_s: float  # of the first blow; 0 where there is none


def choose_action(body: Body, rng: np.random.Generator) -> str:
    soft = body.material.youngs_modulus < 1e8 or body.material.name in ("paper", "cardboard")
    kind = (
        "loose" if body.shape == "loose" else "slab" if body.shape == "slab" else "soft" if soft else "solid"
    )
    weights = np.array(_ACTION_WEIGHTS[kind])
    return DRAWN_ACTIONS[int(rng.choice(len(DRAWN_ACTIONS), p=weights / weights.sum()))]


def choose_striker(action: str, rng: np.random.Generator) -> str:
    if action == "footstep":
        return "shoe"
    weights = np.array(_STRIKER_WEIGHTS)
    return STRIKERS[int(rng.choice(len(STRIKERS), p=weights / weights.sum()))]


def choose_support(body: Body, action: str, rng: np.random.Generator) -> str:
    if body.shape in ("slab", "heap") or action in ("footstep", "dig"):
        return str(rng.choice(["bedded", "bedded", "bedded", "free", "table", "clamped"]))
    if body.material.name == "stone" and rng.random() < 0.35:  # on the ground, or in a wall
        return "bedded"
    return SUPPORTS[int(rng.choice(len(SUPPORTS), p=_SUPPORT_WEIGHTS))]


def support_rate(body: Body, support: str, rng: np.random.Generator) -> Array:
    """What a support adds to the decay rates of a body's modes [m]."""
    lightness = min(max((0.1 / body.mass) ** 0.3, 0.15), 3.0)
    base = log_uniform(rng, *SUPPORT_RATE[support]) * lightness
    slope = rng.uniform(-0.2, 0.6)
    return np.asarray(
        base * (body.hz / 1000.0) ** slope * np.exp(rng.normal(0, 0.7, body.hz.size)), dtype=np.float32
    )


def contact_force(
    body: Body, action: str, striker: str, onset: float, noise: Noise, rng: np.random.Generator
) -> Force:
    """Draw one contact that begins at sample `onset`."""
    silent = np.zeros((3, SAMPLES), np.float32)
    force = Force(silent[0], silent[1], silent[2], 0.0)
    hardness = body.material.youngs_modulus * log_uniform(rng, *_ACROSS.get(body.material.name, (1.0, 1.0)))
    if striker == "same":
        modulus, mass, radius = hardness, log_uniform(rng, 0.002, 2.0), log_uniform(rng, 0.001, 0.05)
    else:
        s = STRIKER[striker]
        modulus, mass, radius = (log_uniform(rng, *r) for r in (s.youngs_modulus, s.mass, s.radius))
    together = 1 / (1 / mass + 1 / body.mass)
    contact_modulus = 1 / (1 / modulus + 1 / hardness)
    radius = 1 / (1 / radius + 1 / body.radius)
    speed = log_uniform(rng, 0.05, 6.0)

    def width(v: Array, scale: float = 1.0) -> Array:
        tau = 2.87 * (together**2 / (radius * contact_modulus**2 * np.maximum(v, 0.01))) ** 0.2
        return np.asarray(np.clip(tau * scale, 2e-5, 0.025) * RATE, dtype=np.float32)

    times, speeds = _blows(action, speed, rng)
    seconds = onset / RATE + times
    if times.size:
        blows = together * speeds * (1 + rng.uniform(0, 0.8))
        first = rng.random(times.size) < 0.6
        first[0] = True
        w = width(speeds) * np.exp(rng.normal(0, 0.15, times.size)).astype(np.float32)
        for chosen, out in ((first, force.at_body), (~first, force.elsewhere)):
            if chosen.any():
                kernels.add_pulses(
                    (seconds[chosen] * RATE).astype(np.float32),
                    blows[chosen].astype(np.float32),
                    w[chosen],
                    out,
                )
        force.width_s = float(w[0]) / RATE
        _crackle(force, body, seconds, blows, contact_modulus, noise, rng)
    slide = _slide(action, rng)
    if slide is not None:
        strength, lag, length = slide
        _slip(
            force, body, onset + lag * RATE, length, strength * together * speed, contact_modulus, noise, rng
        )
    _add_grains(force, body, action, seconds if times.size else np.array([onset / RATE]), speed, rng)
    return force


def _blows(action: str, speed: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Times after the onset [s] and speeds [m/s] of impacts."""
    if action == "hit":
        if rng.random() < 0.12:
            return np.array([0.0, log_uniform(rng, 0.002, 0.06)]), speed * np.array(
                [1.0, rng.uniform(0.1, 0.8)]
            )
        return np.zeros(1), np.full(1, speed)
    if action == "bounce":
        count, keep = int(rng.integers(2, 9)), rng.uniform(0.35, 0.88)
        gaps = log_uniform(rng, 0.03, 0.4) * keep ** np.arange(count - 1)
        return np.concatenate([[0.0], np.cumsum(gaps)]), speed * keep ** np.arange(count)
    if action in ("chatter", "dig", "break", "roll"):
        count = int(log_uniform(rng, 3, 30))
        spread = log_uniform(rng, 0.05, 0.8)
        times = np.sort(rng.random(count) ** rng.uniform(0.8, 2.5)) * spread
        times[0] = 0.0
        speeds = speed * np.exp(rng.normal(0, 0.8, count)) * 0.4
        if action in ("dig", "break"):
            speeds *= np.exp(-times / spread * 2)
            speeds[0] = speed
        return times, speeds * (0.3 if action == "roll" else 1.0)
    if action == "footstep":
        toe = rng.uniform(0.03, 0.22)
        if rng.random() < 0.3:
            return np.zeros(1), np.full(1, speed)
        return np.array([0.0, toe]), speed * np.array([1.0, log_uniform(rng, 0.15, 1.3)])
    if action == "press" and rng.random() < 0.5:
        return np.zeros(1), np.full(1, 0.1 * speed)
    return np.zeros(0), np.zeros(0)


def _slide(action: str, rng: np.random.Generator) -> tuple[float, float, float] | None:
    """Strength, delay and length [s] of what slides."""
    if action == "scratch":
        return 1.0, 0.0, log_uniform(rng, 0.08, 0.9)
    if action in ("rub", "press"):
        return 0.6, 0.0, log_uniform(rng, 0.2, 1.0)
    if action == "roll":
        return 0.3, 0.0, log_uniform(rng, 0.3, 1.0)
    if action == "footstep" and rng.random() < 0.6:
        return log_uniform(rng, 0.003, 0.15), rng.uniform(0, 0.1), log_uniform(rng, 0.03, 0.3)
    if action == "dig" and rng.random() < 0.7:
        return log_uniform(rng, 0.01, 0.3), 0.0, log_uniform(rng, 0.1, 0.6)
    return None


def _grit_share(modulus: float) -> float:
    """Of the band that asperities fill: they are as short as the whole contact, E^-0.4 (Hertz)."""
    return float(min((modulus / 2e10) ** 0.4, 1.0))


def _crackle(
    force: Force,
    body: Body,
    seconds: Array,
    blows: Array,
    modulus: float,
    noise: Noise,
    rng: np.random.Generator,
) -> None:
    """Asperities that give way while a blow lasts: a short burst, the stronger the rougher."""
    if rng.random() < 0.3:
        return
    level = log_uniform(rng, 0.005, 0.5) * (0.2 + body.material.roughness)
    length = int(log_uniform(rng, 0.0005, 0.015) * RATE)
    burst = noise.slice(length, rng) * np.exp(-5 * np.arange(length, dtype=np.float32) / length)
    kernels.smooth(burst, math.exp(-2 * math.pi * 11500.0 * _grit_share(modulus) / RATE))
    burst = burst * np.float32(level / math.sqrt(length) * 3)
    for time, blow in zip(seconds[:6], blows[:6], strict=True):
        first = int(time * RATE)
        stop = min(first + length, SAMPLES)
        if first < stop:
            force.at_body[first:stop] += burst[: stop - first] * np.float32(blow)


def _slip(
    force: Force,
    body: Body,
    first: float,
    length_s: float,
    strength: float,
    modulus: float,
    noise: Noise,
    rng: np.random.Generator,
) -> None:
    """Micro-impacts of a slide."""
    start = int(first)
    count = min(int(length_s * RATE), SAMPLES - start)
    if count < 200:
        return
    place = np.linspace(0, 1, count, dtype=np.float32)
    strokes = int(rng.integers(1, 4)) if length_s > 0.3 else 1
    speed = np.abs(np.sin(np.pi * strokes * place)) ** rng.uniform(0.3, 1.5)
    speed *= np.interp(place, np.linspace(0, 1, 8), rng.uniform(0.4, 1.2, 8))
    x = noise.slice(count, rng) * speed.astype(np.float32)
    # Rough surfaces: fewer, stronger asperities. Raised to a power, noise becomes sparse.
    sparse = 1 + 4 * body.material.roughness * rng.random()
    x = np.sign(x) * np.abs(x) ** sparse
    kernels.smooth(
        x, math.exp(-2 * math.pi * min(log_uniform(rng, 1000, 20000) * _grit_share(modulus), 11500.0) / RATE)
    )
    size = math.sqrt(float(np.mean(x * x))) + 1e-9
    force.at_body[start : start + count] += x * np.float32(strength * 0.05 / size)


def _add_grains(
    force: Force, body: Body, action: str, seconds: Array, speed: float, rng: np.random.Generator
) -> None:
    """Grains of loose matter; and chips, shards or pieces of a solid, which ring as such small things do."""
    m = body.material
    heap = m.grain_hz > 0 or body.shape == "heap"
    falls = action in ("dig", "break") or body.shape == "loose"
    if not (heap or falls):
        return
    if m.name in ("fabric", "paper") and body.shape not in ("heap", "sheet") and rng.random() < 0.5:
        return
    count = int(log_uniform(rng, 20, 700) if heap else log_uniform(rng, 4, 150))
    if action in ("scratch", "rub", "roll", "press"):
        delay = rng.random(count) * rng.uniform(0.2, 0.9)
    else:
        late = log_uniform(rng, 0.006, 0.05) if heap else log_uniform(rng, 0.02, 0.4)
        delay = rng.choice(seconds, count) - seconds[0] + rng.exponential(late, count)
    hz: Array
    rate: Array
    if m.grain_hz > 0:
        hz = m.grain_hz * log_uniform(rng, 0.35, 1.4) * 2.0 ** (m.grain_spread * rng.standard_normal(count))
        rate = 1.0 / (m.grain_decay_s * np.exp(rng.normal(0, 0.4, count)))
    elif m.youngs_modulus < 1e8:
        hz, rate = 1500 * 2.0 ** rng.normal(0, 1.0, count), 1 / (0.0006 * np.exp(rng.normal(0, 0.4, count)))
    else:
        hz, rate = _pieces(body, count, rng)
    gain = rng.exponential(1.0, count) if m.name != "paper" else rng.random(count) ** 4 * 6
    gain = gain * rng.choice([-1, 1], count)
    kernels.add_grains(
        ((seconds[0] + delay) * RATE).astype(np.float32), gain.astype(np.float32),
        (2 * np.pi * np.clip(hz, 120, 11500) / RATE).astype(np.float32),
        np.clip(rate / RATE, 2e-4, 1.0).astype(np.float32), force.grains,
    )  # fmt: skip


def _pieces(body: Body, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Lowest modes [Hz] and decay rates [1/s] of small pieces of the material."""
    m = body.material
    c = math.sqrt(m.youngs_modulus / m.density)
    size = log_uniform(rng, 0.004, 0.08) * np.exp(rng.normal(0, 0.4, count))
    slender = log_uniform(rng, 0.03, 0.6)
    hz = np.minimum(1.03 * slender * c / size, 0.6 * c / size) * rng.choice([1.0, 1.7, 2.76], count)
    hz = np.where(hz > 11000, rng.uniform(5000, 11000, count), hz)
    rate = material_rate(m, hz, rng) + log_uniform(rng, 10, 300)
    return hz, rate
