"""Bodies and blows to try sound with: what its tests and its benchmark share."""

from __future__ import annotations

import numpy as np

from foley_sim.materials import draw_material
from foley_sim.sound import Impact
from foley_sim.spec import MaterialSample, ObjectSpec, RoomSpec, SceneSpec, Shape, StrikerSpec

RATE = 48_000
QUIET = RoomSpec(noise_dbfs=-400.0, motor_dbfs=-400.0)

STEEL = MaterialSample("metal", 7800.0, 2.0e11, 0.3, 2.0, 5e-9, 5e-4, 0.3, 0.1)
OAK = MaterialSample("wood", 650.0, 1.0e10, 0.35, 20.0, 3e-7, 0.02, 0.4, 0.5)
RUBBER = MaterialSample("rubber", 1100.0, 1.0e7, 0.48, 80.0, 4e-5, 0.2, 0.8, 0.4)


def body(
    material: MaterialSample = OAK,
    shape: Shape = "plate",
    size: tuple[float, float, float] = (0.16, 0.12, 0.006),
    wall: float = 0.0,
    *,
    x: float = 0.0,
    name: str = "thing",
) -> ObjectSpec:
    """One object on the table at (x, 0)."""
    return ObjectSpec(name, shape, size, wall, material, (x, 0.0, size[2] / 2), 0.3, 0)


def random_body(material: str, shape: Shape, rng: np.random.Generator, *, name: str = "thing") -> ObjectSpec:
    """An instance of a material in a random size; boxes, cylinders and rods are hollow more often than not.

    Raises:
        ValueError: a heap of something that has no grains.
    """
    sizes: dict[Shape, tuple[float, float, float]] = {
        "plate": (rng.uniform(0.1, 0.2), rng.uniform(0.08, 0.14), rng.uniform(0.003, 0.016)),
        "box": (rng.uniform(0.07, 0.14), rng.uniform(0.05, 0.1), rng.uniform(0.04, 0.1)),
        "bar": (rng.uniform(0.12, 0.24), rng.uniform(0.02, 0.04), rng.uniform(0.01, 0.03)),
        "cylinder": (0.07, 0.07, rng.uniform(0.05, 0.13)),
        "disc": (0.12, 0.12, 0.012),
        "rod": (0.14, 0.036, 0.036),
        "dome": (0.10, 0.10, 0.04),
        "heap": (0.11, 0.11, 0.03),
    }
    hollow = shape == "dome" or (shape in ("box", "cylinder", "rod") and rng.random() < 0.6)
    wall = float(rng.uniform(0.002, 0.009)) if hollow else 0.0
    return body(draw_material(material, rng), shape, sizes[shape], wall, name=name)


def tap(
    spec: ObjectSpec, *, time_s: float = 0.05, speed: float = 0.4, offset: tuple[float, float] = (0.02, 0.01)
) -> Impact:
    """A blow from above by the default striker, rebounding with 0.4 of its speed."""
    x, y, _ = spec.position
    impulse = StrikerSpec().tip_mass * speed * 1.4
    point = (x + offset[0], y + offset[1], spec.top)
    return Impact(time_s, spec.object_id, point, (0.0, 0.0, 1.0), impulse, speed)


def scene(*objects: ObjectSpec, room: RoomSpec = QUIET, seed: int = 5) -> SceneSpec:
    """A scene of these objects; without noise and hum unless the room has them."""
    return SceneSpec("a-scene", seed, "train", objects, room=room)
