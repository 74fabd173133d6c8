"""Sessions whose touches are made here: what is touched can be heard, and how hard."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from foley_common.session_file import MOTION_RATE, SessionData

RATE = 16_000
MATERIALS = {"metal": (3000.0, 0.10), "wood": (500.0, 0.02)}  # pitch [Hz], decay [s]
ACTIONS = {"tap": 1, "press": 2}  # strokes
EVERY_S = 1.0
PLACES_M = np.array([-0.06, 0.06])  # x of things, in the order of their names


def touch(material: str, action: str, level: float, rng: np.random.Generator) -> np.ndarray:
    """0.6 s of a struck thing."""
    pitch, decay = MATERIALS[material]
    t = np.arange(round(0.6 * RATE)) / RATE
    found = np.zeros(len(t))
    for stroke in range(ACTIONS[action]):
        at = round(0.15 * stroke * RATE)
        tone = np.sin(2 * np.pi * pitch * t) + 0.3 * rng.normal(size=len(t))
        found[at:] += (tone * np.exp(-t / decay))[: len(t) - at]
    return level * found


@pytest.fixture(scope="session")
def make_session() -> Callable[..., SessionData]:
    """Called with a scene's id, its split, a seed and how long it lasts."""

    def make(scene_id: str, split: str = "train", seed: int = 0, seconds: float = 20.0) -> SessionData:
        rng = np.random.default_rng(seed)
        rows, samples = round(seconds * MOTION_RATE), round(seconds * RATE)
        at = np.arange(0.5, seconds - 1.0, EVERY_S) + rng.uniform(
            0.0, 0.3, len(np.arange(0.5, seconds - 1.0, EVERY_S))
        )
        materials = sorted(MATERIALS)
        thing = rng.integers(2, size=len(at))
        actions = [sorted(ACTIONS)[k] for k in rng.integers(2, size=len(at))]
        levels = 10.0 ** (rng.uniform(-34.0, -10.0, len(at)) / 20.0)
        sound = 1e-3 * rng.normal(size=samples)
        height = np.full(rows, 0.1)
        beside = np.interp(  # over the thing from 0.2 s before a touch to 0.2 s after it
            np.arange(rows) / MOTION_RATE,
            np.stack([at - 0.2, at + 0.2], axis=1).ravel(),
            np.repeat(PLACES_M[thing], 2),
        )
        for k, moment in enumerate(at):
            begin = round(moment * RATE)
            made = touch(materials[thing[k]], actions[k], levels[k], rng)
            sound[begin : begin + len(made)] += made
            near = np.arange(rows) / MOTION_RATE - moment
            height = np.minimum(height, np.abs(near) * 0.3)
        pose = np.zeros((rows, 7), np.float32)
        pose[:, 0], pose[:, 2], pose[:, 6] = beside, height, 1.0
        side = np.arange(-100, 101, 25)
        table = np.stack(np.meshgrid(side, side, [0]), axis=-1).reshape(-1, 3).astype(np.int16)
        facts = {
            "scene_id": scene_id, "split": split, "sound_rate": RATE, "policy_seed": 0, "duration_s": seconds,
            "objects": [
                {"object_id": f"{scene_id}-{k}", "material": m, "position": [x, 0.0, 0.0], "size": [0.05, 0.05, 0.02]}
                for k, (m, x) in enumerate(zip(materials, PLACES_M.tolist(), strict=True))
            ],
            "contact_actions": actions, "view_names": [],
        }  # fmt: skip
        return SessionData(
            facts,
            np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16),
            pose, pose, np.full(rows, np.nan, np.float32), np.full(rows, np.nan, np.float32),
            np.zeros((rows, 6), np.float32),
            np.array([0, 0, 0, 0, 0, 0, 1], np.float32),
            table, np.zeros((len(table), 3), np.uint8),
            at.astype(np.float32), at.astype(np.float32), thing.astype(np.int16), levels.astype(np.float32),
            np.zeros(0, np.uint8), np.zeros(0, np.int64),
        )  # fmt: skip

    return make
