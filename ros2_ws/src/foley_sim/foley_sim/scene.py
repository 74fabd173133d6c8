"""Random table-top scenes. A split and a seed name a scene; the same names give the same scene anywhere.

Splits draw from separate random streams, so every object of a validation or test scene is an instance that
training never saw. Materials and shapes come from shuffled decks that run through the seeds of a split: any
stretch of consecutive seeds holds each of them nearly equally often.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_sim.condition import NONE
from foley_sim.materials import draw_material
from foley_sim.spec import (
    CameraSpec,
    MicrophoneSpec,
    ObjectSpec,
    RoomSpec,
    SceneSpec,
    Shape,
    StrikerSpec,
)

Array = NDArray[np.float64]

SPLITS: tuple[str, ...] = ("train", "validation", "test")
REACH: tuple[float, float] = (0.60, 0.45)
"""Extent of the table top that holds objects, around the origin of the world [m]."""
MIN_CENTRE_DISTANCE = 0.11  # [m]
MIN_CLEARANCE = 0.02  # [m], between the outlines of two objects

# Its materials and shapes, in the order of its decks: a scene's name must give the same scene for ever.
MATERIALS: tuple[str, ...] = ("wood", "metal", "glass", "ceramic", "plastic", "stone", "rubber", "cardboard")
SHAPES: tuple[Shape, ...] = ("plate", "box", "bar", "cylinder")

_COUNTS = (5, 4, 6)  # objects of consecutive seeds
_PLACEMENTS = 400
_RESTARTS = 60
_DECKS = {"material": 1, "shape": 2}

# Full extents: (low, high) of length, width, height [m].
_SIZES: dict[Shape, tuple[tuple[float, float], ...]] = {
    "plate": ((0.10, 0.16), (0.08, 0.13), (0.006, 0.016)),
    "box": ((0.07, 0.12), (0.055, 0.10), (0.05, 0.10)),
    "bar": ((0.12, 0.16), (0.026, 0.042), (0.016, 0.032)),
    "cylinder": ((0.055, 0.095), (0.055, 0.095), (0.05, 0.13)),
}
# Chance that a box or a cylinder is hollow, and its wall [m].
_HOLLOW: dict[str, tuple[float, tuple[float, float]]] = {
    "wood": (0.5, (0.004, 0.010)),
    "metal": (0.6, (0.001, 0.003)),
    "glass": (0.7, (0.002, 0.005)),
    "ceramic": (0.7, (0.003, 0.007)),
    "plastic": (0.7, (0.001, 0.004)),
    "stone": (0.1, (0.008, 0.015)),
    "rubber": (0.2, (0.004, 0.010)),
    "cardboard": (0.9, (0.002, 0.005)),
}


def make_scene(seed: int, split: str) -> SceneSpec:
    """The scene of this name.

    Raises:
        ValueError: unknown split, or a seed that is not a non-negative integer.
    """
    if split not in SPLITS:
        raise ValueError(f"split is `{split}`, known are {', '.join(SPLITS)}")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed is {seed!r}, must be a non-negative integer")
    seed = int(seed)
    rng = _stream(split, seed)
    scene_id = f"{split}-{seed:05d}"
    return SceneSpec(
        scene_id=scene_id,
        seed=seed,
        split=split,
        objects=_draw_objects(scene_id, split, seed, rng),
        camera=_draw_camera(rng),
        room=RoomSpec(
            size=(rng.uniform(3.5, 6.5), rng.uniform(3.0, 5.0), rng.uniform(2.4, 3.2)),
            absorption=rng.uniform(0.25, 0.5),
            noise_dbfs=rng.uniform(-69.0, -63.0),
            motor_dbfs=rng.uniform(-61.0, -55.0),
        ),
        microphone=MicrophoneSpec(
            position=(rng.uniform(-0.15, 0.15), rng.uniform(-0.40, -0.32), rng.uniform(0.25, 0.38)),
            gain_db=rng.uniform(-1.5, 1.5),
        ),
        striker=StrikerSpec(),
        light_seed=int(rng.integers(2**31)),
    )


def check_scene(scene: SceneSpec) -> None:
    """Refuse what cannot stand on the table.

    Raises:
        ValueError: names the object, the field, its value and what is allowed.
    """
    if not scene.objects:
        raise ValueError(f"scene `{scene.scene_id}`: objects is empty, at least one is needed")
    names = [o.object_id for o in scene.objects]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"scene `{scene.scene_id}`: object_id `{name}` is used more than once")
        if name == "table":
            raise ValueError(f"scene `{scene.scene_id}`: object_id `table` belongs to the table itself")
    for item in scene.objects:
        bottom = item.position[2] - item.size[2] / 2
        if abs(bottom) > 1e-3:
            raise ValueError(
                f"object `{item.object_id}`: position z is {item.position[2]} m, its underside is {bottom:.3f} m "
                f"from the table; z must be half of its height, {item.size[2] / 2} m"
            )
        _check_shape(item)
        corners = outline(item)
        if np.any(np.abs(corners) > np.array(REACH) / 2 + 0.02):
            raise ValueError(
                f"object `{item.object_id}`: position {item.position} lies outside the arm's reach of "
                f"{REACH[0]} x {REACH[1]} m around the origin"
            )
    for i, first in enumerate(scene.objects):
        for second in scene.objects[i + 1 :]:
            if not _apart(outline(first), outline(second), 0.0):
                raise ValueError(
                    f"objects `{first.object_id}` and `{second.object_id}` overlap; move one of them"
                )


def _check_shape(item: ObjectSpec) -> None:
    """Round things must be round, and a cap at most half a sphere."""
    length, width, height = item.size
    if item.shape == "rod" and abs(width - height) > 1e-6:
        raise ValueError(
            f"object `{item.object_id}`: size is {item.size}, a rod's width and height are both its diameter"
        )
    if item.shape in ("disc", "dome", "heap") and abs(length - width) > 1e-6:
        raise ValueError(
            f"object `{item.object_id}`: size is {item.size}, length and width of a {item.shape} are both its "
            "diameter"
        )
    if item.shape in ("dome", "heap") and height > length / 2:
        raise ValueError(
            f"object `{item.object_id}`: size is {item.size}, a {item.shape} is at most half as high as wide: "
            f"{length / 2} m"
        )


def made_of(scene: SceneSpec, material: str) -> SceneSpec:
    """The scene with every object an instance of one material, seen as what it is; heaps of other matter stay.

    Raises:
        ValueError: unknown material.
    """
    rng = np.random.default_rng([0x3A7E, scene.seed])
    samples = [draw_material(material, rng) for _ in scene.objects]
    objects = tuple(
        item
        if item.shape == "heap" and sample.grain_hz == 0.0
        else dataclasses.replace(item, material=sample, look_material="")
        for item, sample in zip(scene.objects, samples, strict=True)
    )
    return dataclasses.replace(scene, objects=objects)


def outline(item: ObjectSpec) -> Array:
    """Corners [4, 2] of the object's footprint on the table [m]; a cylinder's is its bounding square."""
    return _footprint(item.size, (item.position[0], item.position[1], item.yaw))


def describe(scene: SceneSpec) -> dict[str, Any]:
    """The truth about a scene as plain values, for `sim/scene` and for session metadata."""
    return {
        "scene_id": scene.scene_id,
        "split": scene.split,
        "seed": scene.seed,
        "edition": scene.edition,
        "robot": scene.robot,
        **({"hands": scene.hands} if scene.hands != 1 else {}),
        "objects": [
            {
                "id": o.object_id,
                "object_id": o.object_id,
                "material": o.material.name,
                "log10_youngs_modulus": round(math.log10(o.material.youngs_modulus), 4),
                "roughness": round(o.material.roughness, 4),
                "hollowness": round(o.hollowness, 4),
                "shape": o.shape,
                "reaction": o.reaction,
                "held_out": o.held_out,
                "family_held_out": o.family_held_out,
                "size": [round(v, 5) for v in o.size],
                "position": [round(v, 5) for v in o.position],
                "yaw": round(o.yaw, 5),
                **({"condition": o.condition.describe()} if o.condition != NONE else {}),
            }
            for o in scene.objects
        ],
        "microphone": {"position": [round(v, 4) for v in scene.microphone.position]},
        "striker": {"length": scene.striker.length, "tip_radius": scene.striker.tip_radius},
    }


# ---- drawing -----------------------------------------------------------------------------------------------
def _stream(split: str, *words: int) -> np.random.Generator:
    return np.random.default_rng([0xF01E, SPLITS.index(split), *words])


def _deck(split: str, kind: str, cards: Sequence[Any], start: int, count: int) -> list[Any]:
    """``count`` cards from position ``start`` of an endless row of shuffled decks."""
    drawn = []
    for position in range(start, start + count):
        deck, place = divmod(position, len(cards))
        order = _stream(split, 2**32 - 1, _DECKS[kind], deck).permutation(len(cards))
        drawn.append(cards[int(order[place])])
    return drawn


def _draw_objects(scene_id: str, split: str, seed: int, rng: np.random.Generator) -> tuple[ObjectSpec, ...]:
    rounds, turn = divmod(seed, len(_COUNTS))
    start = rounds * sum(_COUNTS) + sum(_COUNTS[:turn])
    count = _COUNTS[turn]
    materials = _deck(split, "material", MATERIALS, start, count)
    shapes = _deck(split, "shape", SHAPES, start, count)
    bodies = [_draw_body(shape, name, rng) for shape, name in zip(shapes, materials, strict=True)]
    poses = place([size for size, _ in bodies], rng)
    return tuple(
        ObjectSpec(
            object_id=f"{scene_id}-object{i}",
            shape=shapes[i],
            size=size,
            wall=wall,
            material=draw_material(materials[i], rng),
            position=(x, y, size[2] / 2),
            yaw=yaw,
            look_seed=int(rng.integers(2**31)),
        )
        for i, ((size, wall), (x, y, yaw)) in enumerate(zip(bodies, poses, strict=True))
    )


def _draw_body(
    shape: Shape, material: str, rng: np.random.Generator
) -> tuple[tuple[float, float, float], float]:
    """Extents and wall thickness [m]."""
    length, width, height = (round(float(rng.uniform(*bounds)), 4) for bounds in _SIZES[shape])
    if shape == "cylinder":
        width = length
    elif width > length:
        length, width = width, length
    chance, wall = _HOLLOW.get(material, (0.5, (0.002, 0.006)))
    hollow = shape in ("box", "cylinder") and rng.uniform() < chance
    return (length, width, height), round(float(rng.uniform(*wall)), 4) if hollow else 0.0


def place(
    sizes: Sequence[tuple[float, float, float]], rng: np.random.Generator
) -> list[tuple[float, float, float]]:
    """x, y [m] and yaw [rad] of each object, by rejection; the largest is placed first.

    Raises:
        ValueError: they do not fit into REACH.
    """
    order = sorted(range(len(sizes)), key=lambda i: -sizes[i][0] * sizes[i][1])
    for _ in range(_RESTARTS):
        placed: dict[int, tuple[float, float, float]] = {}
        corners: list[Array] = []
        for i in order:
            for _ in range(_PLACEMENTS // len(sizes)):
                pose = (
                    float(rng.uniform(-0.5, 0.5) * REACH[0]),
                    float(rng.uniform(-0.5, 0.5) * REACH[1]),
                    float(rng.uniform(-math.pi, math.pi)),
                )
                square = _footprint(sizes[i], pose)
                inside = bool(np.all(np.abs(square) <= np.array(REACH) / 2))
                distant = all(
                    math.dist(pose[:2], other[:2]) >= MIN_CENTRE_DISTANCE for other in placed.values()
                )
                if inside and distant and all(_apart(square, other, MIN_CLEARANCE) for other in corners):
                    placed[i] = pose
                    corners.append(square)
                    break
            else:
                break
        if len(placed) == len(sizes):
            return [placed[i] for i in range(len(sizes))]
    raise ValueError(f"objects of sizes {list(sizes)} do not fit into {REACH[0]} x {REACH[1]} m")


def _footprint(size: tuple[float, float, float], pose: tuple[float, float, float]) -> Array:
    half = np.array(size[:2]) / 2
    c, s = math.cos(pose[2]), math.sin(pose[2])
    square = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * half
    return np.asarray(square @ np.array([[c, s], [-s, c]]) + np.array(pose[:2]))


def _apart(
    first: Array,
    second: Array,
    clearance: float,
) -> bool:
    """Separating-axis test of two rectangles [4, 2]: true if some axis parts them by ``clearance``."""
    for corners in (first, second):
        for edge in (corners[1] - corners[0], corners[2] - corners[1]):
            axis = edge / np.linalg.norm(edge)
            a, b = first @ axis, second @ axis
            if max(a.min() - b.max(), b.min() - a.max()) >= clearance:
                return True
    return False


def _draw_camera(rng: np.random.Generator) -> CameraSpec:
    """In front of the table and above it, looking down at about 45 degrees; a little different in every scene."""
    eye = np.array([0.0, -0.70, 0.66]) + rng.uniform(-1, 1, 3) * np.array([0.06, 0.03, 0.03])
    target = np.array([0.0, -0.01, 0.03]) + rng.uniform(-1, 1, 3) * np.array([0.02, 0.01, 0.01])
    return CameraSpec(
        fovy_deg=float(rng.uniform(34.5, 36.5)),
        eye=(float(eye[0]), float(eye[1]), float(eye[2])),
        target=(float(target[0]), float(target[1]), float(target[2])),
    )
