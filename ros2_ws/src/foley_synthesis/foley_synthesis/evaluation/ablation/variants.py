"""What every row of the table predicts: cochleagrams of test contacts, by learned variants and by matching."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_perception.clips.grid import ONSET_FRAME
from foley_synthesis.evaluation.ablation.end_to_end import (
    EndToEnd,
    EndToEndConfig,
    fit_end_to_end,
    from_scratch,
    predict_end_to_end,
    tuned_from,
)
from foley_synthesis.evaluation.ablation.nets import VARIANTS, AblationNet, FitConfig, fit, predict
from foley_synthesis.evaluation.baselines import nearest
from foley_synthesis.metrics.cochleagram import moved
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.networks.networks import Networks
from foley_synthesis.vis.networks.pca import Pca
from foley_synthesis.vis.synthesis.search import L1Index
from foley_synthesis.vis.training.batches import Tensors
from foley_synthesis.vis.training.features import FeatureSet
from foley_synthesis.vis.training.loop import Split
from foley_synthesis.vision.efficientnet import EfficientNetLite0

Frames = NDArray[np.float32]  # [n, frames, channels]

BEFORE, AFTER = 5, 54
"""Frames before and after the contact that are compared."""
LATE_FRAMES = 5
"""Of the row of a true sound that comes late: 56 ms, as near to 50 as whole frames come."""
LATE = "real sound, 56 ms late"


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    """Contacts to predict: rows of a feature set."""

    name: str  # of the split, or `judge`
    features: FeatureSet
    tensors: Tensors
    rows: NDArray[np.int64]
    maps: Tensor | None = None  # of every clip of the set, see `trunk_maps`
    images: Tensor | None = None  # see `scratch_images`

    @property
    def truth(self) -> Frames:
        return self.features.cochleagram[self.rows]


@dataclasses.dataclass(frozen=True, eq=False)
class Made:
    """Sounds of a row."""

    frames: Frames
    source: NDArray[np.int64] | None = None  # training row that each is the sound of; None: of none


Rows = dict[str, dict[str, list[Made]]]
"""asked name -> row name -> one prediction for every seed (matching rows have one)."""


@dataclasses.dataclass(frozen=True)
class Learned:
    """What is trained, and on what."""

    features: FeatureSet
    networks: Networks  # for the statistics of the training split
    pca: Pca
    tensors: Tensors
    split: Split
    model: ModelConfig
    fit: FitConfig
    seeds: int
    encoder: EfficientNetLite0 | None = None  # opened for tuning; None leaves both rows out
    maps: Tensor | None = None
    images: Tensor | None = None
    tuned_epochs: int = 5
    scratch_epochs: int = 15
    progress: Callable[[], None] = lambda: None


def all_rows(learned: Learned, asked: Sequence[Asked]) -> Rows:
    """Train every variant with every seed, and match.

    Exemplars are the training clips; their keys are what the same network predicts for them, since a regression is
    smoother than any real sound.
    """
    train = learned.features.indices("train")
    bank = learned.features.cochleagram[train]
    made: Rows = {a.name: {} for a in asked}

    def put(where: Asked, row: str, what: Frames | NDArray[np.int64]) -> None:
        """Sounds, or places in the bank."""
        entry = Made(bank[what], train[what]) if what.ndim == 1 else Made(np.asarray(what, np.float32))
        made[where.name].setdefault(row, []).append(entry)

    def add(name: str, keys: Tensor, predict_for: Callable[[Asked], Tensor]) -> None:
        for where in asked:
            predicted = predict_for(where).numpy()
            put(where, name, closest(keys.numpy(), predicted))
            put(where, f"{name}, parametric", learned.pca.decode(predicted))

    for seed in range(learned.seeds):
        full: AblationNet | None = None
        for name, parts in VARIANTS.items():
            net = fit(
                learned.tensors,
                learned.split,
                learned.model,
                parts,
                learned.fit,
                seed=seed,
                progress=learned.progress,
            )
            keys = predict(net, learned.tensors, learned.split.train)
            add(name, keys, lambda w, net=net: predict(net, w.tensors, torch.from_numpy(w.rows)))  # type: ignore[misc]
            full = net if name == "full" else full
        if learned.encoder is not None and full is not None:
            _end_to_end_rows(learned, full, seed, add)
    _matching_rows(learned.features, learned.pca, bank, learned.seeds, asked, put)
    return made


def _end_to_end_rows(
    learned: Learned,
    full: AblationNet,
    seed: int,
    add: Callable[[str, Tensor, Callable[[Asked], Tensor]], None],
) -> None:
    assert learned.encoder is not None and learned.maps is not None and learned.images is not None
    tuned = tuned_from(full, learned.encoder.network(), learned.networks)
    fresh = from_scratch(learned.model, full, seed)
    tuning = EndToEndConfig(learned.tuned_epochs, image_rate=1e-4, learning_rate=5e-4)
    starting = EndToEndConfig(learned.scratch_epochs, image_rate=1e-3, learning_rate=1e-3)
    for name, model, kind, config in (
        ("fine-tuned", tuned, "maps", tuning),
        ("trained from scratch", fresh, "images", starting),
    ):
        own: Tensor = getattr(learned, kind)
        fit_end_to_end(
            model, own, learned.tensors, learned.split, config, seed=seed, progress=learned.progress
        )
        keys = predict_end_to_end(model, own, learned.tensors, learned.split.train)

        def told(where: Asked, model: EndToEnd = model, kind: str = kind) -> Tensor:
            return predict_end_to_end(
                model, getattr(where, kind), where.tensors, torch.from_numpy(where.rows)
            )

        add(name, keys, told)


def _matching_rows(
    features: FeatureSet,
    pca: Pca,
    bank: Frames,
    seeds: int,
    asked: Sequence[Asked],
    put: Callable[[Asked, str, Frames | NDArray[np.int64]], None],
) -> None:
    """Rows without training, and those that anybody could have produced."""
    train = features.indices("train")
    flat_frames = features.frames[train].reshape(len(train), -1)
    real_keys = pca.encode(bank)
    for where in asked:
        still, frames = where.features.still[where.rows, 0], where.features.frames[where.rows]
        put(where, "image match", nearest(features.still[train, 0], still))
        both = np.concatenate([unit_rows(features.still[train, 0]), unit_rows(flat_frames)], axis=1)
        ours = np.concatenate([unit_rows(still), unit_rows(frames.reshape(len(frames), -1))], axis=1)
        put(where, "image + spacetime match", nearest(both, ours))
        placed = np.concatenate(
            [unit_rows(features.still[train, 0]), unit_rows(places(features, train))], axis=1
        )
        ours = np.concatenate([unit_rows(still), unit_rows(places(where.features, where.rows))], axis=1)
        put(where, "nearest clip, velocity zero", nearest(placed, ours))
        for seed in range(seeds):
            drawn = np.random.default_rng(seed).integers(len(bank), size=len(where.rows))
            put(where, "random", drawn)
        put(where, "real sound match", closest(real_keys, pca.encode(where.truth)))
        put(where, LATE, moved(where.truth, LATE_FRAMES))
        put(where, "real sound through PCA", pca.decode(pca.encode(where.truth)))
        put(where, "training mean", np.broadcast_to(bank.mean(axis=0), where.truth.shape))
        put(where, "silence", np.zeros_like(where.truth))


def places(features: FeatureSet, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Where the tip was, without how fast: position and width of the measured action, [n, t x 4]."""
    action = features.executed[rows]
    return np.asarray(action[:, :, [0, 1, 2, 6]].reshape(len(rows), -1), np.float32)


def closest(keys: Frames, asked: Frames) -> NDArray[np.int64]:
    """For each of ``asked`` [n, t, d] the row of ``keys`` [m, t, d] with the least L1 distance around the contact."""
    window = slice(max(int(ONSET_FRAME) - BEFORE, 0), int(ONSET_FRAME) + AFTER)
    return L1Index(keys[:, window]).nearest(asked[:, window])[0]


def unit_rows(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Centred and of unit mean length, so that stills and frames weigh the same."""
    values = rows.astype(np.float32) - rows.astype(np.float32).mean(axis=0)
    return np.asarray(values / max(float(np.linalg.norm(values, axis=1).mean()), 1e-9), np.float32)
