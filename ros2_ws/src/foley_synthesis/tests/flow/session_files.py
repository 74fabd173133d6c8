"""Session files made for tests: a tip that falls on a block again and again, and a click each time it touches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.session_file import MOTION_RATE, POINT_SCALE, SessionData, write_session

RATE = 16_000
TOP = 0.04  # of the block, on a table at 0 [m]
STICK = 0.16
TOOL_DOWN = (1.0, 0.0, 0.0, 0.0)
BLOCKS = (
    {"object_id": "a", "material": "wood", "shape": "box", "size": [0.08, 0.06, TOP], "wall": 0.004},
    {"object_id": "b", "material": "moss", "shape": "disc", "size": [0.1, 0.1, TOP], "wall": 0.0},
)
PLACES = ((0.0, 0.0), (0.25, 0.0))  # of the blocks


def contact_times(duration_s: float) -> NDArray[np.float64]:
    """[s]: every second, at a place of its own between two rows."""
    return 0.5 + np.arange(int(duration_s)) * 1.0013


def falling_session(
    duration_s: float = 12.0, seed: int = 0, noise: float = 0.001, **facts: Any
) -> SessionData:
    """A session with a block of wood and one of moss, touched by turns every four contacts."""
    rows = round(duration_s * MOTION_RATE)
    times = np.arange(rows) / MOTION_RATE
    contacts = contact_times(duration_s)
    touched = np.arange(len(contacts)) // 4 % 2
    nearest = np.abs(times[:, None] - contacts).argmin(axis=1)
    since = times - contacts[nearest]  # down through 0 at the contact, pressed for 40 ms, up again
    height = np.where(since < 0, -0.25 * since, np.maximum(-0.25 * since, -0.003))
    height = np.where(since > 0.04, -0.003 + 0.25 * (since - 0.04), height)
    tips = np.zeros((rows, 3))
    tips[:, :2] = np.array(PLACES)[touched[nearest]]
    tips[:, 2] = TOP + height
    planned = _poses(tips)
    x, y = (g.ravel() for g in np.meshgrid(np.arange(-0.1, 0.35, 0.003), np.arange(-0.1, 0.1, 0.003)))
    on = (np.abs(x) < 0.04) & (np.abs(y) < 0.03) | (np.hypot(x - 0.25, y) < 0.05)
    points = np.round(np.stack([x, y, np.where(on, TOP, 0.0)], axis=1) / POINT_SCALE).astype(np.int16)
    sound = noise * np.random.default_rng(seed).standard_normal(rows * RATE // MOTION_RATE)
    sound[np.round(contacts * RATE).astype(int)] = 0.9
    objects = [{**block, "position": [*place, TOP / 2]} for block, place in zip(BLOCKS, PLACES, strict=True)]
    return SessionData(
        facts={
            "scene_id": f"train-{seed:05d}",
            "split": "train",
            "sound_rate": RATE,
            "objects": objects,
            "view_names": [],
            **facts,
        },
        sound=np.round(sound * 32767).astype(np.int16),
        planned_pose=planned,
        executed_pose=planned + np.float32([0, 0, 4e-3, 0, 0, 0, 0]),
        planned_width=np.full(rows, np.nan, np.float32),
        executed_width=np.full(rows, 0.04, np.float32),
        wrench=np.tile(np.float32([0, 0, -10, 0, 0, 0]), (rows, 1)),
        tool_tip=np.float32([0, 0, STICK, 0, 0, 0, 1]),
        surface_points=points,
        surface_colours=np.zeros((len(points), 3), np.uint8),
        contact_s=contacts.astype(np.float32),
        contact_planned_s=contacts.astype(np.float32),
        contact_object=touched.astype(np.int16),
        contact_impulse=np.full(len(contacts), 0.02, np.float32),
        view_bytes=np.zeros(0, np.uint8),
        view_offsets=np.zeros(1, np.int64),
    )


def write_falling(folder: Path, count: int = 2, split: str = "train", first: int = 0, **more: Any) -> Path:
    """A set of such sessions, scenes `<split>-<number>`."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        facts = {"split": split, "scene_id": f"{split}-{seed:05d}"}
        write_session(folder / f"{split}-{seed:05d}-p0.npz", falling_session(seed=seed, **facts, **more))
    return folder


def _poses(tips: NDArray[np.float64]) -> NDArray[np.float32]:
    """Of a tool that points down."""
    tool = tips + np.array([0, 0, STICK])
    return np.concatenate([tool, np.tile(TOOL_DOWN, (len(tips), 1))], axis=1).astype(np.float32)
