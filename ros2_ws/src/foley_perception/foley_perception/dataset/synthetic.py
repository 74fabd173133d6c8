"""A tiny made-up dataset, written through the same code as a real one: for tests and first steps.

Material sets pitch and decay of a decaying tone and the colour of the crop; speed sets its level. So both
hearing and sight can be learned from it in seconds, and a shuffled label cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.clips import grid
from foley_perception.dataset import manifest, schema, store
from foley_perception.dataset.schema import Clip, ClipData
from foley_perception.geometry import crop

# material -> pitch [Hz], decay [1/s], log10 Young's modulus [Pa], colour
_LOOK: dict[str, tuple[float, float, float, tuple[int, int, int]]] = {
    "wood": (700.0, 60.0, 10.1, (150, 105, 60)),
    "metal": (3200.0, 6.0, 11.2, (165, 170, 178)),
    "glass": (5200.0, 14.0, 10.85, (190, 220, 225)),
    "plastic": (1300.0, 110.0, 9.4, (205, 60, 60)),
    "ceramic": (2300.0, 26.0, 10.95, (235, 230, 220)),
    "stone": (1900.0, 45.0, 10.6, (110, 110, 112)),
}
MATERIALS: tuple[str, ...] = tuple(_LOOK)


def make_clip(material: str, split: str, index: int, rng: np.random.Generator) -> ClipData:
    """One contact with an object of ``material``; the contact is at 0.25 s."""
    pitch, decay, log10_e, colour = _LOOK[material]
    speed = float(rng.uniform(0.1, 0.6))
    session = f"synthetic_{split}_{index // 6}"
    contact_ns = 1_000_000_000_000 + index * 3_000_000_000
    clip = Clip(
        clip_id=f"{session}_{index:05d}",
        session_id=session,
        scene_id=f"scene_{split}_{index // 6}",
        object_id=f"{material}_{split}_{index}",
        split=split,
        domain="sim",
        contact_ns=contact_ns,
        start_ns=contact_ns - round(grid.CLIP_BEFORE_S * 1e9),
        action=("tap", "hit")[index % 2],
        material=material,
        log10_youngs_modulus=log10_e + float(rng.normal(0, 0.05)),
        roughness=float(rng.uniform(0, 0.5)),
        hollowness=0.0,
        impulse=0.03 * speed,
        speed=speed,
        position=(0.1, 0.0, 0.05),
    )
    executed = _action(speed)
    still = _picture(colour, rng)
    frames = np.stack([_with_tip(still, executed[3 * i, 2]) for i in range(grid.CLIP_FRAMES)])
    planned = executed.copy()
    planned[:, 7] = 0.0
    keypoints = np.full(schema.CLIP_ARRAYS["keypoints"], np.nan, dtype=np.float32)
    tips = executed[::3, :3] + np.asarray(clip.position, dtype=np.float32)
    keypoints[:, 1] = tips[:, None, :]
    return ClipData(
        clip=clip,
        audio=_tone(pitch * float(rng.uniform(0.85, 1.15)), decay, speed, rng),
        frames=frames,
        still=still,
        action_executed=executed,
        action_planned=planned,
        keypoints=keypoints,
    )


def write_synthetic_dataset(
    path: str | Path,
    *,
    clips_per_split: int = 12,
    materials: Sequence[str] = MATERIALS[:4],
    splits: Sequence[str] = schema.ASSIGNED,
    seed: int = 0,
) -> dict[str, Any]:
    """Write a dataset of ``clips_per_split`` clips per split below ``path``; returns its manifest."""
    folder = Path(path)
    store.make_folders(folder)
    rng = np.random.default_rng(seed)
    rows = []
    for split in splits:
        for index in range(clips_per_split):
            clip = make_clip(materials[index % len(materials)], split, index, rng)
            rows.append(store.store_clip(folder, clip))
    return manifest.finish(folder, rows, [], sources=[{"synthetic": True, "seed": seed}])


def _tone(pitch: float, decay: float, speed: float, rng: np.random.Generator) -> NDArray[np.float32]:
    time_s = np.arange(grid.CLIP_SAMPLES) / grid.SAMPLE_RATE - grid.CLIP_BEFORE_S
    after = time_s >= 0
    tone = np.zeros(grid.CLIP_SAMPLES)
    for k, ratio in enumerate((1.0, 2.76, 5.4)):
        tone[after] += (
            np.sin(2 * np.pi * pitch * ratio * time_s[after])
            * np.exp(-decay * (1 + k) * time_s[after])
            / (1 + k)
        )
    return (0.5 * speed * tone + 3e-4 * rng.standard_normal(tone.size)).astype(np.float32).clip(-1, 1)


def _action(speed: float) -> NDArray[np.float32]:
    time_s = np.arange(grid.CLIP_ACTIONS) / grid.ACTION_RATE - grid.CLIP_BEFORE_S
    action = np.zeros((grid.CLIP_ACTIONS, grid.ACTION_DIMS), dtype=np.float32)
    action[:, 2] = np.where(time_s < 0, -speed * time_s, 0.3 * speed * time_s)
    action[:, 5] = np.where(time_s < 0, -speed, 0.3 * speed)
    action[:, 6] = 0.02
    action[np.abs(time_s) < 0.5 / grid.ACTION_RATE, 7] = 20.0 * speed
    return action


def _picture(colour: tuple[int, int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
    size = crop.CROP_SIZE
    image = np.full((size, size, 3), (90, 80, 70), dtype=np.float64)
    image[32:112, 24:104] = np.asarray(colour) * rng.uniform(0.85, 1.1)
    return (image + rng.normal(0, 4, image.shape)).clip(0, 255).astype(np.uint8)


def _with_tip(still: NDArray[np.uint8], height_m: float) -> NDArray[np.uint8]:
    frame = still.copy()
    bottom = int(np.clip(64 - height_m * crop.CROP_SIZE / (2 * crop.CROP_HALF_SIZE_M), 0, 127))
    frame[:bottom, 61:67] = (20, 20, 20)
    return frame
