"""Sessions made for tests: a tip that hops over things whose local views show a colour of their material."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_common.session_file import MOTION_RATE, POINT_SCALE, VIEW_RATE, SessionData, write_session
from foley_perception.geometry.height_map import HeightMap

STICK = 0.16
PLACES = ((-0.12, 0.0), (0.12, 0.02))  # of the things
SIZES = {"box": [0.09, 0.06, 0.05], "disc": [0.1, 0.1, 0.02]}
COLOURS = {"wood": (150, 90, 30), "metal": (90, 120, 230)}  # RGB
VIEW_SIDE = 160


def surface(shapes: tuple[str, ...] = ("box", "disc")) -> NDArray[np.float64]:
    """Points [m, 3] of a table at 0 and of things on it."""
    x, y = (g.ravel() for g in np.meshgrid(np.arange(-0.3, 0.3, 0.003), np.arange(-0.2, 0.2, 0.003)))
    z = np.zeros_like(x)
    for (cx, cy), shape in zip(PLACES, shapes, strict=True):
        length, width, height = SIZES[shape]
        inside = (np.abs(x - cx) < length / 2) & (np.abs(y - cy) < width / 2)
        if shape == "disc":
            inside = np.hypot(x - cx, y - cy) < length / 2
        z = np.where(inside, height, z)
    return np.stack([x, y, z], axis=1)


def ground(shapes: tuple[str, ...] = ("box", "disc")) -> HeightMap:
    """As it was seen."""
    return HeightMap.from_points(surface(shapes))


def picture(material: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A view of a thing, RGB."""
    noise = rng.normal(0.0, 8.0, (VIEW_SIDE, VIEW_SIDE, 3))
    return np.clip(np.array(COLOURS[material]) + noise, 0, 255).astype(np.uint8)


def tips_of_hops(moments: int = 16) -> NDArray[np.float64]:
    """[125 * moments / 4, 3]: half of the time 1 cm over the first thing, then over the table, then the second."""
    rows = moments * MOTION_RATE // VIEW_RATE
    tips = np.empty((rows, 3))
    for row in range(rows):
        part = row / rows
        tips[row] = (*PLACES[0], 0.06) if part < 0.45 else (0, 0, 0.06) if part < 0.55 else (*PLACES[1], 0.03)
    return tips


def hopping_session(
    materials: tuple[str, str] = ("wood", "metal"),
    shapes: tuple[str, str] = ("box", "disc"),
    seed: int = 0,
    split: str = "train",
    moments: int = 16,
) -> SessionData:
    """A session that passes over two things, with local views of what lies below."""
    rng = np.random.default_rng([seed, len(split)])
    tips = tips_of_hops(moments)
    rows = len(tips)
    pose = np.hstack([tips + (0.0, 0.0, STICK), np.tile((1.0, 0, 0, 0), (rows, 1))]).astype(np.float32)  # noqa: RUF005
    files = []
    for moment in range(moments):
        x = tips[round(moment * MOTION_RATE / VIEW_RATE), 0]
        image = picture(materials[int(x > 0)], rng)
        files.append(cv2.imencode(".png", image[:, :, ::-1])[1].tobytes())
    objects = [
        {"object_id": f"{split}-{seed}-{k}", "material": material, "shape": shape, "size": SIZES[shape],
         "wall": 0.01 * (material == "metal"), "hollowness": 0.6 * (material == "metal"), "yaw": 0.0,
         "position": [*place, SIZES[shape][2] / 2], "look_material": material}
        for k, (material, shape, place) in enumerate(zip(materials, shapes, PLACES, strict=True))
    ]  # fmt: skip
    points = np.round(surface(shapes) / POINT_SCALE).astype(np.int16)
    return SessionData(
        facts={
            "scene_id": f"{split}-{seed}",
            "split": split,
            "sound_rate": MOTION_RATE,
            "objects": objects,
            "view_names": ["local"],
        },
        sound=np.zeros(rows, np.int16),
        planned_pose=pose,
        executed_pose=pose,
        planned_width=np.full(rows, 0.01, np.float32),
        executed_width=np.full(rows, 0.01, np.float32),
        wrench=np.zeros((rows, 6), np.float32),
        tool_tip=np.float32([0, 0, STICK, 0, 0, 0, 1]),
        surface_points=points,
        surface_colours=np.zeros((len(points), 3), np.uint8),
        contact_s=np.zeros(0, np.float32),
        contact_planned_s=np.zeros(0, np.float32),
        contact_object=np.zeros(0, np.int16),
        contact_impulse=np.zeros(0, np.float32),
        view_bytes=np.frombuffer(b"".join(files), np.uint8).copy(),
        view_offsets=np.cumsum([0, *map(len, files)]).astype(np.int64),
    )


def write_hopping(folder: Path, split: str, count: int) -> Path:
    """A set of such sessions in which materials and shapes change places."""
    folder.mkdir(parents=True)
    for seed in range(count):
        materials = ("wood", "metal") if seed % 2 else ("metal", "wood")
        shapes = ("box", "disc") if seed % 4 < 2 else ("disc", "box")
        write_session(folder / f"{split}-{seed}-p0.npz", hopping_session(materials, shapes, seed, split))
    return folder
