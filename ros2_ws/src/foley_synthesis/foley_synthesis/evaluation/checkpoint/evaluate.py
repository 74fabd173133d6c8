"""All figures of a checkpoint on one split of a dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from foley_perception.audio.cochleagram_onset import onset_frame
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.beliefs.calibration import entropies, softmax
from foley_synthesis.beliefs.material_head import HeadOutput
from foley_synthesis.checkpoint import Checkpoint
from foley_synthesis.evaluation import baselines
from foley_synthesis.metrics.bootstrap import Interval, hierarchical_weights, interval, mean_interval
from foley_synthesis.metrics.classification import (
    balanced_accuracy,
    brier_score,
    confusion_matrix,
    expected_calibration_error,
    log_loss,
)
from foley_synthesis.metrics.cochleagram import moved, sound_errors
from foley_synthesis.vis.inference.loaded import Session, open_session
from foley_synthesis.vis.synthesis.exemplar import ExemplarBank
from foley_synthesis.vis.training.batches import Tensors, inputs_for
from foley_synthesis.vis.training.build import mode_outputs
from foley_synthesis.vis.training.features import FeatureSet, load_features
from foley_synthesis.vision.encoders import load_encoder

MODES = ("heard", "planned", "executed")
_ONSET = 22  # frame of the contact in a clip


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """What was measured. Intervals are 95 %, bootstrapped over scenes, objects and contacts."""

    contacts: int
    planned_contacts: int  # those with a plan; rows in planned mode are over these
    scenes: int
    objects: int
    labels: tuple[str, ...]
    chance: float
    accuracy: dict[str, Interval]  # balanced, by row
    hardness_mae: dict[str, Interval]  # of log10 E
    calibration: dict[str, dict[str, float]]
    sound: dict[str, dict[str, Interval]]
    confusion: dict[str, NDArray[np.float64]]  # by mode, rows are the truth
    notes: tuple[str, ...]

    def above_chance(self) -> bool:
        """Whether heard and planned are both above chance with their whole interval."""
        return all(
            self.accuracy[mode].low > self.chance for mode in ("heard", "planned") if mode in self.accuracy
        )

    def to_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        return {
            "contacts": self.contacts,
            "planned_contacts": self.planned_contacts,
            "scenes": self.scenes,
            "objects": self.objects,
            "labels": list(self.labels),
            "material_chance": round(self.chance, 5),
            "balanced_accuracy": {name: value.to_dict() for name, value in self.accuracy.items()},
            "hardness_mae_log10": {name: value.to_dict() for name, value in self.hardness_mae.items()},
            "calibration": self.calibration,
            "sound_error": {
                name: {k: v.to_dict() for k, v in row.items()} for name, row in self.sound.items()
            },
            "confusion": {name: matrix.astype(int).tolist() for name, matrix in self.confusion.items()},
            "notes": list(self.notes),
        }


def evaluate(
    checkpoint: Checkpoint,
    dataset: ClipDataset,
    *,
    split: str = "test",
    threads: int = 2,
    replicates: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Raises ValueError where the split holds no contacts of known material."""
    session = open_session(checkpoint, threads)
    labels = checkpoint.vocabulary.labels
    encoder = load_encoder(session.config.encoder, threads=threads)
    features = load_features(dataset, encoder, session.config, progress)
    everything = features.labels(labels)
    rows = features.indices(split)
    rows = rows[everything[rows] >= 0]
    if len(rows) == 0:
        raise ValueError(f"split `{split}` of {dataset.path} holds no contacts with a material of {labels}")
    tensors = Tensors.of(features, session.networks, session.pca, labels)
    truth = everything[rows]
    clips = [features.clips[i] for i in rows]
    weights = hierarchical_weights(
        [c.scene_id for c in clips], [c.object_id for c in clips], replicates, seed
    )
    has_plan = features.has_plan[rows]
    outputs = mode_outputs(session.networks, tensors, torch.from_numpy(rows))
    kept = {mode: has_plan if mode == "planned" else np.ones(len(rows), bool) for mode in MODES}
    if not has_plan.any():
        del outputs["planned"]
    probabilities = {
        mode: softmax(output.logits.numpy(), session.calibrations[mode].temperature)
        for mode, output in outputs.items()
    }
    m = len(labels)

    def accuracy_interval(said: NDArray[np.int64], keep: NDArray[np.bool_]) -> Interval:
        return interval(
            lambda w: balanced_accuracy(truth[keep], said[keep], m, None if w is None else w),
            weights[:, keep],
        )

    accuracy = {mode: accuracy_interval(p.argmax(axis=1), kept[mode]) for mode, p in probabilities.items()}
    train = features.indices("train")
    said_simply = _simple_rows(features, everything, train, rows, session)
    everywhere = np.ones(len(rows), bool)
    accuracy |= {name: accuracy_interval(said, everywhere) for name, said in said_simply.items()}
    log10_e = features.numbers("log10_youngs_modulus")
    return Evaluation(
        contacts=len(rows),
        planned_contacts=int(has_plan.sum()),
        scenes=len({c.scene_id for c in clips}),
        objects=len({c.object_id for c in clips}),
        labels=labels,
        chance=1.0 / len(np.unique(truth)),
        accuracy=accuracy,
        hardness_mae=_hardness(outputs, kept, log10_e[rows], log10_e[train], weights),
        calibration={
            mode: _calibration(p[kept[mode]], truth[kept[mode]], session.calibrations[mode].entropy_threshold)
            for mode, p in probabilities.items()
        },
        sound=_sound(session, features, tensors, rows, train, weights, seed),
        confusion={
            mode: confusion_matrix(truth[kept[mode]], p[kept[mode]].argmax(axis=1), m)
            for mode, p in probabilities.items()
        },
        notes=_notes(checkpoint, dataset, split, features, rows, train),
    )


def _simple_rows(
    features: FeatureSet,
    labels: NDArray[np.int64],
    train: NDArray[np.int64],
    rows: NDArray[np.int64],
    s: Session,
) -> dict[str, NDArray[np.int64]]:
    train = train[labels[train] >= 0]
    if len(train) == 0:
        return {}
    near = baselines.nearest(features.still[train, 0], features.still[rows, 0])
    simple = baselines.simple_heard_features(features.cochleagram, _ONSET, s.cochlea)
    return {
        "majority": baselines.majority(labels[train], len(rows)),
        "nearest image": labels[train][near],
        "centroid and decay, logistic (heard)": baselines.logistic(
            simple[train], labels[train], simple[rows]
        ),
    }


def _hardness(
    outputs: dict[str, HeadOutput],
    kept: dict[str, NDArray[np.bool_]],
    truth: NDArray[np.float32],
    train: NDArray[np.float32],
    weights: NDArray[np.float64],
) -> dict[str, Interval]:
    result = {
        mode: mean_interval(np.abs(output.log10_e_mean.numpy() - truth)[kept[mode]], weights[:, kept[mode]])
        for mode, output in outputs.items()
    }
    if np.isfinite(train).any():
        result["training median"] = mean_interval(np.abs(np.nanmedian(train) - truth), weights)
    return result


def _calibration(
    probabilities: NDArray[np.float64], truth: NDArray[np.int64], threshold: float
) -> dict[str, float]:
    sure = entropies(probabilities) <= threshold
    right = probabilities.argmax(axis=1) == truth
    m = probabilities.shape[1]
    return {
        "brier": round(brier_score(probabilities, truth), 5),
        "brier_of_uniform": round(1.0 - 1.0 / m, 5),
        "log_loss": round(log_loss(probabilities, truth), 5),
        "log_loss_of_uniform": round(float(np.log(m)), 5),
        "expected_calibration_error": round(expected_calibration_error(probabilities, truth), 5),
        "coverage": round(float(sure.mean()), 5),
        "accuracy": round(float(right.mean()), 5),
        "accuracy_where_sure": round(float(right[sure].mean()), 5) if sure.any() else 0.0,
    }


@torch.no_grad()
def _sound(
    s: Session,
    features: FeatureSet,
    tensors: Tensors,
    rows: NDArray[np.int64],
    train: NDArray[np.int64],
    weights: NDArray[np.float64],
    seed: int,
) -> dict[str, dict[str, Interval]]:
    truth = features.cochleagram[rows]
    has_plan = features.has_plan[rows]
    candidates: dict[str, NDArray[np.float32]] = {}
    bank = ExemplarBank(s.checkpoint.exemplars, onset_frame=s.onset_s * s.cochlea.rate_hz)
    bank_frames = s.pca.decode(s.checkpoint.exemplars.features)
    for mode in ("planned", "executed"):
        executed = mode == "executed"
        index = torch.from_numpy(rows)
        predicted = s.networks.vis(inputs_for(tensors, index, executed=executed)).features.numpy()
        frames = s.pca.decode(predicted)
        matches = [
            bank.nearest(f, onset_frame(c, s.onset_s * s.cochlea.rate_hz))
            for f, c in zip(predicted, frames, strict=True)
        ]
        chosen = bank_frames[[match.index for match in matches]]
        made = moved(chosen, np.asarray([match.shift for match in matches]))
        level = (frames.mean(axis=(1, 2)) / np.maximum(chosen.mean(axis=(1, 2)), 1e-6)).clip(
            4.0**-0.3, 4.0**0.3
        )
        candidates[f"{mode}, regression"] = frames
        candidates[f"{mode}, example"] = made * level[:, None, None].astype(np.float32)
    rng = np.random.default_rng(seed)
    candidates["random exemplar"] = bank_frames[rng.integers(len(bank_frames), size=len(rows))]
    candidates["silence"] = np.zeros_like(truth)
    if len(train):
        near = baselines.nearest(features.still[train, 0], features.still[rows, 0])
        candidates["nearest image's sound"] = features.cochleagram[train][near]
        mean = features.cochleagram[train].mean(axis=0, keepdims=True)
        candidates["training mean"] = np.broadcast_to(mean, truth.shape).astype(np.float32)
    candidates["truth, 50 ms late"] = moved(truth, round(0.05 * s.cochlea.rate_hz))
    candidates["truth, through PCA (floor)"] = s.pca.decode(s.pca.encode(truth))
    # Every row over the same contacts, so that rows can be compared.
    keep = has_plan if has_plan.any() else np.ones(len(rows), bool)
    kept = {name: frames[keep] for name, frames in candidates.items()}
    return sound_errors(kept, truth[keep], _ONSET, s.cochlea, weights[:, keep])


def _notes(
    checkpoint: Checkpoint,
    dataset: ClipDataset,
    split: str,
    features: FeatureSet,
    rows: NDArray[np.int64],
    train: NDArray[np.int64],
) -> tuple[str, ...]:
    notes = []
    if checkpoint.config["dataset"]["fingerprint"] != dataset.fingerprint:
        seen = set(checkpoint.exemplars.object_ids)
        shared = seen & {features.clips[i].object_id for i in rows}
        notes.append(
            "the checkpoint was trained on another dataset; "
            + (
                f"{len(shared)} objects are in its training as well!"
                if shared
                else "no exemplar's object is tested"
            )
        )
    if split != "test":
        notes.append(f"`{split}` is not held out: model selection or training has seen it")
    if len(rows) < 200:
        notes.append(f"{len(rows)} contacts are few; 200 or more give an interval worth reading")
    if len(train) == 0:
        notes.append("the dataset has no training split: rows that need one are left out")
    return tuple(notes)
