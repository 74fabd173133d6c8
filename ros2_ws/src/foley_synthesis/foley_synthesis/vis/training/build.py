"""From a dataset folder to a checkpoint."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from foley_perception.clips.grid import ONSET_FRAME
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.beliefs.calibration import Calibration, calibrate
from foley_synthesis.beliefs.head_output import HeadOutput
from foley_synthesis.checkpoint import Checkpoint, Exemplars, Vocabulary, save_checkpoint
from foley_synthesis.hearing.training.windows import windows_of
from foley_synthesis.metrics import surprise
from foley_synthesis.metrics.classification import balanced_accuracy
from foley_synthesis.training import processes
from foley_synthesis.training.state import Counters, forget_state, state_folder
from foley_synthesis.vis.config import EXPONENT, ModelConfig
from foley_synthesis.vis.inference.loaded import open_session
from foley_synthesis.vis.networks.decoding import decode_sounds
from foley_synthesis.vis.networks.networks import Networks
from foley_synthesis.vis.networks.pca import Pca, fit_pca
from foley_synthesis.vis.synthesis.exemplar import choose_exemplars
from foley_synthesis.vis.synthesis.waveform import Synthesiser
from foley_synthesis.vis.training.batches import Tensors, heard_windows, inputs_for
from foley_synthesis.vis.training.config import TrainConfig
from foley_synthesis.vis.training.examples import Examples
from foley_synthesis.vis.training.features import SAMPLE_RATE, FeatureSet, load_features
from foley_synthesis.vis.training.loop import Split, shuffled, train
from foley_synthesis.vis.training.sound_frames import background_of, sound_frames
from foley_synthesis.vision.encoders import load_encoder
from foley_synthesis.vision.protocol import VisionEncoder

Report = Callable[[str, float, dict[str, float]], None]  # stage, progress [0, 1], figures


class UntrainableDataset(ValueError):
    """A dataset from which nothing can be learned; the message says why."""


def build_checkpoint(
    dataset: ClipDataset,
    out: Path,
    config: TrainConfig,
    *,
    encoder_name: str = "efficientnet-lite0",
    resume: bool = False,
    report: Report | None = None,
    model: dict[str, Any] | None = None,
) -> tuple[str, dict[str, Any]]:
    """Train and write a checkpoint folder.

    Args:
        model: fields of ModelConfig that differ from its defaults.

    Returns:
        The model id and the metrics that were written. Several processes each call this: the first one writes, the
        others return an empty id and no metrics.

    Raises:
        UntrainableDataset: fewer than two materials or too few training clips.
        Interrupted: on Ctrl-C; whole epochs are kept for `resume`.
    """
    started = time.monotonic()
    torch.set_num_threads(config.threads)
    labels = training_labels(dataset)
    encoder = load_encoder(encoder_name, threads=config.threads)
    shape = ModelConfig(
        encoder=encoder_name, encoder_dims=encoder.dims, materials=len(labels), **(model or {})
    )
    with processes.joined("cpu"):
        if processes.rank():
            processes.wait()  # for the first one's features, which the others find in the cache
        features = load_features(dataset, encoder, shape, stage_report(report, "features"))
        if not processes.rank():
            processes.wait()
        run = Run(features, shape, config, labels, run_key(dataset.fingerprint, encoder, shape, config))
        return run.checkpoint(dataset, out, started, resume=resume, report=report)


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """A training of which everything is known but where its clips stream from."""

    features: FeatureSet  # of the clips that are in memory
    shape: ModelConfig
    config: TrainConfig
    labels: tuple[str, ...]
    key: str
    examples: Callable[[Networks, Pca], Examples] | None = None  # None: the features' own

    def checkpoint(
        self, dataset: Kept, out: Path, started: float, *, resume: bool, report: Report | None
    ) -> tuple[str, dict[str, Any]]:
        """Train, and write it; other processes than the first get an empty id and no metrics."""
        features, config = self.features, self.config
        networks, pca, tensors, split = prepare(features, self.shape, config, self.labels)
        feature_s = time.monotonic() - started
        counters = train(
            networks,
            tensors,
            split,
            config,
            key=self.key,
            folder=state_folder(out),
            resume=resume,
            spent_s=feature_s,
            report=None if report is None else lambda done, figures: report("training", done, figures),
            examples=None if self.examples is None else self.examples(networks, pca),
        )
        if processes.rank():
            return "", {}
        checkpoint, metrics = _finish(
            dataset, features, networks, pca, tensors, split, config, self.labels, counters
        )
        metrics["processes"] = processes.count()
        metrics["seconds"] = {
            "features": round(feature_s, 1),
            "training": round(counters.elapsed_s, 1),
            "total": round(time.monotonic() - started, 1),
        }
        model_id = save_checkpoint(checkpoint, out)
        forget_state(state_folder(out))
        return model_id, metrics


class Kept(Protocol):
    """What is asked of a data set, or of the clips of shards that are in memory."""

    @property
    def manifest(self) -> dict[str, Any]: ...
    @property
    def fingerprint(self) -> str: ...
    def audio(self, index: int) -> NDArray[np.float32]: ...


def training_labels(dataset: ClipDataset) -> tuple[str, ...]:
    """Materials of the training split. Raises UntrainableDataset where it holds too little to learn from."""
    rows = dataset.indices("train")
    labels = tuple(sorted({dataset.clips[i].material for i in rows} - {""}))
    if len(labels) < 2 or len(rows) < 8:
        raise UntrainableDataset(
            f"{dataset.path}: its training split has {len(rows)} clips of {len(labels)} materials; "
            "at least 8 clips of 2 materials are needed. Record or generate more."
        )
    return labels


def stage_report(report: Report | None, name: str) -> Callable[[int, int], None] | None:
    return None if report is None else lambda done, total: report(name, done / total, {})


def prepare(
    features: FeatureSet, shape: ModelConfig, config: TrainConfig, labels: tuple[str, ...]
) -> tuple[Networks, Pca, Tensors, Split]:
    """Untrained networks with the statistics of the training split, its PCA, all clips as tensors, and the rows."""
    rows, held_out = features.indices("train"), features.indices("validation")
    torch.manual_seed(config.seed)
    networks = Networks(shape)
    # Statistics and components come from the training split alone.
    networks.set_statistics(
        torch.from_numpy(features.still[rows, 0].astype(np.float32)),
        torch.from_numpy(features.frames[rows].astype(np.float32)),
        windows_of(torch.from_numpy(features.cochleagram[rows]), shape.hearing),
    )
    if networks.vis.onset is not None:
        networks.vis.onset.background.copy_(torch.from_numpy(background_of(features.cochleagram[rows])))
    pca = fit_pca(sound_frames(features, networks.vis.background).frames[rows], shape.components)
    tensors = Tensors.of(features, networks, pca, labels)
    split = Split(torch.from_numpy(rows), torch.from_numpy(held_out if len(held_out) else rows))
    if config.shuffle_labels:
        tensors = tensors.with_targets(shuffled(tensors.targets, split.train, config.seed))
    return networks, pca, tensors, split


def _finish(
    dataset: Kept,
    features: FeatureSet,
    networks: Networks,
    pca: Pca,
    tensors: Tensors,
    split: Split,
    config: TrainConfig,
    labels: tuple[str, ...],
    counters: Counters,
) -> tuple[Checkpoint, dict[str, Any]]:
    held_out = len(features.indices("validation")) > 0
    domain = "+".join(dataset.manifest["domains"]) or "sim"
    outputs = mode_outputs(networks, tensors, split.validation)
    truth = tensors.rows(split.validation)
    label = truth.material.numpy()
    calibrations, accuracies = {}, {}
    for mode, output in outputs.items():
        said = (output.log10_e_mean.numpy(), output.log10_e_std.numpy(), truth.log10_e.numpy())
        evidence = "one heard contact" if mode == "heard" else f"one predicted contact, {mode} inputs"
        calibrations[mode] = (
            calibrate(output.logits.numpy(), label, said, f"{domain}: {evidence}")
            if held_out
            else Calibration()
        )
        accuracies[mode] = balanced_accuracy(label, output.logits.numpy().argmax(1), len(labels))
    chosen = choose_exemplars(features.clips, features.indices("train"), config.exemplars, config.seed)
    metrics = {
        "dataset": {"fingerprint": dataset.fingerprint, "domain": domain},
        "clips": {name: len(features.indices(name)) for name in ("train", "validation", "test")},
        "epochs": counters.epoch,
        "seed": config.seed,
        "shuffle_labels": config.shuffle_labels,
        "chance": 1.0 / len(labels),
        "selected_on": "validation" if held_out else "train: the dataset has no validation split",
        "validation_balanced_accuracy": {mode: _finite(value) for mode, value in accuracies.items()},
        "best_validation_loss": {name: _finite(value) for name, value in counters.best.items()},
        "history": [{k: _finite(v) for k, v in row.items()} for row in counters.history[-200:]],
    }
    checkpoint = Checkpoint(
        tensors={**networks.to_tensors(), **pca.tensors()},
        config={
            "model": networks.config.to_dict(),
            "audio": {
                "sample_rate": SAMPLE_RATE,
                "rate_hz": 90.0,
                "exponent": EXPONENT,
                "onset_s": ONSET_FRAME / 90.0,
            },
            "calibration": {mode: value.to_dict() for mode, value in calibrations.items()},
            "dataset": {"fingerprint": dataset.fingerprint, "domain": domain},
            "training": {"seed": config.seed, "shuffle_labels": config.shuffle_labels},
        },
        vocabulary=Vocabulary("foley_materials", _version_of(labels), labels),
        exemplars=Exemplars(
            audio=np.stack([dataset.audio(i) for i in chosen]),
            features=tensors.sound[chosen].numpy(),
            keys=_keys(networks, tensors, chosen),
            clip_ids=tuple(features.clips[i].clip_id for i in chosen),
            object_ids=tuple(features.clips[i].object_id for i in chosen),
        ),
        metrics=metrics,
    )
    expected = _expected_distances(checkpoint, dataset, networks, pca, tensors, features, config)
    metrics[surprise.METRICS_KEY] = {
        "distance_name": surprise.DISTANCE_NAME,
        "distances": expected[surprise.CALIBRATION_RATE],
        "lower_rates": {str(rate): expected[rate] for rate in surprise.LOWER_RATES},
    }
    return checkpoint, metrics


@torch.no_grad()
def _keys(networks: Networks, tensors: Tensors, chosen: list[int]) -> NDArray[np.float32]:
    """Sound features predicted for these clips; from measured motion where there is no plan."""
    rows = torch.tensor(chosen)
    networks.eval()
    planned, executed = (
        networks.vis(inputs_for(tensors, rows, executed=mode)).features for mode in (False, True)
    )
    return np.asarray(torch.where(tensors.has_plan[rows][:, None, None], planned, executed).numpy())


@torch.no_grad()
def _expected_distances(
    checkpoint: Checkpoint,
    dataset: Kept,
    networks: Networks,
    pca: Pca,
    tensors: Tensors,
    features: FeatureSet,
    config: TrainConfig,
) -> dict[int, list[float]]:
    """By rate [Hz]: distances of predicted to heard sound over the validation clips: what counts as expected."""
    rates = (surprise.CALIBRATION_RATE, *surprise.LOWER_RATES)
    distances: dict[int, list[float]] = {rate: [] for rate in rates}
    rows = features.indices("validation")
    rows = rows[features.has_plan[rows]]
    if len(rows) == 0:
        return distances
    torch.set_num_threads(config.threads)
    synthesise = Synthesiser(open_session(checkpoint), "example")
    decoded = decode_sounds(
        networks.vis(inputs_for(tensors, torch.from_numpy(rows), executed=False)),
        pca,
        networks.vis.background,
    )
    for k, row in enumerate(rows):
        made = synthesise(decoded, k)
        heard = dataset.audio(int(row))
        of_clip = surprise.distances_at(
            surprise.ContactSound(made.waveform, made.onset_s, SAMPLE_RATE),
            surprise.ContactSound(heard, ONSET_FRAME / 90.0, SAMPLE_RATE),
            rates,
        )
        for rate, distance in of_clip.items():
            if math.isfinite(distance):
                distances[rate].append(round(distance, 5))
    return distances


@torch.no_grad()
def mode_outputs(networks: Networks, tensors: Tensors, rows: torch.Tensor) -> dict[str, HeadOutput]:
    """What each head says of these clips: `heard`, `planned`, `executed`."""
    networks.eval()
    return {
        "heard": networks.heard(heard_windows(tensors, rows, networks.config)),
        "planned": networks.predict(inputs_for(tensors, rows, executed=False))[1],
        "executed": networks.predict(inputs_for(tensors, rows, executed=True))[1],
    }


def _version_of(labels: tuple[str, ...]) -> str:
    """Changes whenever labels or their order change."""
    return hashlib.sha256("\n".join(labels).encode()).hexdigest()[:8]


def run_key(fingerprint: str, encoder: VisionEncoder, shape: ModelConfig, config: TrainConfig) -> str:
    """Of the run that a saved state belongs to."""
    parts = (
        fingerprint,
        encoder.identity,
        shape,
        config.seed,
        config.shuffle_labels,
        config.batch,
        config.loss,
        config.plan_error_s,
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _finite(value: float) -> float | None:
    return round(float(value), 5) if math.isfinite(value) else None
