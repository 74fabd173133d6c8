"""Every measure of every row, with intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.clips.grid import SAMPLE_RATE
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.evaluation.ablation.score import score
from foley_synthesis.evaluation.ablation.variants import Asked, Made
from foley_synthesis.evaluation.sounds.methods import REAL, Maker, ScoreError
from foley_synthesis.metrics.audio import (
    Agreement,
    envelope_distance,
    frechet,
    onset_agreement,
    onsets,
    stft_distance,
)
from foley_synthesis.metrics.bootstrap import hierarchical_weights, interval, mean_interval
from foley_synthesis.metrics.perceptual import Aisfx, Cdpam
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.networks.pca import Pca
from foley_synthesis.vis.training.build import UntrainableDataset, prepare, training_labels
from foley_synthesis.vis.training.config import TrainConfig
from foley_synthesis.vis.training.features import FeatureSet, load_features
from foley_synthesis.vision.encoders import load_encoder

Array = NDArray[np.float64]
Sound = NDArray[np.float32]
Progress = Callable[[str, int, int], None]
_HEARD = slice(round(0.15 * SAMPLE_RATE), round(0.75 * SAMPLE_RATE))  # of a clip, that CDPAM compares


@dataclasses.dataclass(frozen=True, eq=False)
class Field:
    """What is scored, and what it is scored against."""

    dataset: ClipDataset
    features: FeatureSet
    rows: NDArray[np.int64]  # contacts that are asked about
    source: ClipDataset  # with the training clips
    bank: FeatureSet
    pca: Pca
    asked: Asked


@dataclasses.dataclass(frozen=True, eq=False)
class Scores:
    """Figures for metrics.json, and per-contact values for the pictures."""

    figures: dict[str, Any]
    loudness: dict[str, Array]  # row -> [n] dB of the loudest frame, `real sound` among them


def open_field(
    dataset: ClipDataset,
    source: ClipDataset | None,
    *,
    split: str,
    contacts: int,
    encoder_name: str,
    threads: int,
    seed: int,
    progress: Progress,
) -> Field:
    """Features of both datasets; PCA and probes know the training clips of ``source`` alone.

    Raises:
        ScoreError: nothing to train probes on, nothing to ask about, or both overlap.
    """
    source = source or dataset
    try:
        labels = training_labels(source)
    except UntrainableDataset as error:
        raise ScoreError(
            f"the probes cannot be taught: {error} Another dataset can teach them: --train"
        ) from error
    encoder = load_encoder(encoder_name, threads=threads)
    shape = ModelConfig(encoder=encoder_name, encoder_dims=encoder.dims, materials=len(labels))
    bank = load_features(source, encoder, shape, lambda done, total: progress("features", done, total))
    features = bank
    if source is not dataset:
        told = "features of the judged"
        features = load_features(dataset, encoder, shape, lambda done, total: progress(told, done, total))
    chosen = features.indices(split) if split != "all" else np.arange(len(features), dtype=np.int64)
    if contacts and len(chosen) > contacts:
        chosen = np.sort(np.random.default_rng(seed).choice(chosen, contacts, replace=False))
    if not len(chosen):
        raise ScoreError(
            f"{dataset.path}: split `{split}` has no clips; it has {', '.join(dataset.manifest['splits'])}"
        )
    taught = {bank.clips[i].object_id for i in bank.indices("train")} - {""}
    shared = taught & {features.clips[i].object_id for i in chosen}
    if shared and split == "test":
        raise ScoreError(f"{len(shared)} objects, such as {sorted(shared)[0]}, are in training and in test")
    _, pca, tensors, _ = prepare(bank, shape, TrainConfig(), labels)
    asked = Asked(split, features, tensors, chosen)
    return Field(dataset, features, chosen, source, bank, pca, asked)


def score_rows(
    field: Field,
    makers: Mapping[str, Maker],
    *,
    cdpam: Cdpam | None,
    aisfx: Aisfx | None,
    cdpam_contacts: int = 48,
    replicates: int = 500,
    seed: int = 0,
    keep: Callable[[str, int, Sound], None] = lambda row, contact, sound: None,
    progress: Progress = lambda stage, done, total: None,
) -> Scores:
    """Make every sound once and measure it.

    Args:
        cdpam: None leaves its column out; so for ``aisfx``.
        keep: called with row, contact and sound of everything that is made.
    """
    clips = [field.features.clips[i] for i in field.rows]
    weights = hierarchical_weights(
        [c.scene_id for c in clips], [c.object_id for c in clips], replicates, seed
    )
    cochlea = Cochleagram(SAMPLE_RATE)
    real = {int(row): field.dataset.audio(int(row)) for row in field.rows}
    truth = {row: onsets(sound, SAMPLE_RATE) for row, sound in real.items()}
    heard = _spread(len(field.rows), cdpam_contacts)
    ears = _Ears(cdpam, aisfx, [real[int(field.rows[k])][_HEARD] for k in heard], list(real.values()))
    frames: dict[str, Made] = {}
    figures: dict[str, dict[str, Any]] = {}
    everything: dict[str, Maker] = {REAL: lambda row: (real[row], ""), **makers}
    place = {field.bank.clips[i].clip_id: int(i) for i in field.bank.indices("train")}
    for number, (name, make) in enumerate(everything.items()):
        sounds, sources, measured = [], [], []
        for k, row in enumerate(field.rows):
            sound, source = make(int(row))
            keep(name, int(row), sound)
            sources.append(place.get(source, -1))
            sounds.append(sound)
            measured.append(_measures(sound, real[int(row)], truth[int(row)]))
            progress("sounds", number * len(field.rows) + k + 1, len(everything) * len(field.rows))
        steps = field.features.cochleagram.shape[1]
        frames[name] = Made(np.stack([cochlea(sound)[:steps] for sound in sounds]), np.array(sources))
        figures[name] = _summary(measured, weights)
        figures[name] |= ears.judge([sounds[k][_HEARD] for k in heard], sounds, weights[:, heard])
        progress("judges", number + 1, len(everything))
    if aisfx is not None:
        figures["real training sounds"] = {
            "frechet": {"value": _floor(field, aisfx, len(field.rows), seed, ears)}
        }
    truths = frames.pop(REAL).frames
    asked = dataclasses.replace(field.asked, features=_with_truth(field, truths))
    told = score(
        {asked.name: {name: [made] for name, made in frames.items()}},
        [asked],
        field.bank,
        field.pca,
        cochlea,
        replicates=replicates,
        seed=seed,
    )
    part = told[asked.name]
    for name, row in part["rows"].items():
        figures[name] |= row
    facts = {name: part[name] for name in ("contacts", "scenes", "objects", "chance", "materials")}
    facts |= {
        "cdpam_contacts": len(heard) if cdpam is not None else 0,
        "judges": {"cdpam": getattr(cdpam, "name", None), "frechet": getattr(aisfx, "name", None)},
        "split": asked.name,
    }
    loudness = {name: _loudness(made.frames, cochlea.exponent) for name, made in frames.items()}
    loudness[REAL] = _loudness(truths, cochlea.exponent)
    return Scores({**facts, "rows": figures}, loudness)


class _Ears:
    """Both judges, with the real sounds heard once."""

    def __init__(
        self, cdpam: Cdpam | None, aisfx: Aisfx | None, few: Sequence[Sound], every: Sequence[Sound]
    ) -> None:
        self._cdpam, self._aisfx = cdpam, aisfx
        self._few = cdpam.embed(few, SAMPLE_RATE) if cdpam is not None else None
        self.every = aisfx.embed(every, SAMPLE_RATE) if aisfx is not None else None

    def judge(self, few: Sequence[Sound], every: Sequence[Sound], weights: Array) -> dict[str, Any]:
        result: dict[str, Any] = {}
        if self._cdpam is not None and self._few is not None:
            apart = self._cdpam.distances(self._cdpam.embed(few, SAMPLE_RATE), self._few)
            result["cdpam"] = mean_interval(apart, weights).to_dict()
        if self._aisfx is not None and self.every is not None and len(every) > 2:
            made = self._aisfx.embed(every, SAMPLE_RATE)
            result["frechet"] = {"value": round(frechet(made, self.every), 4)}
        return result


def _floor(field: Field, aisfx: Aisfx, count: int, seed: int, ears: _Ears) -> float | None:
    """The distance of as many real training sounds: what sounds that are real without doubt are given."""
    assert ears.every is not None
    train = field.bank.indices("train")
    drawn = np.random.default_rng(seed).choice(train, min(count, len(train)), replace=False)
    if len(drawn) < 3 or len(ears.every) < 3:
        return None
    made = aisfx.embed([field.source.audio(int(i)) for i in drawn], SAMPLE_RATE)
    return round(frechet(made, ears.every), 4)


def _measures(made: Sound, real: Sound, truth: Array) -> tuple[dict[str, float], Agreement]:
    spectrum, shape = stft_distance(made, real), envelope_distance(made, real)
    values = {
        "stft": spectrum.absolute,
        "stft_relative": spectrum.relative,
        "envelope": shape.absolute,
        "envelope_relative": shape.relative,
    }
    return values, onset_agreement(onsets(made, SAMPLE_RATE), truth)


def _summary(measured: Sequence[tuple[dict[str, float], Agreement]], weights: Array) -> dict[str, Any]:
    result: dict[str, Any] = {
        key: mean_interval(np.array([values[key] for values, _ in measured]), weights).to_dict()
        for key in measured[0][0]
    }
    counts = np.array([(2.0 * a.hits, a.false + a.missed) for _, a in measured])

    def f1(w: Array | None) -> float:
        hits, wrong = counts.sum(axis=0) if w is None else w @ counts
        return float(hits / (hits + wrong)) if hits + wrong > 0 else float("nan")

    result["onset_f1"] = interval(f1, weights).to_dict()
    errors = np.array([np.abs(a.errors_s).mean() * 1e3 if a.hits else np.nan for _, a in measured])
    result["sync_ms"] = mean_interval(errors, weights).to_dict()
    return result


def _spread(count: int, wanted: int) -> NDArray[np.int64]:
    """As many of `count` as wanted, evenly over them."""
    return np.unique(np.linspace(0, count - 1, min(max(wanted, 1), count)).round().astype(np.int64))


def _with_truth(field: Field, truths: NDArray[np.float32]) -> FeatureSet:
    """The features with the real sounds as they were scored here."""
    frames = field.features.cochleagram.copy()
    frames[field.rows] = truths
    return dataclasses.replace(field.features, cochleagram=frames)


def _loudness(frames: NDArray[np.float32], exponent: float) -> Array:
    from foley_synthesis.metrics.cochleagram import loudness_db

    return np.maximum(loudness_db(frames, exponent), -90.0)
