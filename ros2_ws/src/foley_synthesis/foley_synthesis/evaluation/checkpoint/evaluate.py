"""All figures of a checkpoint on one split of a dataset."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from foley_perception.clips.grid import CLIP_BEFORE_S, ONSET_FRAME, SAMPLE_RATE
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.beliefs.calibration import entropies, softmax
from foley_synthesis.checkpoint import Checkpoint
from foley_synthesis.evaluation import baselines
from foley_synthesis.evaluation.measure import (
    Array,
    Better,
    Given,
    Item,
    Method,
    Metric,
    Table,
    fixed,
    measure,
    weights_of,
)
from foley_synthesis.evaluation.sound_metrics import (
    COCHLEAGRAM_ENVELOPE,
    SoundOutput,
    clip_items,
    cochleagram_metrics,
)
from foley_synthesis.hearing.inference.opened import HearsMaterial
from foley_synthesis.metrics.bootstrap import Interval
from foley_synthesis.metrics.classification import (
    balanced_accuracy,
    brier_score,
    confusion_matrix,
    expected_calibration_error,
    log_loss,
)
from foley_synthesis.metrics.cochleagram import Frames, moved
from foley_synthesis.vis.inference.loaded import Session, open_session
from foley_synthesis.vis.networks.decoding import amplified, decode_sounds, level_match_db
from foley_synthesis.vis.synthesis.exemplar import ExemplarBank
from foley_synthesis.vis.training.batches import Tensors, inputs_for
from foley_synthesis.vis.training.build import mode_outputs
from foley_synthesis.vis.training.features import FeatureSet, load_features
from foley_synthesis.vision.encoders import load_encoder

Labels = NDArray[np.int64]
MODES: dict[str, Given] = {"heard": "sound", "planned": "plan", "executed": "motion"}


@dataclasses.dataclass(frozen=True, eq=False)
class MaterialOutput:
    """What is said of n contacts; what a method does not say is None."""

    known: NDArray[np.bool_]  # [n] where it says something
    said: Labels | None = None  # [n]
    probabilities: NDArray[np.float64] | None = None  # [n, m]
    log10_e: Any = None  # [n], or one for all
    entropy_threshold: float = math.inf  # [nat]; it is sure up to there ...
    answers: NDArray[np.bool_] | None = None  # [n] ... unless it says itself where it is


def material_metrics(classes: int) -> tuple[Metric, ...]:
    """Of what is said of materials; the truth of an item is its label, and log10 E (NaN where unknown)."""

    def labels(output: MaterialOutput, items: Sequence[Item]) -> Labels | None:
        """[2, n]: true, -1 where nothing is said, and said."""
        if output.said is None:
            return None
        return np.stack([np.where(output.known, _truth(items), -1), output.said])

    def hardness(output: MaterialOutput, items: Sequence[Item]) -> NDArray[np.floating] | None:
        if output.log10_e is None:
            return None
        truth = np.array([item.truth[1] for item in items], np.float32)
        return np.where(output.known, np.abs(output.log10_e - truth), np.nan)

    return (
        Metric("balanced_accuracy", "balanced accuracy", "higher", labels,
               lambda pair, weights: balanced_accuracy(pair[0], pair[1], classes, weights), format=".3f"),
        Metric("hardness_mae_log10", "hardness MAE", "lower", hardness, unit="log10 Pa", format=".3f"),
    )  # fmt: skip


def _truth(items: Sequence[Item]) -> Labels:
    return np.array([item.truth[0] for item in items], np.int64)


def _calibrated(output: MaterialOutput, items: Sequence[Item]) -> tuple[Array, Labels, NDArray[np.bool_]]:
    """Of the contacts that are known: probabilities [n, m], labels, and where it is sure."""
    assert output.probabilities is not None
    p = output.probabilities[output.known]
    sure = (
        entropies(p) <= output.entropy_threshold if output.answers is None else output.answers[output.known]
    )
    return p, _truth(items)[output.known], np.asarray(sure)


def _calibration(
    key: str, title: str, better: Better, of: Callable[..., float], shown: bool = True
) -> Metric:
    return Metric(
        key, title, better, _calibrated, lambda c, _: float(of(*c)), format=".3f", bootstrap=False, shown=shown
    )  # fmt: skip


CALIBRATION = (
    _calibration("brier", "Brier", "lower", lambda p, truth, sure: brier_score(p, truth)),
    _calibration("brier_of_uniform", "of uniform", "none", lambda p, truth, sure: 1.0 - 1.0 / p.shape[1]),
    _calibration("log_loss", "log loss", "lower", lambda p, truth, sure: log_loss(p, truth)),
    _calibration("log_loss_of_uniform", "", "none", lambda p, truth, sure: np.log(p.shape[1]), shown=False),
    _calibration("expected_calibration_error", "ECE", "lower",
                 lambda p, truth, sure: expected_calibration_error(p, truth)),
    _calibration("coverage", "coverage", "higher", lambda p, truth, sure: sure.mean()),
    _calibration("accuracy", "accuracy", "higher", lambda p, truth, sure: (p.argmax(1) == truth).mean(), shown=False),
    _calibration("accuracy_where_sure", "accuracy where sure", "higher",
                 lambda p, truth, sure: (p.argmax(1) == truth)[sure].mean() if sure.any() else 0.0),
)  # fmt: skip
"""Of probabilities, without intervals."""


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """What was measured. Intervals are 95 %, bootstrapped over scenes, objects and contacts."""

    planned_contacts: int  # those with a plan; what is planned is over these
    labels: tuple[str, ...]
    chance: float
    materials: Table
    calibration: Table
    sound: Table
    confusion: dict[str, NDArray[np.float64]]  # by mode, rows are the truth
    notes: tuple[str, ...]

    @property
    def accuracy(self) -> dict[str, Interval]:
        """Balanced accuracy by method."""
        key = "balanced_accuracy"
        return {name: row[key].found for name, row in self.materials.cells.items() if key in row}

    def above_chance(self) -> bool:
        """Whether heard and planned are both above chance with their whole interval."""
        return all(
            self.accuracy[mode].low > self.chance for mode in ("heard", "planned") if mode in self.accuracy
        )

    def to_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        materials, calibration = self.materials.figures(), self.calibration.figures()
        return {
            "planned_contacts": self.planned_contacts,
            **self.materials.count("contacts", "objects"),
            "labels": list(self.labels),
            "material_chance": round(self.chance, 5),
            **{
                m.key: {name: row[m.key] for name, row in materials.items() if m.key in row}
                for m in self.materials.metrics
            },
            "calibration": {
                mode: {key: figure["value"] for key, figure in row.items()}
                for mode, row in calibration.items()
            },
            "sound_error": self.sound.figures(),
            "confusion": {name: matrix.astype(int).tolist() for name, matrix in self.confusion.items()},
            "notes": list(self.notes),
        }


def evaluate(
    checkpoint: Checkpoint,
    dataset: ClipDataset,
    *,
    hearing: HearsMaterial | None = None,
    split: str = "test",
    threads: int = 2,
    replicates: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Raises ValueError where the split holds no contacts of known material.

    Args:
        hearing: speaks of the checkpoint's materials, and in place of its heard part; None: that is measured.
    """
    torch.set_num_threads(threads)
    session = open_session(checkpoint)
    labels = checkpoint.vocabulary.labels
    encoder = load_encoder(session.config.encoder, threads=threads)
    features = load_features(dataset, encoder, session.config, progress)
    everything = features.labels(labels)
    rows = features.indices(split)
    rows = rows[everything[rows] >= 0]
    if len(rows) == 0:
        raise ValueError(f"split `{split}` of {dataset.path} holds no contacts with a material of {labels}")
    tensors = Tensors.of(features, session.networks, session.pca, labels)
    truth, log10_e = everything[rows], features.numbers("log10_youngs_modulus")
    clips = [features.clips[i] for i in rows]
    items = [
        Item(int(row), c.scene_id, c.object_id, (int(everything[row]), float(log10_e[row])))
        for row, c in zip(rows, clips, strict=True)
    ]
    weights = weights_of(items, replicates, seed)
    has_plan, train = features.has_plan[rows], features.indices("train")
    outputs = _mode_outputs(session, tensors, rows, has_plan)
    if hearing is not None:
        outputs["heard"] = _heard(hearing, dataset, rows)
    methods = [fixed(mode, MODES[mode], [output]) for mode, output in outputs.items()]
    simple = _simple_methods(features, everything, log10_e[train], train, rows, session)
    return Evaluation(
        planned_contacts=int(has_plan.sum()),
        labels=labels,
        chance=1.0 / len(np.unique(truth)),
        materials=measure(items, [*methods, *simple], material_metrics(len(labels)), weights),
        calibration=measure(items, methods, CALIBRATION, weights),
        sound=_sound(session, features, tensors, rows, train, weights, seed),
        confusion={
            mode: confusion_matrix(truth[o.known], o.probabilities[o.known].argmax(axis=1), len(labels))
            for mode, o in outputs.items()
            if o.probabilities is not None
        },
        notes=_notes(checkpoint, dataset, split, features, rows, train),
    )


def _mode_outputs(
    s: Session, tensors: Tensors, rows: Labels, has_plan: NDArray[np.bool_]
) -> dict[str, MaterialOutput]:
    outputs = {}
    for mode, output in mode_outputs(s.networks, tensors, torch.from_numpy(rows)).items():
        known = has_plan if mode == "planned" else np.ones(len(rows), bool)
        if not known.any():
            continue
        calibration = s.calibrations[mode]
        p = softmax(output.logits.numpy(), calibration.temperature)
        hardness, threshold = output.log10_e_mean.numpy(), calibration.entropy_threshold
        outputs[mode] = MaterialOutput(known, p.argmax(axis=1), p, hardness, threshold)
    return outputs


def _heard(hearing: HearsMaterial, dataset: ClipDataset, rows: Labels) -> MaterialOutput:
    """What a model says that is asked one contact after the other, as the `material` node asks it."""
    beliefs = [hearing.predict(dataset.audio(int(row)), SAMPLE_RATE, onset_s=CLIP_BEFORE_S) for row in rows]
    p = np.stack([belief.p() for belief in beliefs])
    return MaterialOutput(
        np.ones(len(rows), bool), p.argmax(axis=1), p, np.array([belief.log10_e_mean for belief in beliefs]),
        answers=np.array([not belief.abstain for belief in beliefs]),
    )  # fmt: skip


def _simple_methods(
    features: FeatureSet,
    labels: Labels,
    log10_e: NDArray[np.float32],
    train: Labels,
    rows: Labels,
    s: Session,
) -> list[Method]:
    everywhere, found = np.ones(len(rows), bool), []

    def add(key: str, given: Given, said: Labels | None, log10_e: Any = None) -> None:
        found.append(fixed(key, given, [MaterialOutput(everywhere, said, log10_e=log10_e)]))

    known = train[labels[train] >= 0]
    if len(known):
        near = baselines.nearest(features.still[known, 0], features.still[rows, 0])
        simple = baselines.simple_heard_features(features.cochleagram, int(ONSET_FRAME), s.cochlea)
        said = baselines.fit_logistic(simple[known], labels[known])(simple[rows])
        add("majority", "nothing", np.full(len(rows), np.bincount(labels[known]).argmax(), np.int64))
        add("nearest image", "nothing", labels[known][near])
        add("centroid and decay, logistic (heard)", "sound", said)
    if np.isfinite(log10_e).any():
        add("training median", "nothing", None, np.nanmedian(log10_e))
    return found


@torch.no_grad()
def _sound(
    s: Session,
    features: FeatureSet,
    tensors: Tensors,
    rows: Labels,
    train: Labels,
    weights: Array,
    seed: int,
) -> Table:
    # Every method over the same contacts, so that they can be compared.
    keep = features.has_plan[rows] if features.has_plan[rows].any() else np.ones(len(rows), bool)
    truth = features.cochleagram[rows]
    methods: list[Method] = []

    def add(key: str, given: Given, frames: Frames) -> None:
        methods.append(fixed(key, given, [SoundOutput(frames[keep])]))

    rate_hz = s.cochlea.rate_hz
    bank = ExemplarBank(s.checkpoint.exemplars, onset_frame=s.onset_s * rate_hz)
    bank_frames = s.exemplar_frames()
    for mode in ("planned", "executed"):
        executed = mode == "executed"
        index = torch.from_numpy(rows)
        made = decode_sounds(
            s.networks.vis(inputs_for(tensors, index, executed=executed)), s.pca, s.networks.vis.background
        )
        matches = [
            bank.nearest(f, at, aligned=made.aligned) for f, at in zip(made.keys, made.onset, strict=True)
        ]
        chosen = bank_frames[[match.index for match in matches]]
        played = moved(chosen, np.round([match.shift for match in matches]).astype(np.int64))
        add(f"{mode}, regression", MODES[mode], made.frames)
        add(f"{mode}, example", MODES[mode], amplified(played, level_match_db(made, chosen)))
    random = np.random.default_rng(seed).integers(len(bank_frames), size=len(rows))
    add("random exemplar", "nothing", bank_frames[random])
    add("silence", "nothing", np.zeros_like(truth))
    if len(train):
        near = baselines.nearest(features.still[train, 0], features.still[rows, 0])
        add("nearest image's sound", "nothing", features.cochleagram[train][near])
        mean = features.cochleagram[train].mean(axis=0, keepdims=True)
        add("training mean", "nothing", np.broadcast_to(mean, truth.shape).astype(np.float32))
    add("truth, 50 ms late", "truth", moved(truth, round(0.05 * rate_hz)))
    add("truth, through PCA (floor)", "truth", s.through_pca(truth))
    items = clip_items([features.clips[i] for i in rows[keep]], rows[keep], truth[keep])
    metrics = [COCHLEAGRAM_ENVELOPE, *cochleagram_metrics(s.cochlea)]
    return measure(items, methods, metrics, weights[:, keep])


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
        notes.append("the dataset has no training split: methods that need one are left out")
    return tuple(notes)
