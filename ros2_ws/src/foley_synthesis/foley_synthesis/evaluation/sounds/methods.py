"""Sounds to be judged: those of a checkpoint, of a folder, and those that anybody could have produced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio import sound_file
from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.audio.resample import resampled
from foley_perception.clips.action import motion_known
from foley_perception.clips.grid import CLIP_SAMPLES, SAMPLE_RATE
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.checkpoint import load_checkpoint
from foley_synthesis.evaluation.ablation.variants import placed
from foley_synthesis.evaluation.baselines import nearest
from foley_synthesis.evaluation.measure import Method
from foley_synthesis.evaluation.sound_metrics import Sound, by_row
from foley_synthesis.vis.inference.predictor import PredictionInput, Predictor
from foley_synthesis.vis.networks.pca import Pca
from foley_synthesis.vis.synthesis.exemplar import shifted
from foley_synthesis.vis.synthesis.parametric import parametric_waveform
from foley_synthesis.vis.training.features import FeatureSet

_LATE_S = 0.05
_SUFFIXES = (".flac", ".wav", ".ogg")


class ScoreError(ValueError):
    """The query cannot be scored; the message says why and how to mend it."""


def simple_methods(
    dataset: ClipDataset,
    features: FeatureSet,
    rows: NDArray[np.int64],
    source: ClipDataset,
    bank: FeatureSet,
    pca: Pca,
    seed: int,
) -> list[Method]:
    """Silence, the training mean, other real sounds, and the true one late or resynthesised.

    Args:
        rows: of ``features``, that are to be predicted.
        source: with the training clips; ``bank`` are its features.
    """
    cochlea = Cochleagram(SAMPLE_RATE)
    train = bank.indices("train")
    position = {int(row): k for k, row in enumerate(rows)}
    rng = np.random.default_rng(seed)
    random = train[rng.integers(len(train), size=len(rows))]
    looks = train[nearest(bank.still[train, 0], features.still[rows, 0])]
    there = train[nearest(placed(bank, train), placed(features, rows))]
    mean = bank.cochleagram[train].mean(axis=0)

    def of_train(chosen: NDArray[np.int64]) -> Callable[[int], tuple[Sound, str]]:
        def make(row: int) -> tuple[Sound, str]:
            found = int(chosen[position[row]])
            return source.audio(found), source.clips[found].clip_id

        return make

    def late(row: int) -> tuple[Sound, str]:
        return shifted(dataset.audio(row), round(_LATE_S * SAMPLE_RATE), SAMPLE_RATE // 10), ""

    def again(row: int) -> tuple[Sound, str]:
        frames = pca.decode(pca.encode(features.cochleagram[row]))
        return parametric_waveform(frames, CLIP_SAMPLES, cochlea, seed=seed), ""

    return [
        by_row("real sound, 50 ms late", "truth", late),
        by_row("real sound, PCA and resynthesis", "truth", again),
        by_row("nearest image", "nothing", of_train(looks)),
        by_row("nearest clip, velocity zero", "motion", of_train(there)),
        by_row("random", "nothing", of_train(random)),
        by_row(
            "training mean",
            "nothing",
            lambda row: (parametric_waveform(mean, CLIP_SAMPLES, cochlea, seed=seed + row), ""),
        ),
        by_row("silence", "nothing", lambda row: (np.zeros(CLIP_SAMPLES, np.float32), "")),
    ]


def checkpoint_methods(name: str, path: str, dataset: ClipDataset, rows: Sequence[int]) -> Iterator[Method]:
    """Both syntheses of what was measured, and the prediction from the plan alone where every contact has one.

    Raises:
        CorruptCheckpoint: it cannot be loaded.
        ScoreError: it was trained on objects of the contacts that are to be predicted.
    """

    def measured(predictor: Predictor) -> Callable[[int], tuple[Sound, str]]:
        def make(row: int) -> tuple[Sound, str]:
            frames, still = dataset.frames_and_still(row)
            # A recording without a robot has no motion; the model sees rest, as it did in training.
            output = predictor.predict(PredictionInput(still, frames, dataset.action_executed(row)))
            return output.waveform, output.exemplar_id

        return make

    example = Predictor.load(path, threads=2)
    shared = set(load_checkpoint(path).exemplars.object_ids) & {
        dataset.clips[row].object_id for row in rows
    } - {""}
    if shared and any(dataset.clips[row].split == "test" for row in rows):
        raise ScoreError(
            f"{name}: {len(shared)} of the objects to be predicted, such as {sorted(shared)[0]}, are among "
            "its exemplars; it was trained on them"
        )

    def planned(row: int) -> tuple[Sound, str]:
        output = example.predict(PredictionInput(dataset.still(row), None, dataset.action_planned(row)))
        return output.waveform, output.exemplar_id

    parametric = Predictor.load(path, threads=2, synthesis="parametric")
    yield by_row(name, "motion", measured(example))
    yield by_row(f"{name}, parametric", "motion", measured(parametric))
    if all(motion_known(dataset.action_planned(row)) for row in rows):
        yield by_row(f"{name}, planned", "plan", planned)


def folder_methods(name: str, folder: Path, dataset: ClipDataset, rows: Sequence[int]) -> Iterator[Method]:
    """Files `<clip id>.flac`, `.wav` or `.ogg` of any rate, made by anything.

    Raises:
        ScoreError: a contact has no file, or a file cannot be read.
    """
    found: dict[int, Path] = {}
    for row in rows:
        clip = dataset.clips[row].clip_id
        for suffix in _SUFFIXES:
            if (folder / f"{clip}{suffix}").is_file():
                found[row] = folder / f"{clip}{suffix}"
                break
    if len(found) < len(rows):
        lacking = next(row for row in rows if row not in found)
        raise ScoreError(
            f"{folder}: {len(rows) - len(found)} of {len(rows)} contacts have no sound, such as "
            f"{dataset.clips[lacking].clip_id}.flac"
        )
    yield by_row(name, "unknown", lambda row: (read_sound(found[row]), ""))


def read_sound(path: Path) -> Sound:
    """[48000] at 48 kHz, the loudest channel; longer ones are cut, shorter ones end in silence. Raises ScoreError."""
    try:
        samples, rate = sound_file.read_sound(path)
    except sound_file.UnreadableSound as error:
        raise ScoreError(str(error)) from error
    sound = resampled(samples, rate, SAMPLE_RATE)[:CLIP_SAMPLES]
    return np.asarray(np.pad(sound, (0, CLIP_SAMPLES - len(sound))), np.float32)
