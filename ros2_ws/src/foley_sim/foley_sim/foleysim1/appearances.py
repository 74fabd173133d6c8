"""Appearances of FoleySim-1: the recipes of `looks`, those of softer and looser things, photographs, and disguises.

A look is named by a material, or by a disguise: `paint` (any colour, any gloss) or `fruit`. Half of the looks that
have photographs use one (data/textures, see the LICENSE there), turned, scaled and tinted at random.
"""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_sim.looks import TEXTURE_SIZE, Look, draw_look, painted
from foley_sim.materials import MATERIALS
from foley_sim.paintbox import Image, hsv, noise, shade, to_bytes

PHOTOGRAPHS: dict[str, tuple[str, ...]] = {
    "wood": ("dark-wood", "light-wood", "gray-woodgrain", "red-wood", "wood-varnished-panels"),
    "metal": ("steel-brushed", "steel-scratched", "brass-ambra"),
    "ceramic": ("ceramic", "clay", "cream-plaster"),
    "stone": ("gray-plaster", "cream-plaster", "white-bricks"),
    "fabric": ("gray-felt",),
    "foam": ("gray-felt", "gray-plaster"),
    "gravel": ("dirt",),
}
PHOTOGRAPH_SHARE = 0.5
DISGUISE_LOOKS: tuple[str, ...] = ("paint", "fruit")
LOOKS: tuple[str, ...] = (*MATERIALS, *DISGUISE_LOOKS)


def draw_appearance(look: str, seed: int, size: int = TEXTURE_SIZE) -> Look:
    """One look, [size, size] texture.

    Raises:
        ValueError: ``look`` is neither a material nor a disguise.
    """
    if look not in LOOKS:
        raise ValueError(f"look is `{look}`, known are {', '.join(LOOKS)}")
    rng = np.random.default_rng([0xA99EA, seed])
    recipe = _RECIPES.get(look)
    drawn = recipe(rng, size) if recipe is not None else draw_look(look, seed, size)
    if look in PHOTOGRAPHS and not drawn.painted and rng.uniform() < PHOTOGRAPH_SHARE:
        names = PHOTOGRAPHS[look]
        photograph = _photograph(names[int(rng.integers(len(names)))], rng, size)
        return Look(photograph, drawn.specular, drawn.shininess, drawn.alpha)
    return drawn


@functools.cache
def _texture(name: str) -> NDArray[np.uint8]:
    """A shipped photograph, [256, 256, 3] RGB."""
    data = (importlib.resources.files("foley_sim") / "data" / "textures" / f"{name}.jpg").read_bytes()
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise OSError(f"texture `{name}.jpg` of foley_sim is damaged; install the package again")
    return np.asarray(image[:, :, ::-1], dtype=np.uint8)


def _photograph(name: str, rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    image = np.rot90(_texture(name), int(rng.integers(4)))
    side = int(rng.uniform(0.55, 1.0) * image.shape[0])
    y, x = rng.integers(0, image.shape[0] - side + 1, 2)
    cut = np.ascontiguousarray(image[y : y + side, x : x + side])
    scaled = cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    tint = 1 + rng.uniform(-0.12, 0.12, 3).astype(np.float32)
    contrast, gain = rng.uniform(0.75, 1.15), rng.uniform(0.75, 1.15)
    mean = scaled.mean(axis=(0, 1))
    return to_bytes(np.asarray(((scaled - mean) * contrast + mean) * gain * tint, dtype=np.float32))


# ---- recipes -----------------------------------------------------------------------------------------------
def _paper(rng: np.random.Generator, size: int) -> Look:
    base = hsv(rng, (0.08, 0.16), (0.0, 0.14), (0.78, 0.97))
    if rng.uniform() < 0.35:  # coloured covers
        base = hsv(rng, (0.0, 1.0), (0.2, 0.7), (0.45, 0.9))
    image = shade(base, 0.03 * noise(rng, size, 60) + 0.05 * noise(rng, size, 5))
    if rng.uniform() < 0.5:  # lines of print
        rows = np.arange(size) % int(rng.integers(9, 15)) < 3
        ink = noise(rng, size, 48, stretch=3)[rows] > rng.uniform(-0.3, 0.2)
        image[rows] = np.where(ink[:, :, None], image[rows] * 0.35, image[rows])
    return Look(to_bytes(image), specular=float(rng.uniform(0.02, 0.25)), shininess=0.1)


def _fabric(rng: np.random.Generator, size: int) -> Look:
    base = hsv(rng, (0.0, 1.0), (0.05, 0.75), (0.2, 0.9))
    period = int(rng.integers(4, 9))
    y, x = np.mgrid[:size, :size]
    weave = np.where((x // period + y // period) % 2 == 0, 1.0, -1.0).astype(np.float32)
    image = shade(base, 0.09 * weave + 0.06 * noise(rng, size, 90) + 0.05 * noise(rng, size, 4))
    if rng.uniform() < 0.4:  # stripes or checks
        band = hsv(rng, (0.0, 1.0), (0.1, 0.8), (0.2, 0.9))
        width = int(rng.integers(size // 12, size // 5))
        rows = (np.arange(size) // width) % 2 == 0
        image[rows] = 0.5 * image[rows] + 0.5 * np.array(band, dtype=np.float32)
    return Look(to_bytes(image), specular=0.02, shininess=0.02)


def _foam(rng: np.random.Generator, size: int) -> Look:
    base = hsv(rng, (0.0, 1.0), (0.0, 0.55), (0.3, 0.95))
    pores = noise(rng, size, 84, octaves=1)
    image = shade(base, 0.06 * noise(rng, size, 40))
    image[pores > 0.55] *= float(rng.uniform(0.55, 0.85))
    return Look(to_bytes(image), specular=0.03, shininess=0.03)


def _leaves(rng: np.random.Generator, size: int) -> Look:
    """Overlapping ellipses in the colours of one season, each with a vein."""
    image = np.full((size, size, 3), hsv(rng, (0.05, 0.10), (0.3, 0.6), (0.12, 0.3)), dtype=np.float32)
    season = ((0.02, 0.13), (0.22, 0.36), (0.08, 0.2))[int(rng.integers(3))]
    for _ in range(110):
        colour = hsv(rng, season, (0.35, 0.8), (0.25, 0.8))
        centre = tuple(int(v) for v in rng.integers(0, size, 2))
        axes = (int(rng.uniform(0.05, 0.11) * size), int(rng.uniform(0.02, 0.05) * size))
        turn = float(rng.uniform(0, 180))
        cv2.ellipse(image, centre, axes, turn, 0, 360, colour, -1, cv2.LINE_AA)
        reach = np.array([np.cos(np.radians(turn)), np.sin(np.radians(turn))]) * axes[0]
        ends = [tuple(int(v) for v in np.array(centre) + sign * reach) for sign in (-1, 1)]
        cv2.line(image, ends[0], ends[1], tuple(0.7 * c for c in colour), 1, cv2.LINE_AA)
    return Look(to_bytes(image), specular=0.08, shininess=0.05)


def _gravel(rng: np.random.Generator, size: int) -> Look:
    """Pebbles: discs of many greys, lit from one side."""
    base = hsv(rng, (0.04, 0.65), (0.02, 0.2), (0.4, 0.8))
    image = np.full((size, size, 3), 0.18, dtype=np.float32)
    for _ in range(420):
        colour = np.clip(np.array(base) * rng.uniform(0.55, 1.25), 0, 1)
        centre = rng.integers(0, size, 2)
        radius = int(rng.uniform(0.015, 0.04) * size)
        x, y = int(centre[0]), int(centre[1])
        cv2.circle(image, (x, y), radius, tuple(0.6 * float(c) for c in colour), -1, cv2.LINE_AA)
        cv2.circle(image, (x - radius // 4, y - radius // 4), max(radius * 2 // 3, 1),
                   tuple(float(c) for c in colour), -1, cv2.LINE_AA)  # fmt: skip
    return Look(to_bytes(image), specular=0.15, shininess=0.1)


def _fruit(rng: np.random.Generator, size: int) -> Look:
    """Apple, lemon, orange, plum: a warm colour that runs into another, with freckles."""
    hue = float(rng.choice([0.0, 0.04, 0.08, 0.14, 0.27, 0.85]))
    first = np.array(hsv(rng, (hue, hue + 0.02), (0.7, 0.95), (0.55, 0.9)), dtype=np.float32)
    second = np.array(hsv(rng, (hue + 0.02, hue + 0.09), (0.6, 0.9), (0.6, 0.95)), dtype=np.float32)
    mix = np.clip(0.5 + 0.7 * noise(rng, size, 4), 0, 1)[:, :, None]
    image: Image = np.asarray(mix * first + (1 - mix) * second, dtype=np.float32)
    image[noise(rng, size, 80, octaves=1) > 0.8] *= 1.2
    return Look(to_bytes(image), specular=0.4, shininess=0.4)


_RECIPES: dict[str, Callable[[np.random.Generator, int], Look]] = {
    "paper": _paper,
    "fabric": _fabric,
    "foam": _foam,
    "leaves": _leaves,
    "gravel": _gravel,
    "paint": painted,
    "fruit": _fruit,
}
