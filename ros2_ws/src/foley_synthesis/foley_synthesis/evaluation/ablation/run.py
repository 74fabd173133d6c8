"""The whole table from datasets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.evaluation.ablation.end_to_end import scratch_images, trunk_maps
from foley_synthesis.evaluation.ablation.nets import VARIANTS, FitConfig
from foley_synthesis.evaluation.ablation.score import score
from foley_synthesis.evaluation.ablation.variants import Learned, Query, predict_all
from foley_synthesis.evaluation.measure import Table
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.training.batches import Tensors
from foley_synthesis.vis.training.build import prepare, training_labels
from foley_synthesis.vis.training.config import TrainConfig
from foley_synthesis.vis.training.features import SAMPLE_RATE, load_features
from foley_synthesis.vision.efficientnet import EfficientNetLite0
from foley_synthesis.vision.encoders import load_encoder

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
    end_to_end: bool = True,
    tuned_epochs: int = 5,
    scratch_epochs: int = 15,
    model: dict[str, Any] | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Table]:
    """Figures of every method on the test splits that the dataset has, and on the judge.

    Args:
        end_to_end: also train through the image network, tuned and from scratch (hours on large datasets); needs
            the default encoder.
        model: fields of ModelConfig that differ from its defaults.
        progress: called with a stage's name, and how much of it is done.

    Raises:
        ValueError: nothing to test; UntrainableDataset, which is one, where too little is there to learn from.
    """
    torch.set_num_threads(threads)
    labels = training_labels(dataset)
    encoder = load_encoder(encoder_name, threads=threads)
    shape = ModelConfig(
        encoder=encoder_name, encoder_dims=encoder.dims, materials=len(labels), **(model or {})
    )
    features = load_features(dataset, encoder, shape, lambda done, total: progress("features", done, total))
    networks, pca, tensors, split = prepare(features, shape, TrainConfig(), labels)
    opened = encoder if end_to_end and isinstance(encoder, EfficientNetLite0) else None

    def pictures(of: ClipDataset) -> tuple[Tensor | None, Tensor | None]:
        if opened is None:
            return None, None
        maps = trunk_maps(of, opened, shape, lambda done, total: progress("maps", done, total))
        return maps, scratch_images(of, shape, lambda done, total: progress("images", done, total))

    maps, images = pictures(dataset)
    queries = [Query(name, features, tensors, features.indices(name), maps, images) for name in TEST_SPLITS]
    if judge is not None:
        stage = "features of the judge"
        others = load_features(judge, encoder, shape, lambda done, total: progress(stage, done, total))
        its = Tensors.of(others, networks, pca, labels)
        queries.append(Query("judge", others, its, np.arange(len(others), dtype=np.int64), *pictures(judge)))
    queries = [query for query in queries if len(query.rows)]
    if not queries:
        raise ValueError(f"{dataset.path}: has no clips in {' or '.join(TEST_SPLITS)}")
    through = tuned_epochs + scratch_epochs if opened is not None else 0
    total, done = seeds * (len(VARIANTS) * epochs + through), 0

    def step() -> None:
        nonlocal done
        done += 1
        progress("training", done, total)

    learned = Learned(
        features, networks, pca, tensors, split, shape, FitConfig(epochs=epochs), seeds,
        opened, maps, images, tuned_epochs, scratch_epochs, step,
    )  # fmt: skip
    outputs = predict_all(learned, queries)
    return score(outputs, queries, features, pca, Cochleagram(SAMPLE_RATE), replicates=replicates)
