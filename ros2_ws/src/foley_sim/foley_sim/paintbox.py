"""Procedural textures: colours, noise, grain. Colours are sRGB in [0, 1]."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
RGB = tuple[float, float, float]


def hsv(
    rng: np.random.Generator, h: tuple[float, float], s: tuple[float, float], v: tuple[float, float]
) -> RGB:
    """A random colour within ranges of hue (may wrap), saturation and value."""
    return colorsys.hsv_to_rgb(float(rng.uniform(*h)) % 1.0, float(rng.uniform(*s)), float(rng.uniform(*v)))


def noise(rng: np.random.Generator, size: int, cells: int, *, stretch: int = 1, octaves: int = 2) -> Image:
    """Smooth noise in about [-1, 1], [size, size]; ``cells`` per side, drawn out along rows by ``stretch``."""
    image = np.zeros((size, size), dtype=np.float32)
    weight = 1.0
    for octave in range(octaves):
        rows = min(cells * 2**octave, size)
        columns = max(rows // stretch, 2)
        grid = rng.uniform(-1, 1, (max(rows, 2), columns)).astype(np.float32)
        image += weight * cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
        weight *= 0.5
    return np.clip(image, -1.2, 1.2)


def grain(rng: np.random.Generator, size: int, rings: int) -> Image:
    """Year rings cut along the grain, in [-1, 1]."""
    across = np.linspace(0, rings, size, dtype=np.float32)[:, None]
    warp = 0.9 * noise(rng, size, 6, stretch=3) + 0.25 * noise(rng, size, 24, stretch=8)
    phase = across + warp + float(rng.uniform())
    saw = phase - np.floor(phase)  # a ring darkens slowly and ends sharply
    return np.asarray(1.0 - 2.0 * saw**2.2, dtype=np.float32)


def shade(base: RGB, variation: Image) -> Image:
    """Colour image [n, n, 3] of a base colour made lighter and darker by a relative variation [n, n]."""
    return np.asarray(np.array(base, dtype=np.float32) * (1.0 + variation[:, :, None]), dtype=np.float32)


def to_bytes(image: Image) -> NDArray[np.uint8]:
    """[n, n, 3] in [0, 1] to 8 bits."""
    return np.asarray(np.round(np.clip(image, 0, 1) * 255), dtype=np.uint8)
