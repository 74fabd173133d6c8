"""Scenes of FoleySim-1: 13 materials, shapes that do not name them, and what a split must not see.

    train        seeds 0..15; plates, boxes, bars, cylinders, domes and heaps; one object of each scene is held out
    validation   seeds 0..7; discs as well
    test         seeds 0..23; discs and rods as well, some of which roll
    stream       seeds 0..99999; as `train`, with no object held out: scenes for sessions (offline/sessions.py)
    sealed       seeds 0..23; as `test`, for the last figures of a design: none is compared or chosen by them

Splits draw from separate streams, so every object of validation and test is an instance that training never saw; discs
and rods are shape families that it never saw. Materials come from shuffled decks that run through a split's seeds, and
the shapes of each material from a deck of its own, so that neither gives the other away beyond what is physical: only
loose matter lies in heaps. Everything about a scene as a whole (room, microphone, camera, light, clutter) is drawn
without regard to what stands in it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from foley_sim.materials import draw_material
from foley_sim.scene import REACH, SPLITS, place
from foley_sim.spec import (
    AMBIENCES,
    CameraSpec,
    ClutterSpec,
    ContactMicrophoneSpec,
    MicrophoneSpec,
    ObjectSpec,
    RoomSpec,
    SceneSpec,
    Shape,
    StrikerSpec,
)

Array = NDArray[np.float64]
Bounds = tuple[float, float]

EDITION = "foleysim-1"
MATERIALS: tuple[str, ...] = (
    "wood", "metal", "glass", "ceramic", "plastic", "stone", "rubber", "cardboard", "paper", "fabric", "foam", "leaves",
    "gravel",
)  # fmt: skip
"""Its materials in the order of its decks. They are not all that there are, so that another one in
`data/materials.yaml` changes none of its scenes; golden.py holds every scene to what it was."""
SCENES: dict[str, int] = {"train": 16, "validation": 8, "test": 24}
"""How many scenes each split has."""
STREAM = "stream"
"""More scenes for training, as many as are wanted, by the rules of `train`: none of their objects is in any split."""
STREAM_SCENES = 100_000
SEALED = "sealed"
"""More scenes by the rules of `test`, which no design was compared on."""
SEALED_SCENES = 24
_DRAWN_AS: dict[str, str] = {STREAM: "train", SEALED: "test"}
HELD_OUT_FAMILIES: dict[str, tuple[Shape, ...]] = {
    "train": (),
    "validation": ("disc",),
    "test": ("disc", "rod"),
}
"""Shapes that appear in a split and never in training."""
DISGUISED_SHARE = 0.25

_COUNTS = (6, 7, 6)  # objects of consecutive seeds
_SOLID: tuple[Shape, ...] = ("plate", "box", "bar", "cylinder", "dome")
_BLOCK: tuple[Shape, ...] = ("plate", "box", "bar", "cylinder")
_FAMILIES: dict[str, tuple[Shape, ...]] = {
    **dict.fromkeys(("wood", "metal", "glass", "ceramic", "plastic", "stone", "rubber", "cardboard"), _SOLID),
    "foam": _SOLID,
    "paper": (*_BLOCK, "heap"),
    "fabric": (*_BLOCK, "heap"),
    "leaves": ("heap",),
    "gravel": ("heap",),
}
_SIZES: dict[Shape, tuple[Bounds, Bounds, Bounds]] = {  # full extents [m]
    "plate": ((0.10, 0.15), (0.075, 0.115), (0.006, 0.028)),
    "box": ((0.065, 0.110), (0.05, 0.09), (0.045, 0.085)),
    "bar": ((0.11, 0.15), (0.028, 0.042), (0.018, 0.032)),
    "cylinder": ((0.055, 0.085), (0.055, 0.085), (0.045, 0.11)),
    "disc": ((0.09, 0.13), (0.09, 0.13), (0.007, 0.028)),
    "rod": ((0.11, 0.15), (0.030, 0.046), (0.030, 0.046)),
    "dome": ((0.085, 0.125), (0.085, 0.125), (0.030, 0.055)),
    "heap": ((0.09, 0.13), (0.09, 0.13), (0.020, 0.035)),
}
_SOFT_PLATE = (
    0.010,
    0.030,
)  # thickness of folded cloth, foam sheets and stacks of paper: no thicker than slabs [m]
# Chance that a box, cylinder or rod is hollow, and its wall [m]; a dome always is.
_HOLLOW: dict[str, tuple[float, Bounds]] = {
    "wood": (0.5, (0.004, 0.009)),
    "metal": (0.6, (0.001, 0.003)),
    "glass": (0.6, (0.002, 0.005)),
    "ceramic": (0.6, (0.003, 0.006)),
    "plastic": (0.6, (0.0012, 0.004)),
    "stone": (0.2, (0.006, 0.011)),
    "rubber": (0.3, (0.004, 0.010)),
    "cardboard": (0.8, (0.002, 0.005)),
    "foam": (0.0, (0.008, 0.012)),
}
DISGUISES: dict[str, tuple[str, ...]] = {
    "wood": ("paint", "fruit"),
    "metal": ("paint",),
    "glass": ("plastic",),
    "ceramic": ("paint", "fruit", "stone"),
    "plastic": ("paint", "fruit", "stone", "wood", "glass"),
    "stone": ("ceramic", "paint"),
    "rubber": ("plastic",),
    "cardboard": ("metal", "wood", "paint"),
    "foam": ("fruit", "stone"),
}
"""What things are made to look like: painted wood and plastic, foil on cardboard, fake fruit, printed wood."""

_TRIES = 40
_STREAM_BLOCK = (
    300  # scenes of the stream whose decks belong together: so that no deck has to be dealt from 0 on
)


def make_scene(seed: int, split: str) -> SceneSpec:
    """The scene of this name.

    Raises:
        ValueError: unknown split, or a seed that the split does not have.
    """
    counts = {**SCENES, STREAM: STREAM_SCENES, SEALED: SEALED_SCENES}
    if split not in counts:
        raise ValueError(f"split is `{split}`, known are {', '.join(counts)}")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < counts[split]:
        raise ValueError(f"seed is {seed!r}, {EDITION} has {split} scenes 0 to {counts[split] - 1}")
    seed = int(seed)
    rng = _stream(split, seed)
    streamed = split == STREAM
    scene_id = f"{STREAM}-{seed:05d}" if streamed else f"{EDITION}-{split}-{seed:02d}"
    return SceneSpec(
        scene_id=scene_id,
        # No two scenes share a room's noise.
        seed=seed + (STREAM_SCENES if streamed else 1000 * (1 + (*SPLITS, SEALED).index(split))),
        split=_DRAWN_AS.get(split, split),
        objects=_objects(scene_id, split, seed, rng),
        camera=_camera(rng),
        room=draw_room(rng),
        microphone=draw_microphone(rng),
        striker=StrikerSpec(has_pad=True),
        light_seed=int(rng.integers(2**31)),
        edition=EDITION,
        clutter=_clutter(rng),
        contact_microphone=ContactMicrophoneSpec(
            gain_db=rng.uniform(-2.0, 2.0), resonance_hz=rng.uniform(4200.0, 6500.0)
        ),
    )


def families(material: str, split: str) -> tuple[Shape, ...]:
    """Shapes in which a material comes in a split."""
    own = _FAMILIES[material]
    return own if own == ("heap",) else (*own, *HELD_OUT_FAMILIES[split])


# ---- objects -----------------------------------------------------------------------------------------------
def _stream(split: str, *words: int) -> np.random.Generator:
    return np.random.default_rng([0xF051, (*SPLITS, STREAM, SEALED).index(split), *words])


def _bodies(split: str, *block: int) -> list[tuple[str, Shape]]:
    """Material and shape of every object of a split, or of a block of the stream, in the order of its scenes."""
    scenes = {**SCENES, STREAM: _STREAM_BLOCK, SEALED: SEALED_SCENES}[split]
    count = sum(_COUNTS[seed % len(_COUNTS)] for seed in range(scenes))
    decks, shapes, bodies = 0, dict[str, list[Shape]](), list[tuple[str, Shape]]()
    rng = _stream(split, 2**32 - 1, *block)
    while len(bodies) < count:
        for index in _stream(split, 2**32 - 2, *block, decks).permutation(len(MATERIALS)):
            material = MATERIALS[int(index)]
            if not shapes.get(material):
                own = families(material, _DRAWN_AS.get(split, split))
                shapes[material] = [own[int(i)] for i in rng.permutation(len(own))]
            bodies.append((material, shapes[material].pop()))
        decks += 1
    return bodies[:count]


def _objects(scene_id: str, split: str, seed: int, rng: np.random.Generator) -> tuple[ObjectSpec, ...]:
    block, place_in = divmod(seed, _STREAM_BLOCK) if split == STREAM else (None, seed)
    start = sum(_COUNTS[s % len(_COUNTS)] for s in range(place_in))
    deck = _bodies(split) if block is None else _bodies(split, block)
    bodies = deck[start : start + _COUNTS[place_in % len(_COUNTS)]]
    for _ in range(_TRIES):
        sizes = [_size(material, shape, rng) for material, shape in bodies]
        try:
            poses = place([size for size, _ in sizes], rng)
        except ValueError:
            continue
        break
    else:
        raise ValueError(f"scene `{scene_id}`: its objects do not fit into {REACH[0]} x {REACH[1]} m")
    held_out = int(rng.integers(len(bodies))) if split == "train" else -1
    return tuple(
        ObjectSpec(
            object_id=f"{scene_id}-object{i}",
            shape=shape,
            size=size,
            wall=wall,
            material=draw_material(material, rng),
            position=(x, y, size[2] / 2),
            yaw=yaw,
            look_seed=int(rng.integers(2**31)),
            fixed=not (shape == "rod" and rng.uniform() < 0.5),
            grasp=draw_grasp(rng),
            look_material=_disguise(material, rng),
            held_out=i == held_out,
            family_held_out=shape in HELD_OUT_FAMILIES["test"],
        )
        for i, ((material, shape), (size, wall), (x, y, yaw)) in enumerate(
            zip(bodies, sizes, poses, strict=True)
        )
    )


def _size(material: str, shape: Shape, rng: np.random.Generator) -> tuple[tuple[float, float, float], float]:
    """Extents and wall thickness [m]."""
    length, width, height = (round(float(rng.uniform(*bounds)), 4) for bounds in _SIZES[shape])
    if shape in ("cylinder", "disc", "dome", "heap"):
        width = length
    elif shape == "rod":
        height = width
    elif width > length:
        length, width = width, length
    if shape == "dome":
        height = min(height, length / 2)
    if _is_soft_plate(material, shape):
        height = round(float(rng.uniform(*_SOFT_PLATE)), 4)
    return (length, width, height), draw_wall(material, shape, rng)


def draw_wall(material: str, shape: Shape, rng: np.random.Generator) -> float:
    """Wall thickness of a body of this material and shape [m]; 0: solid."""
    chance, wall = _HOLLOW.get(material, (0.0, (0.002, 0.006)))
    hollow = shape == "dome" or (shape in ("box", "cylinder", "rod") and rng.uniform() < chance)
    return round(float(rng.uniform(*wall)), 4) if hollow else 0.0


def draw_grasp(rng: np.random.Generator) -> float:
    """How firmly a clamp holds a body; 0: none does."""
    return float(rng.uniform(0.2, 1.0)) if rng.uniform() < 0.33 else 0.0


def height_density(material: str, shape: Shape, height: float) -> float:
    """Probability density of the height [m] of a body of this material and shape [1/m]: soft plates are thicker."""
    low, high = _SOFT_PLATE if _is_soft_plate(material, shape) else _SIZES[shape][2]
    return 1 / (high - low) if low <= height <= high else 0.0


def _is_soft_plate(material: str, shape: Shape) -> bool:
    return shape in ("plate", "disc") and material in ("paper", "fabric", "foam")


def disguised_share(material: str) -> float:
    """Share of a material's bodies that are made to look like something else."""
    # So that a quarter of all objects is disguised although some materials never are.
    return DISGUISED_SHARE * len(MATERIALS) / len(DISGUISES) if material in DISGUISES else 0.0


def _disguise(material: str, rng: np.random.Generator) -> str:
    looks = DISGUISES.get(material, ())
    return looks[int(rng.integers(len(looks)))] if looks and rng.uniform() < disguised_share(material) else ""


# ---- surroundings ------------------------------------------------------------------------------------------
def draw_room(rng: np.random.Generator) -> RoomSpec:
    return RoomSpec(
        size=(rng.uniform(3.2, 7.0), rng.uniform(2.8, 5.5), rng.uniform(2.3, 3.4)),
        absorption=rng.uniform(0.2, 0.55),
        noise_dbfs=rng.uniform(-85.0, -76.0),
        motor_dbfs=rng.uniform(-77.0, -67.0),
        ambience=AMBIENCES[int(rng.integers(len(AMBIENCES)))],
        ambience_dbfs=rng.uniform(-89.0, -76.0),
    )


def _camera(rng: np.random.Generator) -> CameraSpec:
    """In front of the table and above it; further to the sides than in the tabletop scenes."""
    eye = np.array([0.0, -0.72, 0.68]) + rng.uniform(-1, 1, 3) * np.array([0.18, 0.06, 0.07])
    target = np.array([0.0, -0.01, 0.03]) + rng.uniform(-1, 1, 3) * np.array([0.03, 0.015, 0.01])
    return CameraSpec(
        fovy_deg=float(rng.uniform(34.5, 39.0)),
        eye=(float(eye[0]), float(eye[1]), float(eye[2])),
        target=(float(target[0]), float(target[1]), float(target[2])),
        rate_hz=15.0,
        exposure_ev=float(rng.uniform(-0.7, 0.7)),
        blur_px=float(max(rng.uniform(-0.6, 1.0), 0.0)),
        noise=float(rng.uniform(0.0, 0.02)),
    )


def draw_microphone(rng: np.random.Generator) -> MicrophoneSpec:
    position = np.array([rng.uniform(-0.22, 0.22), rng.uniform(-0.42, -0.30), rng.uniform(0.22, 0.42)])
    axis = -position / np.linalg.norm(position)
    peaks = tuple(
        (
            math.exp(rng.uniform(math.log(150.0), math.log(12_000.0))),
            rng.uniform(-4.0, 4.0),
            rng.uniform(0.6, 1.6),
        )
        for _ in range(3)
    )
    return MicrophoneSpec(
        position=(float(position[0]), float(position[1]), float(position[2])),
        gain_db=float(rng.uniform(-13.0, -8.0)),  # leaves room for the hardest hit
        pattern="cardioid" if rng.uniform() < 0.5 else "omni",
        axis=(float(axis[0]), float(axis[1]), float(axis[2])),
        response=peaks,
    )


def _clutter(rng: np.random.Generator) -> tuple[ClutterSpec, ...]:
    """Up to five things beside and behind what the arm reaches."""
    things: list[ClutterSpec] = []
    for _ in range(int(rng.integers(0, 6))):
        kind = ("box", "cylinder", "sphere")[int(rng.integers(3))]
        wide, high = float(rng.uniform(0.04, 0.10)), float(rng.uniform(0.03, 0.14))
        size = (wide, wide, wide) if kind == "sphere" else (wide, float(rng.uniform(0.04, 0.08)), high)
        if kind == "cylinder":
            size = (wide, wide, high)
        x, y = (
            (float(rng.uniform(-0.55, 0.55)), float(rng.uniform(0.31, 0.42)))
            if rng.uniform() < 0.6
            else (float(rng.choice([-1.0, 1.0]) * rng.uniform(0.40, 0.55)), float(rng.uniform(-0.2, 0.25)))
        )
        if any(math.dist((x, y), t.position[:2]) < 0.11 for t in things):
            continue
        things.append(
            ClutterSpec(
                shape=kind,  # type: ignore[arg-type]
                size=size,
                position=(x, y, size[2] / 2),
                yaw=float(rng.uniform(-math.pi, math.pi)),
                look_material=MATERIALS[int(rng.integers(len(MATERIALS)))],
                look_seed=int(rng.integers(2**31)),
            )
        )
    return tuple(things)
