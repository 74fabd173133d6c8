"""Figures of every row: errors of the sound, and what probes trained on real sounds read off the predicted ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.clips.grid import ONSET_FRAME
from foley_synthesis.evaluation.ablation.probes import TARGETS, Judges, Labels, context_of, summary
from foley_synthesis.evaluation.ablation.table import ORDERINGS
from foley_synthesis.evaluation.ablation.variants import AFTER, BEFORE, Asked, Frames, Made, Rows
from foley_synthesis.evaluation.discriminator import fooled
from foley_synthesis.metrics.bootstrap import hierarchical_weights, of_replicates
from foley_synthesis.metrics.classification import balanced_accuracy, confusion_matrix
from foley_synthesis.metrics.cochleagram import band_centres, centroid_hz, loudness_db
from foley_synthesis.vis.networks.pca import Pca
from foley_synthesis.vis.training.features import FeatureSet

Array = NDArray[np.float64]
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
    """asked name -> {"contacts": ..., "chance": ..., "rows": {row: {figure: interval}}, "differences": ...}.

    Intervals are over scenes, objects and contacts; several seeds are averaged within a replicate, and their spread
    stands beside. Differences of the pairs of `ORDERINGS` are taken within each replicate: both rows are about the
    same contacts.
    """
    judges = Judges(features, pca)
    result: dict[str, Any] = {}
    for where in asked:
        clips = [where.features.clips[i] for i in where.rows]
        scenes = [c.scene_id for c in clips]
        weights = hierarchical_weights(scenes, [c.object_id for c in clips], replicates, seed)
        truths = {t: judges.truth(t, [getattr(c, t) for c in clips]) for t in TARGETS}
        context, real = context_of(where.features, where.rows), summary(pca.encode(where.truth))
        table: dict[str, dict[str, Any]] = {}
        drawn: dict[str, dict[str, Array]] = {}  # row -> figure -> what it is in every replicate
        for name, made in {**rows[where.name], "real sound": [Made(where.truth)]}.items():
            errors = [_errors(m.frames, where.truth, cochlea) for m in made]
            figures: dict[str, Any] = {}
            samples: dict[str, Array] = {}
            for key in ("loudness_db", "centroid_octaves"):
                figures[key], samples[key] = _over_seeds([e[key] for e in errors], _mean, weights)
            for key in ("loudness", "centroid"):
                pairs = [(e[f"{key}_made"], e[f"{key}_real"]) for e in errors]
                figures[f"{key}_r"], samples[f"{key}_r"] = _over_seeds(pairs, _correlation, weights)
            folds = [judges.folds(m.source, len(clips)) for m in made]
            heard = [summary(pca.encode(m.frames)) for m in made]
            for target in TARGETS:
                said = [judges.read(target, h, f) for h, f in zip(heard, folds, strict=True)]
                truth, count = truths[target], len(judges.labels[target])

                def accuracy(guess: Labels, w: Array | None, truth: Labels = truth, n: int = count) -> float:
                    return balanced_accuracy(truth, guess, n, w)

                key = f"{target}_accuracy"
                figures[key], samples[key] = _over_seeds(said, accuracy, weights)
                if target == "material":
                    figures["material_confusion"] = _confusion(truth, said, judges.labels[target])
            taken = [
                fooled(judges.evidence(context, real, f), judges.evidence(context, h, f), scenes)
                for h, f in zip(heard, folds, strict=True)
            ]
            figures["taken_for_real"], samples["taken_for_real"] = _over_seeds(taken, _mean, weights)
            figures["taken_for_real_by_material"] = _by_name(taken, [c.material for c in clips])
            table[name], drawn[name] = figures, samples
        result[where.name] = {
            "contacts": len(clips),
            "scenes": len(set(scenes)),
            "objects": len({c.object_id for c in clips}),
            "chance": {t: round(1 / max(len(np.unique(v[v >= 0])), 1), 4) for t, v in truths.items()},
            "materials": judges.labels["material"],
            "rows": table,
            "differences": _differences(table, drawn),
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


def _differences(
    table: dict[str, dict[str, Any]], drawn: dict[str, dict[str, Array]]
) -> dict[str, dict[str, dict[str, float | None]]]:
    """Of every pair of rows that the paper orders, first less second, by figure."""
    return {
        f"{a} > {b}": {
            key: of_replicates(
                table[a][key]["value"] - table[b][key]["value"], drawn[a][key] - drawn[b][key]
            ).to_dict()
            for key in drawn[a]
            if table[a][key]["value"] is not None and table[b][key]["value"] is not None
        }
        for a, b in ORDERINGS
        if a in table and b in table
    }


def _over_seeds(
    values: list[Any], statistic: Callable[[Any, Array | None], float], weights: Array
) -> tuple[dict[str, float | None], Array]:
    """Of the mean over seeds, with the spread over seeds; and what it is in every replicate."""
    each = [statistic(v, None) for v in values]
    samples = np.array([np.mean([statistic(v, w) for v in values]) for w in weights])
    found = of_replicates(float(np.mean(each)), samples)
    spread = float(np.std(each, ddof=1)) if len(each) > 1 and np.isfinite(each).all() else 0.0
    return {**found.to_dict(), "seeds": len(each), "seed_std": round(spread, 5)}, samples


def _mean(row: Array, w: Array | None) -> float:
    """Over what is known."""
    known = np.isfinite(row)
    w = known.astype(float) if w is None else w * known
    return float(w @ np.where(known, row, 0.0) / w.sum()) if w.sum() > 0 else float("nan")


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
