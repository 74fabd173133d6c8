"""Appearances: a procedural texture and a finish for each object, from its material and its look seed.

Palettes of different materials overlap, and some objects are painted, so that sight alone does not name every
material. Colours are sRGB in [0, 1].
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foley_sim.paintbox import grain, hsv, noise, shade, to_bytes

TEXTURE_SIZE = 192
PAINTED_SHARE: dict[str, float] = {"wood": 0.25, "metal": 0.25, "ceramic": 0.2, "plastic": 0.0, "stone": 0.1}


@dataclasses.dataclass(frozen=True, eq=False)
class Look:
    """What a surface looks like to the renderer."""

    texture: NDArray[np.uint8]  # [n, n, 3]
    specular: float  # [0, 1]
    shininess: float  # [0, 1]
    alpha: float = 1.0  # 1 is opaque
    painted: bool = False


def draw_look(material: str, seed: int, size: int = TEXTURE_SIZE) -> Look:
    """The look of one instance. A material without a recipe of its own gets plain colour."""
    rng = np.random.default_rng([0x100C, seed])
    if rng.uniform() < PAINTED_SHARE.get(material, 0.0):
        return painted(rng, size)
    return _RECIPES.get(material, _plastic)(rng, size)


def table_texture(seed: int, size: int = 512) -> NDArray[np.uint8]:
    """The bench top: pale boards, a plain grey or a bluish laminate."""
    rng = np.random.default_rng([0x7AB1E, seed])
    kind = rng.integers(3)
    if kind == 0:
        pale = hsv(rng, (0.08, 0.11), (0.18, 0.32), (0.72, 0.88))
        return to_bytes(shade(pale, 0.05 * grain(rng, size, 22) + 0.03 * noise(rng, size, 4)))
    base = hsv(rng, (0.55, 0.65), (0.02, 0.14 if kind == 1 else 0.3), (0.5, 0.78))
    return to_bytes(shade(base, 0.04 * noise(rng, size, 90) + 0.03 * noise(rng, size, 5)))


# ---- recipes -----------------------------------------------------------------------------------------------
def _wood(rng: np.random.Generator, size: int) -> Look:
    base = hsv(rng, (0.05, 0.11), (0.35, 0.65), (0.38, 0.82))
    rings = 0.20 * grain(rng, size, int(rng.integers(6, 14))) + 0.07 * noise(rng, size, 70, stretch=12)
    varnish = float(rng.uniform(0.05, 0.5))
    return Look(to_bytes(shade(base, rings)), specular=varnish, shininess=0.3)


def _metal(rng: np.random.Generator, size: int) -> Look:
    tint = rng.integers(3)
    if tint == 0:  # steel, aluminium
        base = hsv(rng, (0.55, 0.65), (0.0, 0.06), (0.58, 0.82))
    elif tint == 1:  # brass
        base = hsv(rng, (0.11, 0.14), (0.35, 0.55), (0.62, 0.82))
    else:  # copper, rust-proofed
        base = hsv(rng, (0.03, 0.06), (0.3, 0.5), (0.5, 0.72))
    brushed = 0.14 * noise(rng, size, 110, stretch=40) + 0.12 * noise(rng, size, 2)
    return Look(to_bytes(shade(base, brushed)), specular=0.95, shininess=float(rng.uniform(0.5, 0.9)))


def _glass(rng: np.random.Generator, size: int) -> Look:
    base = hsv(rng, (0.30, 0.62), (0.08, 0.40), (0.62, 0.92))
    return Look(
        to_bytes(shade(base, 0.05 * noise(rng, size, 2))),
        specular=1.0,
        shininess=0.95,
        alpha=float(rng.uniform(0.45, 0.75)),
    )


def _ceramic(rng: np.random.Generator, size: int) -> Look:
    if rng.uniform() < 0.6:
        base = hsv(rng, (0.08, 0.14), (0.02, 0.16), (0.82, 0.97))
    else:  # coloured glaze, terracotta
        base = hsv(rng, (0.0, 1.0), (0.25, 0.65), (0.45, 0.85))
    image = shade(base, 0.03 * noise(rng, size, 3))
    if rng.uniform() < 0.4:  # a painted band
        band = hsv(rng, (0.0, 1.0), (0.4, 0.8), (0.3, 0.7))
        row, width = int(rng.integers(size // 8, size * 3 // 4)), int(rng.integers(size // 12, size // 6))
        image[row : row + width] = band
    return Look(to_bytes(image), specular=0.9, shininess=float(rng.uniform(0.7, 0.95)))


def _plastic(rng: np.random.Generator, size: int) -> Look:
    base = hsv(rng, (0.0, 1.0), (0.55, 0.95), (0.5, 0.95))
    if rng.uniform() < 0.3:  # white, grey or black mouldings
        base = hsv(rng, (0.0, 1.0), (0.0, 0.08), (0.12, 0.92))
    return Look(
        to_bytes(shade(base, 0.02 * noise(rng, size, 4))),
        specular=float(rng.uniform(0.3, 0.8)),
        shininess=float(rng.uniform(0.3, 0.7)),
    )


def _stone(rng: np.random.Generator, size: int) -> Look:
    base = hsv(rng, (0.04, 0.65), (0.0, 0.16), (0.35, 0.75))
    speckle = noise(rng, size, 96)
    image = shade(base, 0.16 * noise(rng, size, 8, octaves=4) + 0.12 * speckle)
    image[speckle > 0.62] *= 0.45
    image[speckle < -0.66] = np.clip(image[speckle < -0.66] * 1.5, 0, 1)
    polished = rng.uniform() < 0.3
    return Look(to_bytes(image), specular=0.6 if polished else 0.1, shininess=0.6 if polished else 0.1)


def _rubber(rng: np.random.Generator, size: int) -> Look:
    base = hsv(rng, (0.0, 1.0), (0.0, 0.12), (0.08, 0.24))
    if rng.uniform() < 0.3:
        base = hsv(rng, (0.0, 1.0), (0.4, 0.75), (0.3, 0.6))
    return Look(to_bytes(shade(base, 0.10 * noise(rng, size, 64))), specular=0.08, shininess=0.05)


def _cardboard(rng: np.random.Generator, size: int) -> Look:
    base = hsv(rng, (0.07, 0.10), (0.32, 0.48), (0.52, 0.74))
    fibre = 0.07 * noise(rng, size, 100, stretch=5) + 0.05 * noise(rng, size, 4)
    image = shade(base, fibre)
    image *= 1.0 - 0.05 * (np.sin(np.arange(size) * 2 * np.pi * 26 / size) > 0.6)[None, :, None]  # fluting
    return Look(to_bytes(image), specular=0.03, shininess=0.05)


def painted(rng: np.random.Generator, size: int) -> Look:
    """Any colour, any gloss: what is under the paint cannot be seen."""
    base = hsv(rng, (0.0, 1.0), (0.15, 0.85), (0.35, 0.95))
    gloss = float(rng.uniform(0.1, 0.8))
    image = shade(base, 0.025 * noise(rng, size, 24))
    return Look(to_bytes(image), specular=gloss, shininess=0.2 + 0.5 * gloss, painted=True)


_RECIPES: dict[str, Callable[[np.random.Generator, int], Look]] = {
    "wood": _wood,
    "metal": _metal,
    "glass": _glass,
    "ceramic": _ceramic,
    "plastic": _plastic,
    "stone": _stone,
    "rubber": _rubber,
    "cardboard": _cardboard,
}
