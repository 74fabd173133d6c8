"""What every row of the table predicts: cochleagrams of test contacts, by learned variants and by matching."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from foley_synthesis.ablation.nets import VARIANTS, FitConfig, fit, predict
from foley_synthesis.evaluation.baselines import nearest
from foley_synthesis.models.config import ModelConfig
from foley_synthesis.training.batches import ONSET_FRAME, Tensors
from foley_synthesis.training.features import FeatureSet
from foley_synthesis.training.loop import Split
from foley_synthesis.training.pca import Pca

Frames = NDArray[np.float32]  # [n, frames, channels]

BEFORE, AFTER = 5, 54
"""Frames before and after the contact that are compared."""


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    """Contacts to predict: rows of a feature set."""

    name: str  # of the split, or `judge`
    features: FeatureSet
    tensors: Tensors
    rows: NDArray[np.int64]

    @property
    def truth(self) -> Frames:
        return self.features.cochleagram[self.rows]


Rows = dict[str, dict[str, list[Frames]]]
"""asked name -> row name -> one prediction for every seed (matching rows have one)."""


def all_rows(
    features: FeatureSet,
    pca: Pca,
    tensors: Tensors,
    split: Split,
    asked: Sequence[Asked],
    model: ModelConfig,
    config: FitConfig,
    *,
    seeds: int,
    progress: Callable[[], None] = lambda: None,
) -> Rows:
    """Train every variant with every seed, and match.

    Exemplars are the training clips; their keys are what the same network predicts for them, since a regression is
    smoother than any real sound.
    """
    train = features.indices("train")
    bank = features.cochleagram[train]
    made: Rows = {a.name: {} for a in asked}

    def put(where: Asked, row: str, frames: Frames) -> None:
        made[where.name].setdefault(row, []).append(np.asarray(frames, np.float32))

    for name, parts in VARIANTS.items():
        for seed in range(seeds):
            net = fit(tensors, split, model, parts, config, seed=seed, progress=progress)
            keys = predict(net, tensors, split.train).numpy()
            for where in asked:
                predicted = predict(net, where.tensors, torch.from_numpy(where.rows)).numpy()
                put(where, name, bank[closest(keys, predicted)])
                put(where, f"{name}, parametric", pca.decode(predicted))
    flat_frames = features.frames[train].reshape(len(train), -1)
    real_keys = pca.encode(bank)
    for where in asked:
        still, frames = where.features.still[where.rows, 0], where.features.frames[where.rows]
        put(where, "image match", bank[nearest(features.still[train, 0], still)])
        both = np.concatenate([_unit(features.still[train, 0]), _unit(flat_frames)], axis=1)
        ours = np.concatenate([_unit(still), _unit(frames.reshape(len(frames), -1))], axis=1)
        put(where, "image + spacetime match", bank[nearest(both, ours)])
        for seed in range(seeds):
            drawn = np.random.default_rng(seed).integers(len(bank), size=len(where.rows))
            put(where, "random", bank[drawn])
        put(where, "real sound match", bank[closest(real_keys, pca.encode(where.truth))])
        put(where, "training mean", np.broadcast_to(bank.mean(axis=0), where.truth.shape))
    return made


def closest(keys: Frames, asked: Frames) -> NDArray[np.int64]:
    """For each of ``asked`` [n, t, d] the row of ``keys`` [m, t, d] with the least L1 distance around the contact."""
    window = slice(max(int(ONSET_FRAME) - BEFORE, 0), int(ONSET_FRAME) + AFTER)
    bank = keys[:, window].reshape(len(keys), -1)
    ours = asked[:, window].reshape(len(asked), -1)
    return np.array([int(np.abs(bank - row).sum(axis=1).argmin()) for row in ours], np.int64)


def _unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Centred and of unit mean length, so that stills and frames weigh the same."""
    values = rows.astype(np.float32) - rows.astype(np.float32).mean(axis=0)
    return np.asarray(values / max(float(np.linalg.norm(values, axis=1).mean()), 1e-9), np.float32)
