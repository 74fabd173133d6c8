"""Figures of every row: errors of the sound, and what probes trained on real sounds read off the predicted ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from foley_perception.audio.cochleagram import Cochleagram
from foley_synthesis.ablation.rows import AFTER, BEFORE, Asked, Frames, Rows
from foley_synthesis.evaluation.baselines import band_centres, fit_logistic
from foley_synthesis.evaluation.bootstrap import Interval, hierarchical_weights, interval
from foley_synthesis.evaluation.metrics import balanced_accuracy, centroid_hz, confusion_matrix, loudness_db
from foley_synthesis.evaluation.stand_in import Expectation, fooled
from foley_synthesis.models.vis import normalise_action
from foley_synthesis.training.batches import ONSET_FRAME
from foley_synthesis.training.features import FeatureSet
from foley_synthesis.training.pca import Pca

Array = NDArray[np.float64]
TARGETS = ("material", "action", "reaction")
_SEGMENTS = 6  # of the time after the contact, over which a probe averages
_QUIETEST_DB = -90.0


def score(
    rows: Rows,
    asked: Sequence[Asked],
    features: FeatureSet,
    pca: Pca,
    cochlea: Cochleagram,
    *,
    replicates: int,
    seed: int = 0,
) -> dict[str, Any]:
    """asked name -> {"contacts": ..., "chance": ..., "rows": {row: {figure: interval}}}.

    Intervals are over scenes, objects and contacts; several seeds are averaged within a replicate, and their spread
    stands beside.
    """
    train = features.indices("train")
    probes = {target: _probe(features, train, pca, target) for target in TARGETS}
    expectation = Expectation.fit(
        _context(features, train), _summary(pca.encode(features.cochleagram[train]))
    )
    result: dict[str, Any] = {}
    for where in asked:
        clips = [where.features.clips[i] for i in where.rows]
        weights = hierarchical_weights(
            [c.scene_id for c in clips], [c.object_id for c in clips], replicates, seed
        )
        truths = {t: np.array([probes[t][0].index(v) if v in probes[t][0] else -1
                               for v in (getattr(c, t) for c in clips)]) for t in TARGETS}  # fmt: skip
        scenes = [c.scene_id for c in clips]
        context = _context(where.features, where.rows)
        evidence = expectation.evidence(context, _summary(pca.encode(where.truth)))
        table = {}
        for name, made in {**rows[where.name], "real sound": [where.truth]}.items():
            errors = [_errors(frames, where.truth, cochlea) for frames in made]
            figures: dict[str, Any] = {
                key: _over_seeds([e[key] for e in errors], weights)
                for key in ("loudness_db", "centroid_octaves")
            }
            for key in ("loudness", "centroid"):
                pairs = [(e[f"{key}_made"], e[f"{key}_real"]) for e in errors]
                figures[f"{key}_r"] = _interval(pairs, _correlation, weights)
            for target in TARGETS:
                labels, classify = probes[target]
                said = [classify(_summary(pca.encode(frames))) for frames in made]
                truth = truths[target]

                def accuracy(
                    guess: NDArray[np.int64],
                    w: Array | None,
                    truth: NDArray[np.int64] = truth,
                    n: int = len(labels),
                ) -> float:
                    return balanced_accuracy(truth, guess, n, w)

                figures[f"{target}_accuracy"] = _interval(said, accuracy, weights)
                if target == "material":
                    figures["material_confusion"] = _confusion(truth, said, labels)
            taken = [
                fooled(evidence, expectation.evidence(context, _summary(pca.encode(f))), scenes) for f in made
            ]
            figures["taken_for_real"] = _over_seeds(taken, weights)
            figures["taken_for_real_by_material"] = _by_name(taken, [c.material for c in clips])
            table[name] = figures
        result[where.name] = {
            "contacts": len(clips),
            "scenes": len({c.scene_id for c in clips}),
            "objects": len({c.object_id for c in clips}),
            "chance": {t: round(1 / max(len(np.unique(v[v >= 0])), 1), 4) for t, v in truths.items()},
            "materials": probes["material"][0],
            "rows": table,
        }
    return result


def _errors(made: Frames, real: Frames, cochlea: Cochleagram) -> dict[str, Array]:
    window = slice(max(int(ONSET_FRAME) - BEFORE, 0), int(ONSET_FRAME) + AFTER)
    centres = band_centres(cochlea)
    values: dict[str, Array] = {}
    for name, frames in (("made", made[:, window]), ("real", real[:, window])):
        values[f"loudness_{name}"] = np.maximum(loudness_db(frames, cochlea.exponent), _QUIETEST_DB)
        centroid = np.log2(np.maximum(centroid_hz(frames, centres, cochlea.exponent), 1.0))
        # Silence has no centroid.
        values[f"centroid_{name}"] = np.where(frames.max(axis=(1, 2)) <= 0.0, np.nan, centroid)
    values["loudness_db"] = np.abs(values["loudness_made"] - values["loudness_real"])
    values["centroid_octaves"] = np.abs(values["centroid_made"] - values["centroid_real"])
    return values


def _summary(encoded: Frames) -> Array:
    """[n, segments x components]: means of the features over stretches after the contact."""
    after = encoded[:, int(ONSET_FRAME) - 1 : int(ONSET_FRAME) + AFTER]
    means = [part.mean(axis=1) for part in np.array_split(after, _SEGMENTS, axis=1)]
    return np.concatenate(means, axis=1).astype(float)


def _context(features: FeatureSet, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """What a listener has beside the sound: the still, and the measured motion, [n, c]."""
    still = features.still[rows, 0].astype(np.float32)
    action = normalise_action(torch.from_numpy(features.executed[rows])).numpy()[:, ::6]
    return np.concatenate([still, action.reshape(len(rows), -1)], axis=1)


def _confusion(
    truth: NDArray[np.int64], said: list[NDArray[np.int64]], labels: list[str]
) -> list[list[float]]:
    """Share of each true material [row] that is read as each material [column], mean over seeds."""
    counts = np.mean([confusion_matrix(truth, guess, len(labels)) for guess in said], axis=0)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    return [[round(float(v), 4) for v in row] for row in share]


def _by_name(values: list[Array], names: list[str]) -> dict[str, float]:
    """Mean over seeds and contacts, by name."""
    mean, index = np.mean(values, axis=0), np.array(names)
    return {name: round(float(mean[index == name].mean()), 4) for name in sorted(set(names)) if name}


def _probe(
    features: FeatureSet, train: NDArray[np.int64], pca: Pca, target: str
) -> tuple[list[str], Callable[[Array], NDArray[np.int64]]]:
    """Class names, and a classifier that was trained on the real sounds of the training split."""
    values = [getattr(features.clips[i], target) for i in train]
    labels = sorted({v for v in values if v})
    if len(labels) < 2:
        return labels, lambda rows: np.zeros(len(rows), np.int64)
    own = np.array([labels.index(v) if v else -1 for v in values])
    return labels, fit_logistic(_summary(pca.encode(features.cochleagram[train])), own)


def _over_seeds(values: list[Array], weights: Array) -> dict[str, float | None]:
    def mean(row: Array, w: Array | None) -> float:
        known = np.isfinite(row)
        w = known.astype(float) if w is None else w * known
        return float(w @ np.where(known, row, 0.0) / w.sum()) if w.sum() > 0 else float("nan")

    return _interval(values, mean, weights)


def _interval(
    values: list[Any], statistic: Callable[[Any, Array | None], float], weights: Array
) -> dict[str, float | None]:
    """Of the mean over seeds, with the spread over seeds."""
    found: Interval = interval(lambda w: float(np.mean([statistic(v, w) for v in values])), weights)
    each = [statistic(v, None) for v in values]
    spread = float(np.std(each, ddof=1)) if len(each) > 1 and np.isfinite(each).all() else 0.0
    return {**found.to_dict(), "seeds": len(each), "seed_std": round(spread, 5)}


def _correlation(pair: tuple[Array, Array], w: Array | None) -> float:
    """Pearson's r over the pairs that are known; 0 where one of both does not vary."""
    known = np.isfinite(pair[0]) & np.isfinite(pair[1])
    a, b = (np.where(known, values, 0.0) for values in pair)
    w = known.astype(float) if w is None else w * known
    total = w.sum()
    if total <= 0:
        return float("nan")
    x, y = a - w @ a / total, b - w @ b / total
    size = np.sqrt((w @ (x * x)) * (w @ (y * y)))
    return float(w @ (x * y) / size) if size > 1e-12 else 0.0
