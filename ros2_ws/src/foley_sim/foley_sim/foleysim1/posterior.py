"""What a body may be made of, given what sight can know of it at best: exact, from the rules by which scenes are drawn.

    P(material | look, shape, height)  ~  P(shape | material) P(look | material) p(height | material, shape)

Materials come equally often, the shapes of each from a deck of its own. A look is what a surface shows: wood that is
painted by its own recipe and wood that is disguised as paint look alike, so both are `paint`.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from foley_sim.foleysim1.appearances import draw_appearance
from foley_sim.foleysim1.scenes import DISGUISES, MATERIALS, disguised_share, families, height_density
from foley_sim.looks import PAINTED_SHARE
from foley_sim.spec import ObjectSpec

PAINT = "paint"


def visible_look(item: ObjectSpec) -> str:
    """What a body's surface shows: a material's own look, `fruit` or `paint`."""
    look = item.look_material or item.material.name
    return PAINT if look == PAINT or _painted(look, item.look_seed) else look


@functools.lru_cache(maxsize=4096)
def _painted(look: str, seed: int) -> bool:
    return draw_appearance(look, seed).painted


def look_likelihood(look: str, material: str) -> float:
    """P(what is seen | material)."""
    hidden = disguised_share(material)
    disguises = DISGUISES.get(material, ())
    given = {material: 1.0 - hidden, **{name: hidden / len(disguises) for name in disguises}}
    if look == PAINT:
        return sum(p * (1.0 if name == PAINT else PAINTED_SHARE.get(name, 0.0)) for name, p in given.items())
    return given.get(look, 0.0) * (1.0 - PAINTED_SHARE.get(look, 0.0))


def material_posterior(item: ObjectSpec, split: str) -> NDArray[np.float64]:
    """[len(MATERIALS)] what a body of a split's scenes may be made of, given its look, shape and height."""
    look = visible_look(item)
    weights = np.zeros(len(MATERIALS))
    for i, name in enumerate(MATERIALS):
        shapes = families(name, split)
        if item.shape in shapes:
            seen = look_likelihood(look, name) * height_density(name, item.shape, item.size[2])
            weights[i] = seen / len(shapes)
    return np.asarray(weights / weights.sum())
