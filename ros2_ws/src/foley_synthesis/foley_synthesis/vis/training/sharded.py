"""Training on shards: what is learned from streams, and the rest is as with a data set.

In memory are the validation clips, some thousand training clips (of which statistics, components and exemplars are
taken) and one buffer a lane. An epoch sees every training clip once, whatever the number of processes, in the same
batches.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_synthesis.training import processes
from foley_synthesis.training.shards import LANES, ShardStream
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.networks.networks import Networks
from foley_synthesis.vis.networks.pca import Pca
from foley_synthesis.vis.training.batches import Tensors
from foley_synthesis.vis.training.build import Report, Run, UntrainableDataset, run_key, stage_report
from foley_synthesis.vis.training.config import TrainConfig
from foley_synthesis.vis.training.examples import Batch, drawn, epoch_seed
from foley_synthesis.vis.training.feature_shards import FeatureShards, Row, feature_set, make_features
from foley_synthesis.vision.encoders import load_encoder

BUFFER = 256  # clips of a lane: some 20 MB


def build_from_shards(
    given: str,
    out: Path,
    config: TrainConfig,
    *,
    encoder_name: str = "efficientnet-lite0",
    resume: bool = False,
    report: Report | None = None,
    model: dict[str, Any] | None = None,
) -> tuple[str, dict[str, Any]]:
    """As ``build_checkpoint``, on what `foley dataset export --format webdataset` wrote.

    Args:
        given: folder, or paths or URLs of shards; see ``find_shards``.

    Raises:
        ShardError: a shard is missing or damaged.
        UntrainableDataset: fewer than two materials or too few training clips.
        ValueError: the batch, or the number of processes, does not suit the lanes.
    """
    started = time.monotonic()
    torch.set_num_threads(config.threads)
    if config.shuffle_labels:
        raise ValueError("--shuffle-labels is for a data set in memory, not for --shards")
    encoder = load_encoder(encoder_name, threads=config.threads)
    with processes.joined("cpu"):
        shape = ModelConfig(encoder=encoder_name, encoder_dims=encoder.dims, **(model or {}))
        shards = make_features(given, encoder, shape, stage_report(report, "features"))
        materials = shards.materials
        labels = tuple(sorted(set(materials) - {""}))
        total = sum(shards.counts)
        if len(labels) < 2 or total < max(8, LANES):
            raise UntrainableDataset(
                f"{given}: {total} training clips of {len(labels)} materials; at least {max(8, LANES)} clips of 2 "
                "materials are needed"
            )
        shape = dataclasses.replace(shape, materials=len(labels))
        features, sounds = shards.kept()
        run = Run(
            features,
            shape,
            config,
            labels,
            run_key(shards.fingerprint, encoder, shape, config),
            lambda networks, pca: ShardExamples(shards, networks, pca, labels, config),
        )
        kept = KeptClips(sounds, shards.fingerprint, sorted({clip.domain for clip in features.clips}))
        model_id, metrics = run.checkpoint(kept, out, started, resume=resume, report=report)
        if metrics:
            metrics["clips"]["train"] = total
        return model_id, metrics


@dataclasses.dataclass(frozen=True, eq=False)
class KeptClips:
    """The sounds of clips that are in memory, by their rows."""

    sounds: list[NDArray[np.float32]]
    fingerprint: str
    domains: list[str]

    @property
    def manifest(self) -> dict[str, Any]:
        return {"domains": self.domains}

    def audio(self, index: int) -> NDArray[np.float32]:
        return self.sounds[index]


class ShardExamples:
    """Training contacts that stream from files of features."""

    def __init__(
        self,
        shards: FeatureShards,
        networks: Networks,
        pca: Pca,
        labels: tuple[str, ...],
        config: TrainConfig,
    ) -> None:
        if config.batch < LANES:
            raise ValueError(f"batch is {config.batch}, with --shards it must be at least {LANES}")
        counts = shards.materials
        self.materials: Tensor = torch.tensor([counts[label] for label in labels])
        self._networks, self._pca, self._labels, self._config = networks, pca, labels, config
        self._stream: ShardStream[Row, Row] = ShardStream(
            shards.counts, shards.read, lambda row: row, seed=config.seed, buffer=BUFFER
        )

    def batches(self, epoch: int) -> Iterator[Batch]:
        self._stream.set_epoch(epoch)
        total = len(self._stream)
        batches = max(1, total // self._config.batch)
        lanes = [
            (n, self._stream.lane(n), total * (n + 1) // LANES - total * n // LANES) for n in self._own()
        ]
        for number in range(batches):
            parts = []
            for lane, rows, size in lanes:
                few = size * (number + 1) // batches - size * number // batches
                parts.append(self._drawn(list(itertools.islice(rows, few)), epoch, number, lane))
            yield _joined(parts)

    def _own(self) -> list[int]:
        return self._stream.own_lanes()

    def _drawn(self, rows: list[Row], epoch: int, number: int, lane: int) -> Batch:
        """Drawn lane by lane, so that it is the same whichever process does it."""
        tensors = Tensors.of(feature_set(rows), self._networks, self._pca, self._labels)
        seed = (epoch_seed(self._config, epoch) * 1_000_003 + number) * LANES + lane
        generator = torch.Generator().manual_seed(seed % 2**63)
        hearing = self._networks.config.hearing
        return drawn(tensors, torch.arange(len(rows)), self._config, hearing, generator)


def _joined(parts: list[Any]) -> Any:
    """Rows of tuples of tensors, one after the other."""
    first = parts[0]
    if isinstance(first, tuple):
        joined = [_joined(list(column)) for column in zip(*parts, strict=True)]
        return type(first)(*joined) if hasattr(first, "_fields") else tuple(joined)
    return None if first is None else torch.cat(parts)
