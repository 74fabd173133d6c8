"""The judge's scenes: twelve for a final test, none to train on. Sizes and materials lie beyond FoleySim-1's."""

from __future__ import annotations

import numpy as np

from foley_sim.judge.substances import ranges
from foley_sim.scene import place
from foley_sim.spec import CameraSpec, MicrophoneSpec, ObjectSpec, RoomSpec, SceneSpec, Shape, StrikerSpec

EDITION = "foleysim-b"
SCENES = 12
_LOOSE = ("leaves", "gravel")
_SHAPES: tuple[Shape, ...] = ("disc", "rod", "box", "plate", "dome")
Bounds = tuple[float, float]
_SIZES: dict[Shape, tuple[Bounds, Bounds]] = {  # length or diameter, and height [m]
    "disc": ((0.075, 0.115), (0.018, 0.030)),
    "rod": ((0.085, 0.115), (0.046, 0.056)),
    "box": ((0.085, 0.110), (0.022, 0.040)),
    "plate": ((0.085, 0.105), (0.016, 0.024)),
    "dome": ((0.090, 0.120), (0.018, 0.029)),
    "heap": ((0.080, 0.115), (0.012, 0.020)),
}


def make_scene(seed: int, split: str) -> SceneSpec:
    """The scene of this name. Raises ValueError for a split other than `test` and seeds outside 0..11."""
    if split != "test":
        raise ValueError(f"split is `{split}`: {EDITION} is a judge and has only `test`")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < SCENES:
        raise ValueError(f"seed is {seed!r}, {EDITION} has test scenes 0 to {SCENES - 1}")
    seed = int(seed)
    rng = np.random.default_rng([0xB0B, seed])
    scene_id = f"{EDITION}-test-{seed:02d}"
    x, y = rng.uniform(-0.32, 0.32), rng.uniform(-0.85, -0.74)
    return SceneSpec(
        scene_id=scene_id, seed=seed + 90_000, split=split, objects=_objects(scene_id, seed, rng), edition=EDITION,
        camera=CameraSpec(fovy_deg=float(rng.uniform(40, 46)), eye=(float(x), float(y), float(rng.uniform(0.5, 0.6))),
                          target=(0.0, -0.02, 0.02), rate_hz=15.0, noise=float(rng.uniform(0.0, 0.03))),
        room=RoomSpec(size=(float(rng.uniform(7, 10)), float(rng.uniform(5.5, 8)), float(rng.uniform(3.4, 4.5))),
                      absorption=float(rng.uniform(0.3, 0.65)), noise_dbfs=float(rng.uniform(-81, -73)),
                      motor_dbfs=float(rng.uniform(-73, -65))),
        microphone=MicrophoneSpec(position=(float(rng.uniform(-0.3, 0.3)), float(rng.uniform(-0.5, -0.42)),
                                            float(rng.uniform(0.2, 0.5))), gain_db=float(rng.uniform(-14, -9))),
        striker=StrikerSpec(has_pad=True), light_seed=int(rng.integers(2**31)),
    )  # fmt: skip


def _objects(scene_id: str, seed: int, rng: np.random.Generator) -> tuple[ObjectSpec, ...]:
    names = list(ranges())
    # 13 materials and six bodies a scene: 72 bodies run through shuffled decks.
    order = [names[i] for d in range(6) for i in np.random.default_rng([0xDEC, d]).permutation(len(names))]
    picked = order[6 * seed : 6 * seed + 6]
    bodies = [_body(name, rng) for name in picked]
    poses = place([size for _, size, _ in bodies], rng)
    return tuple(
        ObjectSpec(
            object_id=f"{scene_id}-object{i}", shape=shape, size=size, wall=wall, material=ranges()[name].draw(rng),
            position=(x, y, size[2] / 2), yaw=yaw, look_seed=int(rng.integers(2**31)),
            fixed=not (shape == "rod" and rng.uniform() < 0.3), family_held_out=shape in ("disc", "rod"),
        )
        for i, (name, (shape, size, wall), (x, y, yaw)) in enumerate(zip(picked, bodies, poses, strict=True))
    )  # fmt: skip


def _body(name: str, rng: np.random.Generator) -> tuple[Shape, tuple[float, float, float], float]:
    shape: Shape = "heap" if name in _LOOSE else _SHAPES[int(rng.integers(len(_SHAPES)))]
    length, height = (round(float(rng.uniform(*bounds)), 4) for bounds in _SIZES[shape])
    wall = round(float(rng.uniform(0.0025, 0.006)), 4) if shape in ("rod", "box", "dome") else 0.0
    if shape == "rod":
        return shape, (length, height, height), wall
    width = length if shape in ("disc", "dome", "heap") else round(length * float(rng.uniform(0.55, 0.95)), 4)
    return shape, (length, width, height), wall
