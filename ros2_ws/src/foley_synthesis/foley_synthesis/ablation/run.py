"""The whole table from datasets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.ablation.nets import VARIANTS, FitConfig
from foley_synthesis.ablation.rows import Asked, all_rows
from foley_synthesis.ablation.score import score
from foley_synthesis.models.config import ModelConfig
from foley_synthesis.training.batches import Tensors
from foley_synthesis.training.build import prepare
from foley_synthesis.training.config import TrainConfig
from foley_synthesis.training.features import SAMPLE_RATE, load_features
from foley_synthesis.vision.encoder import load_encoder

Progress = Callable[[str, int, int], None]

TEST_SPLITS = ("test", "test_seen")


def ablate(
    dataset: ClipDataset,
    judge: ClipDataset | None = None,
    *,
    seeds: int = 5,
    epochs: int = 40,
    replicates: int = 500,
    threads: int = 2,
    encoder_name: str = "efficientnet-lite0",
    model: dict[str, Any] | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Figures of every row on the test splits that the dataset has, and on the judge.

    Args:
        model: fields of ModelConfig that differ from its defaults.
        progress: called with a stage's name, and how much of it is done.

    Raises:
        ValueError: too few training clips, or nothing to test.
    """
    torch.set_num_threads(threads)
    train = dataset.indices("train")
    labels = tuple(sorted({dataset.clips[i].material for i in train if dataset.clips[i].material}))
    if len(train) < 8 or len(labels) < 2:
        raise ValueError(
            f"{dataset.path}: its training split has {len(train)} clips of {len(labels)} materials; at least 8 clips "
            "of 2 materials are needed"
        )
    encoder = load_encoder(encoder_name, threads=threads)
    shape = ModelConfig(encoder=encoder_name, encoder_dims=encoder.dims, materials=len(labels), **(model or {}))
    features = load_features(dataset, encoder, shape, lambda done, total: progress("features", done, total))
    networks, pca, tensors, split = prepare(features, shape, TrainConfig(), labels)
    asked = [Asked(name, features, tensors, features.indices(name)) for name in TEST_SPLITS]
    if judge is not None:
        told = "features of the judge"
        others = load_features(judge, encoder, shape, lambda done, total: progress(told, done, total))
        its = Tensors.of(others, networks, pca, labels)
        asked.append(Asked("judge", others, its, np.arange(len(others), dtype=np.int64)))
    asked = [a for a in asked if len(a.rows)]
    if not asked:
        raise ValueError(f"{dataset.path}: has no clips in {' or '.join(TEST_SPLITS)}")
    total, done = len(VARIANTS) * seeds * epochs, 0

    def step() -> None:
        nonlocal done
        done += 1
        progress("training", done, total)

    config = FitConfig(epochs=epochs)
    made = all_rows(features, pca, tensors, split, asked, shape, config, seeds=seeds, progress=step)
    return score(made, asked, features, pca, Cochleagram(SAMPLE_RATE), replicates=replicates)
