"""A study from a dataset and checkpoints: held-out contacts with their own sound and with made ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import soundfile
from numpy.typing import NDArray

from foley_perception.clips.action import motion_known
from foley_perception.clips.grid import FRAME_RATE, SAMPLE_RATE
from foley_perception.dataset.reader import Clip, ClipDataset
from foley_synthesis.evaluation.listening_test.trials import StudyError, write_study
from foley_synthesis.vis.inference.predictor import PredictionInput, Predictor

Sound = NDArray[np.float32]

SOFT_LOG10_PA = 8.0
"""Things of a lower Young's modulus count as soft."""
ROUGH = 0.5
"""Surfaces above it, on the scale of the materials, count as rough."""
CATCHES = 4
_COLUMNS = 6
_JPEG_QUALITY = 88


def make_study(
    dataset: ClipDataset,
    predictors: Mapping[str, Predictor],
    out: Path,
    *,
    split: str = "test",
    clips: int = 40,
    seed: int = 0,
    title: str = "Which sound is real?",
    progress: Callable[[], None] = lambda: None,
) -> int:
    """Write a study's folder and return the number of clips, catches not counted.

    Every predictor sees pictures and the measured motion, as the model of Visually Indicated Sounds does. `random`
    is the sound of another contact of the same split, moved to this one's onset already: the least that a model
    must beat.

    Raises:
        StudyError: the split holds too little, or the folder is not empty.
        OSError: the folder cannot be written.
    """
    if out.exists() and any(out.iterdir()):
        raise StudyError(f"{out}: is not empty; a study with answers must not change under them")
    rng = np.random.default_rng(seed)
    chosen = _balanced(dataset, split, clips, rng)
    if len(chosen) < 2:
        raise StudyError(
            f"{dataset.path}: split `{split}` has {len(chosen)} usable contacts, a study needs 2 or more"
        )
    out.mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, Any]] = []
    for number, index in enumerate(chosen):
        contact, name = _input(dataset, index), f"c{number:03d}"
        made = {model: predictor.predict(contact).waveform for model, predictor in predictors.items()}
        other = chosen[(number + int(rng.integers(1, len(chosen)))) % len(chosen)]
        made["random"] = dataset.audio(other)
        entries.append(_write(out, name, dataset, index, made))
        progress()
    for number, index in enumerate(rng.choice(chosen, min(CATCHES, len(chosen)), replace=False)):
        noise = 0.1 * rng.standard_normal(len(dataset.audio(int(index)))).astype(np.float32)
        entries.append(
            {**_write(out, f"x{number:03d}", dataset, int(index), {"noise": noise}), "catch": True}
        )
    write_study(out, title, entries)
    return len(chosen)


def facts_of(clip: Clip) -> dict[str, str]:
    """What the analysis groups by; unknown facts are left out."""
    facts = {
        "material": clip.material,
        "action": clip.action,
        "reaction": clip.reaction,
        "scene": clip.scene_id,
    }
    if np.isfinite(clip.log10_youngs_modulus):
        facts["softness"] = "soft" if clip.log10_youngs_modulus < SOFT_LOG10_PA else "hard"
    if np.isfinite(clip.roughness):
        facts["smoothness"] = "rough" if clip.roughness > ROUGH else "smooth"
    return {name: value for name, value in facts.items() if value}


def _balanced(dataset: ClipDataset, split: str, count: int, rng: np.random.Generator) -> list[int]:
    """Contacts whose motion is known throughout, or not at all (no robot); materials and actions taking turns."""
    motions = {i: dataset.action_executed(i) for i in dataset.indices(split)}
    known = [i for i, action in motions.items() if motion_known(action) or np.isnan(action).all()]
    return _in_turn(dataset, known, count, rng)


def balanced_contacts(dataset: ClipDataset, rows: Sequence[int], count: int, seed: int) -> list[int]:
    """At most `count` of these rows, materials and actions taking turns."""
    return _in_turn(dataset, rows, count, np.random.default_rng(seed))


def _in_turn(dataset: ClipDataset, rows: Sequence[int], count: int, rng: np.random.Generator) -> list[int]:
    groups: dict[tuple[str, str], list[int]] = {}
    for index in rng.permutation(np.asarray(rows, np.int64)):
        clip = dataset.clips[int(index)]
        groups.setdefault((clip.material, clip.action), []).append(int(index))
    turns = [own for _, own in sorted(groups.items())]
    order = [turns[i] for i in rng.permutation(len(turns))]
    found: list[int] = []
    while len(found) < count and any(order):
        for own in order:
            if own and len(found) < count:
                found.append(own.pop())
    return found


def _input(dataset: ClipDataset, index: int) -> PredictionInput:
    frames, still = dataset.frames_and_still(index)
    return PredictionInput(still, frames, dataset.action_executed(index))


def _write(
    out: Path, name: str, dataset: ClipDataset, index: int, made: Mapping[str, Sound]
) -> dict[str, Any]:
    frames = dataset.frames(index)
    rows = -(-len(frames) // _COLUMNS)
    padded = np.concatenate([frames, np.zeros((rows * _COLUMNS - len(frames), *frames.shape[1:]), np.uint8)])
    height, width = frames.shape[1:3]
    sheet = padded.reshape(rows, _COLUMNS, height, width, 3).swapaxes(1, 2).reshape(rows * height, -1, 3)
    done, data = cv2.imencode(".jpg", sheet[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise StudyError(f"{name}: the pictures could not be written as JPEG")
    (out / f"{name}.jpg").write_bytes(data.tobytes())
    for what, sound in {"real": dataset.audio(index), **made}.items():
        soundfile.write(out / f"{name}_{what}.wav", np.clip(sound, -1.0, 1.0), SAMPLE_RATE, subtype="PCM_16")
    return {
        "id": name,
        "pictures": f"{name}.jpg",
        "columns": _COLUMNS,
        "count": len(frames),
        "rate_hz": FRAME_RATE,
        "real": f"{name}_real.wav",
        "made": {model: f"{name}_{model}.wav" for model in made},
        "facts": facts_of(dataset.clips[index]),
    }
