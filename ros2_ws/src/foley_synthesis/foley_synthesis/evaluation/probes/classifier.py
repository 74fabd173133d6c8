"""A classifier on frozen inputs: fitted on train, chosen on validation, queried about everything else."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.metrics.bootstrap import hierarchical_weights
from foley_synthesis.metrics.classification import balanced_accuracy

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # C of the logistic regression
COMPONENTS = 128  # of each block
_NARROW = 8  # inputs of at most so many numbers also get a classifier that can bend

Blocks = Sequence[NDArray[np.float32]]  # each [n, d]
Labels = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class Training:
    """What may be learned from. Rows of all arrays belong together."""

    blocks: Blocks
    labels: Labels  # [n]
    scenes: Sequence[str]
    objects: Sequence[str]

    def __len__(self) -> int:
        return len(self.labels)


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """What was said of each query."""

    classifier: str  # the one that validation chose
    validation: float  # its balanced accuracy there
    fitted_once: list[Labels]  # per set [n]: fitted on every training contact
    said: list[Labels]  # per set [seeds, n]: each seed fitted on its own draw of the training contacts


def answer(
    train: Training,
    validation: Training,
    queries: Sequence[Blocks],
    *,
    classes: int,
    seeds: int,
    linear: bool = False,
) -> Answers:
    """Fit, choose by balanced accuracy on validation, and answer. Nothing is fitted on validation or queries.

    Each seed draws scenes, objects and contacts of the training set with replacement, and initialises what is
    random in the classifier. `linear` leaves out what can bend.

    Raises:
        ValueError: training knows fewer than two classes, or validation is empty.
    """
    if len(np.unique(train.labels)) < 2:
        raise ValueError(f"train holds {len(np.unique(train.labels))} class, must be at least 2: record more")
    if len(validation) == 0:
        raise ValueError("validation holds 0 contacts of a class that train knows: add scenes of that split")
    ways = [f"logistic C={c:g}" for c in STRENGTHS]
    if not linear and sum(block.shape[1] for block in train.blocks) <= _NARROW:
        ways.append("boosting")
    everything = np.arange(len(train))
    fitted = {way: _fit(way, train, everything, 0) for way in ways}
    scores = {
        way: balanced_accuracy(validation.labels, model(validation.blocks), classes)
        for way, model in fitted.items()
    }
    best = max(ways, key=lambda way: scores[way])
    draws = hierarchical_weights(train.scenes, train.objects, seeds, seed=1).astype(np.int64)
    models = [_fit(best, train, np.repeat(everything, draw), seed) for seed, draw in enumerate(draws)]
    return Answers(
        classifier=best,
        validation=scores[best],
        fitted_once=[fitted[best](blocks) for blocks in queries],
        said=[np.stack([model(blocks) for model in models]) for blocks in queries],
    )


class _Fitted:
    """Standardised, reduced and classified."""

    def __init__(self, reductions: list[_Reduction], model: Any) -> None:
        self._reductions, self._model = reductions, model

    def __call__(self, blocks: Blocks) -> Labels:
        if len(blocks[0]) == 0:
            return np.zeros(0, np.int64)
        return np.asarray(self._model.predict(_spliced(self._reductions, blocks)), np.int64)


class _Reduction:
    """Unknown numbers become the training median; then standardised, and its principal components."""

    def __init__(self, block: NDArray[np.float32]) -> None:
        from sklearn.decomposition import PCA
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        steps = [SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()]
        if block.shape[1] > _NARROW:
            size = min(COMPONENTS, *block.shape)
            steps.append(PCA(size, svd_solver="randomized", random_state=0))
        self._steps, self._scale = make_pipeline(*steps).fit(_finite(block)), 1.0
        # Blocks of different width meet with equal weight.
        scaled = self(block)
        self._scale = float(np.sqrt(np.square(scaled).sum(axis=1).mean() / min(scaled.shape[1], 16))) or 1.0

    def __call__(self, block: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(self._steps.transform(_finite(block)) / self._scale, np.float64)


def _finite(block: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.where(np.isfinite(block), block, np.nan).astype(np.float64)


def _spliced(reductions: list[_Reduction], blocks: Blocks) -> NDArray[np.float64]:
    return np.concatenate([reduce(b) for reduce, b in zip(reductions, blocks, strict=True)], axis=1)


def _fit(way: str, train: Training, rows: NDArray[np.int64], seed: int) -> _Fitted:
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    blocks, labels = [block[rows] for block in train.blocks], train.labels[rows]
    reductions = [_Reduction(block) for block in blocks]
    model: Any
    if len(np.unique(labels)) < 2:  # a draw of very few scenes
        model = DummyClassifier(strategy="most_frequent")
    elif way == "boosting":
        model = HistGradientBoostingClassifier(
            max_iter=40, max_leaf_nodes=8, class_weight="balanced", early_stopping=False, random_state=seed
        )
    else:
        strength = float(way.partition("C=")[2])
        model = LogisticRegression(C=strength, class_weight="balanced", max_iter=300, random_state=seed)
    model.fit(_spliced(reductions, blocks), labels)
    return _Fitted(reductions, model)
