"""Which things can be loose, full or cracked, and draws of how: `Condition`s of the things of a scene.

What belongs to a thing (its part, its crack, what it is filled with) is drawn from the name of the thing; how it is
today (how much play, how full) from another generator, so that one thing may be met in several scenes.
"""

from __future__ import annotations

import dataclasses
import math
import zlib

import numpy as np

from foley_sim.condition import FILLINGS, OPPOSITE, Crack, Fill, Filling, Part, Place, State
from foley_sim.judge.scenes import EDITION as JUDGE
from foley_sim.materials import draw_material
from foley_sim.spec import SOFT_PA, VESSELS, ObjectSpec, SceneSpec

STATES: tuple[State, ...] = ("loose", "full", "cracked")
"""States that are not how things are by themselves."""


class NothingCanBe(ValueError):
    """Nothing in a scene can be in a state."""


_THING, _TODAY, _WHICH = 0x57A7E1, 0x57A7E2, 0x57A7E3
_PART_MATERIALS = ("metal", "plastic", "wood")
_PART_DIAMETER = (0.02, 0.05)  # [m], and at most two thirds of the face
_PART_THICKNESS = (0.0015, 0.005)  # [m]
_PART_SHARE = 0.5  # a part weighs at most as much, against its body
_PLAY = (1.5e-4, 1.5e-3)  # [m]
_RESTITUTION = (0.35, 0.75)
_LEVEL = (0.85, 1.0)
_DEPTH = (0.35, 0.75)


def can_be(item: ObjectSpec, state: State) -> bool:
    """Whether a thing can be in a state or its opposite: what is stiff, stands still and, to be filled, is hollow."""
    if item.shape == "heap" or not item.fixed or item.material.youngs_modulus < SOFT_PA:
        return False
    if state in ("full", "empty"):
        return item.wall > 0 and item.shape in VESSELS
    return (
        state in ("loose", "tight") or item.material.grain_hz == 0
    )  # what has grains gives way, and does not crack


def in_state(item: ObjectSpec, state: State, today: np.random.Generator) -> ObjectSpec:
    """The thing in a state, everything else as it is.

    Args:
        today: draws what may be otherwise next time; of one thing in both of two opposite states equally far.

    Raises:
        ValueError: the thing cannot be in that state.
    """
    if not can_be(item, state):
        raise ValueError(
            f"object `{item.object_id}`: cannot be {state}: it is a {item.shape} of {item.material.name} with wall "
            f"{item.wall} m"
        )
    thing = np.random.default_rng([_THING, zlib.crc32(item.object_id.encode()), _pair(state)])
    condition = item.condition
    if state in ("loose", "tight"):
        condition = dataclasses.replace(condition, part=_part(item, state == "loose", thing, today))
    elif state in ("full", "empty"):
        fill = Fill(float(today.uniform(*_LEVEL)), _filling(thing))
        condition = dataclasses.replace(condition, fill=fill if state == "full" else None)
    else:
        crack = Crack(float(thing.uniform(*_DEPTH)), _place(thing, 0.7))
        condition = dataclasses.replace(condition, crack=crack if state == "cracked" else None)
    return dataclasses.replace(item, condition=condition)


def with_states(scene: SceneSpec, state: State, share: float = 0.5) -> SceneSpec:
    """The scene with a share of those things that can be so loose, full or cracked; the others are the opposite.

    At least one is, and one is not, where there are two. Which ones follows from scene and state.

    Raises:
        ValueError: the state or share is none, or the edition is the judge's.
        NothingCanBe: nothing in the scene can be so.
    """
    if state not in STATES:
        raise ValueError(f"state is `{state}`, known are {', '.join(STATES)}")
    if not (math.isfinite(share) and 0.0 < share <= 1.0):
        raise ValueError(f"state_share is {share}, must lie in (0, 1]")
    if scene.edition == JUDGE:
        raise ValueError(f"state is `{state}`: the sound of `{JUDGE}` is frozen and knows no states")
    able = [i for i, item in enumerate(scene.objects) if can_be(item, state)]
    if not able:
        raise NothingCanBe(
            f"state is `{state}`: nothing in scene `{scene.scene_id}` can be so; choose another"
        )
    seed = zlib.crc32(f"{scene.edition}/{scene.scene_id}".encode())
    rng = np.random.default_rng([_WHICH, seed, _pair(state)])
    count = round(share * len(able))
    if len(able) > 1 and share < 1.0:
        count = min(max(count, 1), len(able) - 1)
    chosen = {able[int(i)] for i in rng.permutation(len(able))[: max(count, 1)]}
    objects = list(scene.objects)
    for i in able:
        today = np.random.default_rng([_TODAY, seed, _pair(state), i])
        objects[i] = in_state(objects[i], state if i in chosen else OPPOSITE[state], today)
    return dataclasses.replace(scene, objects=tuple(objects))


def _pair(state: State) -> int:
    return STATES.index(state) if state in STATES else STATES.index(OPPOSITE[state])


def _part(item: ObjectSpec, loose: bool, thing: np.random.Generator, today: np.random.Generator) -> Part:
    from foley_sim.sound.modal import object_mass

    material = draw_material(str(thing.choice(_PART_MATERIALS)), thing)
    face = min(item.size[:2])
    diameter = min(float(thing.uniform(*_PART_DIAMETER)), face * 2 / 3)
    thickness = float(thing.uniform(*_PART_THICKNESS))
    weight = material.density * math.pi / 4 * diameter**2 * thickness
    thickness *= min(1.0, _PART_SHARE * object_mass(item) / weight)
    return Part(
        material=material,
        diameter=diameter,
        thickness=thickness,
        place=_place(thing, 0.8),
        loose=loose,
        play=math.exp(today.uniform(*np.log(_PLAY))),
        restitution=float(thing.uniform(*_RESTITUTION)),
    )


def _filling(thing: np.random.Generator) -> Filling:
    return FILLINGS[int(thing.integers(len(FILLINGS)))]


def _place(thing: np.random.Generator, widest: float) -> Place:
    return float(thing.uniform(-widest, widest)), float(thing.uniform(-widest, widest))
