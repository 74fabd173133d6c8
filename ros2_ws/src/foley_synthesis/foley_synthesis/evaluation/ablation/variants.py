"""What every method of the table predicts: cochleagrams of test contacts, by learned variants and by matching."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
from foley_synthesis.evaluation.sound_metrics import SoundOutput
from foley_synthesis.metrics.cochleagram import CONTACT, Frames, moved
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.networks.networks import Networks
from foley_synthesis.vis.networks.pca import Pca
from foley_synthesis.vis.synthesis.search import L1Index
from foley_synthesis.vis.training.batches import Tensors
from foley_synthesis.vis.training.features import FeatureSet
from foley_synthesis.vis.training.loop import Split
from foley_synthesis.vision.efficientnet import EfficientNetLite0

LATE_FRAMES = 5
"""Of the true sound that comes late: 56 ms, as near to 50 as whole frames come."""
LATE = "real sound, 56 ms late"


@dataclasses.dataclass(frozen=True, eq=False)
class Query:
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


Outputs = dict[str, dict[str, list[SoundOutput]]]
"""query name -> method -> one output for every seed (matching has one)."""


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
    encoder: EfficientNetLite0 | None = None  # opened for tuning; None leaves both methods out
    maps: Tensor | None = None
    images: Tensor | None = None
    tuned_epochs: int = 5
    scratch_epochs: int = 15
    progress: Callable[[], None] = lambda: None


def predict_all(learned: Learned, queries: Sequence[Query]) -> Outputs:
    """Train every variant with every seed, and match.

    Exemplars are the training clips; their keys are what the same network predicts for them, since a regression is
    smoother than any real sound.
    """
    train = learned.features.indices("train")
    bank = learned.features.cochleagram[train]
    ids = [learned.features.clips[i].clip_id for i in train]
    outputs: Outputs = {query.name: {} for query in queries}

    def put(query: Query, method: str, what: Frames | NDArray[np.int64]) -> None:
        """Sounds, or places in the bank."""
        if what.ndim == 1:
            entry = SoundOutput(bank[what], sources=[ids[place] for place in what])
        else:
            entry = SoundOutput(np.asarray(what, np.float32))
        outputs[query.name].setdefault(method, []).append(entry)

    def add(name: str, keys: Tensor, predict_for: Callable[[Query], Tensor]) -> None:
        for query in queries:
            predicted = predict_for(query).numpy()
            put(query, name, closest(keys.numpy(), predicted))
            put(query, f"{name}, parametric", learned.pca.decode(predicted))

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
            add(name, keys, lambda q, net=net: predict(net, q.tensors, torch.from_numpy(q.rows)))  # type: ignore[misc]
            full = net if name == "full" else full
        if learned.encoder is not None and full is not None:
            _end_to_end(learned, full, seed, add)
    _match(learned.features, learned.pca, bank, learned.seeds, queries, put)
    return outputs


def _end_to_end(
    learned: Learned,
    full: AblationNet,
    seed: int,
    add: Callable[[str, Tensor, Callable[[Query], Tensor]], None],
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

        def output(query: Query, model: EndToEnd = model, kind: str = kind) -> Tensor:
            return predict_end_to_end(
                model, getattr(query, kind), query.tensors, torch.from_numpy(query.rows)
            )

        add(name, keys, output)


def _match(
    features: FeatureSet,
    pca: Pca,
    bank: Frames,
    seeds: int,
    queries: Sequence[Query],
    put: Callable[[Query, str, Frames | NDArray[np.int64]], None],
) -> None:
    """Methods without training, and those that anybody could have produced."""
    train = features.indices("train")
    flat_frames = features.frames[train].reshape(len(train), -1)
    real_keys = pca.encode(bank)
    for query in queries:
        still, frames = query.features.still[query.rows, 0], query.features.frames[query.rows]
        put(query, "image match", nearest(features.still[train, 0], still))
        both = np.concatenate([unit_rows(features.still[train, 0]), unit_rows(flat_frames)], axis=1)
        ours = np.concatenate([unit_rows(still), unit_rows(frames.reshape(len(frames), -1))], axis=1)
        put(query, "image + spacetime match", nearest(both, ours))
        ours = placed(query.features, query.rows)
        put(query, "nearest clip, velocity zero", nearest(placed(features, train), ours))
        for seed in range(seeds):
            chosen = np.random.default_rng(seed).integers(len(bank), size=len(query.rows))
            put(query, "random", chosen)
        put(query, "real sound match", closest(real_keys, pca.encode(query.truth)))
        put(query, LATE, moved(query.truth, LATE_FRAMES))
        put(query, "real sound through PCA", pca.decode(pca.encode(query.truth)))
        put(query, "training mean", np.broadcast_to(bank.mean(axis=0), query.truth.shape))
        put(query, "silence", np.zeros_like(query.truth))


def placed(features: FeatureSet, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The still, and where the tip was and how wide the gripper, without how fast: [n, d], for matching.

    A match cannot know how hard the touch is.
    """
    places = np.nan_to_num(features.executed[rows][:, :, [0, 1, 2, 6]]).reshape(len(rows), -1)
    return np.concatenate([unit_rows(features.still[rows, 0]), unit_rows(places)], axis=1)


def closest(keys: Frames, query: Frames) -> NDArray[np.int64]:
    """For each of ``query`` [n, t, d] the row of ``keys`` [m, t, d] with the least L1 distance around the contact."""
    return L1Index(keys[:, CONTACT]).nearest(query[:, CONTACT])[0]


def unit_rows(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Centred and of unit mean length, so that stills and frames weigh the same."""
    values = rows.astype(np.float32) - rows.astype(np.float32).mean(axis=0)
    return np.asarray(values / max(float(np.linalg.norm(values, axis=1).mean()), 1e-9), np.float32)
