"""Every metric of every method, with intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.clips.grid import SAMPLE_RATE
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.evaluation.measure import Method, Table, figure, fixed, measure, weights_of
from foley_synthesis.evaluation.sound_metrics import (
    REAL,
    WAVEFORM,
    SoundOutput,
    clip_items,
    cochleagram_metrics,
    perceptual_metrics,
    probe_metrics,
    spread,
)
from foley_synthesis.evaluation.sound_probes import SoundProbes
from foley_synthesis.evaluation.sounds.methods import ScoreError
from foley_synthesis.metrics.perceptual import Aisfx, Cdpam
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.networks.pca import Pca
from foley_synthesis.vis.training.build import UntrainableDataset, prepare, training_labels
from foley_synthesis.vis.training.config import TrainConfig
from foley_synthesis.vis.training.features import FeatureSet, load_features
from foley_synthesis.vision.encoders import load_encoder

Progress = Callable[[str, int, int], None]
TRAINING = "real training sounds"


@dataclasses.dataclass(frozen=True, eq=False)
class Query:
    """What is scored, and what it is scored against."""

    dataset: ClipDataset
    split: str
    features: FeatureSet
    rows: NDArray[np.int64]  # of the dataset: contacts that are to be predicted
    source: ClipDataset  # with the training clips
    bank: FeatureSet
    pca: Pca


def open_query(
    dataset: ClipDataset,
    source: ClipDataset | None,
    *,
    split: str,
    contacts: int,
    encoder_name: str,
    threads: int,
    seed: int,
    progress: Progress,
) -> Query:
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
        stage = "features of the judged"
        features = load_features(dataset, encoder, shape, lambda done, total: progress(stage, done, total))
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
    _, pca, _, _ = prepare(bank, shape, TrainConfig(), labels)
    return Query(dataset, split, features, chosen, source, bank, pca)


def score_methods(
    query: Query,
    methods: Sequence[Method],
    *,
    cdpam: Cdpam | None,
    aisfx: Aisfx | None,
    cdpam_contacts: int = 48,
    replicates: int = 500,
    seed: int = 0,
    seen: Callable[[str, SoundOutput], None] = lambda method, output: None,
    progress: Progress = lambda stage, done, total: None,
) -> Table:
    """Make every sound once and measure it, the real ones among them.

    Args:
        cdpam: None leaves its column out; so for ``aisfx``.
        seen: called with each method and its sounds.
    """
    cochlea, steps = Cochleagram(SAMPLE_RATE), query.features.cochleagram.shape[1]
    waveforms = [query.dataset.audio(int(row)) for row in query.rows]
    frames = np.stack([cochlea(sound)[:steps] for sound in waveforms])
    items = clip_items([query.features.clips[i] for i in query.rows], query.rows, frames, waveforms)
    probes = SoundProbes(query.bank, query.pca)
    probed, details, chance = probe_metrics(probes, query.pca, query.features, items)
    listening = perceptual_metrics(items, cdpam, aisfx, cdpam_contacts)
    table = measure(
        items,
        [fixed(REAL, "truth", [SoundOutput(frames, waveforms)]), *methods],
        [*cochleagram_metrics(cochlea), *WAVEFORM, *listening, *probed],
        weights_of(items, replicates, seed),
        details=details,
        seen=seen,
        progress=lambda done, total: progress("sounds", done, total),
    )
    if (frechet := next((m for m in listening if m.key == "frechet"), None)) is not None:
        table.cells[TRAINING] = {
            "frechet": figure(frechet.statistic(frechet.fn(_training_sounds(query, seed), items), None))
        }
    facts = {
        **table.count("contacts", "objects"),
        "chance": chance,
        "materials": probes.labels["material"],
        "cdpam_contacts": len(spread(len(items), cdpam_contacts)) if cdpam is not None else 0,
        "judges": {"cdpam": getattr(cdpam, "name", None), "frechet": getattr(aisfx, "name", None)},
        "split": query.split,
    }
    return dataclasses.replace(table, facts=facts)


def _training_sounds(query: Query, seed: int) -> SoundOutput:
    """As many real training sounds as are scored: what sounds that are real without doubt are given."""
    train = query.bank.indices("train")
    chosen = np.random.default_rng(seed).choice(train, min(len(query.rows), len(train)), replace=False)
    return SoundOutput(waveforms=[query.source.audio(int(i)) for i in chosen])
