"""How the judge's things look: palettes of its own, softer contrast, worn edges of colour."""

from __future__ import annotations

import numpy as np

from foley_sim.looks import TEXTURE_SIZE, Look
from foley_sim.paintbox import grain, hsv, noise, shade, to_bytes

# hue, saturation, value, fineness of the pattern (cells), contrast, specular, alpha
_PALETTES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float], int, float, float, float]] = {
    "wood": ((0.99, 1.06), (0.45, 0.8), (0.18, 0.5), 12, 0.22, 0.3, 1.0),
    "metal": ((0.5, 0.7), (0.0, 0.12), (0.35, 0.6), 60, 0.20, 0.9, 1.0),
    "glass": ((0.1, 0.9), (0.25, 0.6), (0.4, 0.8), 3, 0.06, 1.0, 0.8),
    "ceramic": ((0.05, 0.7), (0.0, 0.3), (0.7, 0.95), 6, 0.05, 0.8, 1.0),
    "plastic": ((0.0, 1.0), (0.15, 0.5), (0.6, 0.97), 4, 0.03, 0.35, 1.0),
    "stone": ((0.5, 0.75), (0.03, 0.2), (0.15, 0.4), 48, 0.35, 0.2, 1.0),
    "rubber": ((0.0, 1.0), (0.2, 0.7), (0.25, 0.7), 40, 0.06, 0.1, 1.0),
    "cardboard": ((0.06, 0.13), (0.08, 0.3), (0.4, 0.65), 90, 0.12, 0.04, 1.0),
    "paper": ((0.1, 0.7), (0.05, 0.35), (0.7, 0.98), 8, 0.08, 0.3, 1.0),
    "fabric": ((0.0, 1.0), (0.2, 0.6), (0.25, 0.7), 80, 0.25, 0.03, 1.0),
    "foam": ((0.0, 1.0), (0.3, 0.8), (0.4, 0.9), 64, 0.18, 0.03, 1.0),
    "leaves": ((0.06, 0.2), (0.3, 0.7), (0.2, 0.5), 18, 0.5, 0.1, 1.0),
    "gravel": ((0.0, 0.15), (0.05, 0.3), (0.4, 0.7), 24, 0.55, 0.1, 1.0),
}


def draw_look(material: str, seed: int, size: int = TEXTURE_SIZE) -> Look:
    """The look of one instance, [size, size] texture. Raises KeyError for a material the judge does not have."""
    hue, saturation, value, cells, contrast, specular, alpha = _PALETTES[material]
    rng = np.random.default_rng([0xB100C, seed])
    base = hsv(rng, hue, saturation, value)
    pattern = grain(rng, size, cells) if material == "wood" else noise(rng, size, cells, octaves=3)
    image = shade(base, contrast * pattern + 0.08 * noise(rng, size, 3))
    return Look(to_bytes(image), specular=specular, shininess=0.15 + 0.7 * specular, alpha=alpha)


def table_texture(seed: int, size: int = 512) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A dark or a green-felt bench top, [size, size, 3]."""
    rng = np.random.default_rng([0xB7AB, seed])
    felt = rng.uniform() < 0.5
    hue, saturation, value = ((0.3, 0.45), (0.2, 0.5), (0.2, 0.4)) if felt else ((0.0, 1.0), (0.0, 0.2), (0.15, 0.35))
    base = hsv(rng, hue, saturation, value)
    return to_bytes(shade(base, 0.08 * noise(rng, size, 140)))
