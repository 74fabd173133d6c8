"""A generated set that a test makes by itself: decaying sinusoids of two materials, and noise that is no contact."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

RATE, SAMPLES, ONSET_S = 24_000, 28_800, 0.2
MATERIALS = ("wood", "metal")  # not in the order of the alphabet, which labels of a checkpoint are in
ACTIONS = ("tap", "scratch")
LOG10_E = {"wood": 10.0, "metal": 11.3}


def contact(material: str, rng: np.random.Generator, onset_s: float = ONSET_S) -> NDArray[np.float32]:
    """One hit [SAMPLES] in a little noise: wood is low and short, metal high and long."""
    time = np.arange(SAMPLES) / RATE - onset_s
    low, high, tau = (200.0, 900.0, 0.02) if material == "wood" else (1500.0, 6000.0, 0.3)
    sound = np.zeros(SAMPLES)
    for _ in range(3):
        hz, decay = rng.uniform(low, high), tau * rng.uniform(0.7, 1.4)
        sound += rng.uniform(0.4, 1.0) * np.exp(-np.maximum(time, 0) / decay) * np.sin(2 * np.pi * hz * time)
    sound[time < 0] = 0.0
    sound *= 0.2 * 10 ** rng.uniform(-0.5, 0.3) / np.abs(sound).max()
    return (sound + 2e-4 * rng.standard_normal(SAMPLES)).astype(np.float32)


def write_set(
    folder: Path,
    *,
    clips: int,
    seed: int,
    split: str = "train",
    materials: tuple[str, ...] = MATERIALS,
) -> Path:
    """A set with three contacts in four clips."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    about = {
        "version": 1, "seed": seed, "split": split, "rate": RATE, "samples": SAMPLES, "materials": list(materials),
        "actions": list(ACTIONS), "strikers": ["metal"], "supports": ["held"], "microphones": ["flat"],
        "kinds": ["contact", "noise"],
    }  # fmt: skip
    (folder / "set.json").write_text(json.dumps(about))
    rows = np.arange(clips)
    kind = (rows % 4 == 3).astype(np.int8)
    material = np.where(kind == 0, rows // 2 % 2, -1).astype(np.int8)
    sounds = np.stack([contact(MATERIALS[m], rng) if m >= 0 else noise(rng) for m in material])
    known = kind == 0
    numbers = {
        "log10_e": np.where(material == 1, 11.3, 10.0),
        "log10_density": np.where(material == 1, 3.9, 2.8),
        "roughness": np.full(clips, 0.3),
        "hollowness": (rows % 3 == 0).astype(float),
    }
    tensors = {
        "audio": np.clip(np.round(sounds * 32768), -32768, 32767).astype(np.int16),
        "onset_s": np.where(known, ONSET_S, np.nan).astype(np.float32),
        "kind": kind,
        "material": material,
        "action": np.where(known, 0, -1).astype(np.int8),
        **{name: np.zeros(clips, np.int8) for name in ("striker", "support", "microphone")},
        **{name: np.where(known, value, np.nan).astype(np.float32) for name, value in numbers.items()},
        "object_id": rows.astype(np.int32),
        "bandwidth_hz": np.full(clips, 12_000.0, np.float32),
        "snr_db": np.full(clips, 40.0, np.float32),
    }
    for i, part in enumerate(np.array_split(rows, 2)):
        save_file(
            {name: np.ascontiguousarray(value[part]) for name, value in tensors.items()},
            folder / f"shard_{i:05d}.safetensors",
        )
    return folder


def noise(rng: np.random.Generator) -> NDArray[np.float32]:
    """Steady, of some colour."""
    brown, white = np.cumsum(rng.standard_normal(SAMPLES)) / 30, rng.standard_normal(SAMPLES)
    return (0.05 * brown + 0.02 * white).astype(np.float32)
