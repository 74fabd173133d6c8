"""Figures of every method: errors of the sound, and what probes trained on real sounds read off the predicted ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from foley_perception.audio.cochleagram import Cochleagram
from foley_synthesis.evaluation.ablation.table import ORDERINGS
from foley_synthesis.evaluation.ablation.variants import Outputs, Query
from foley_synthesis.evaluation.measure import Given, Table, fixed, measure, weights_of
from foley_synthesis.evaluation.sound_metrics import (
    REAL,
    SoundOutput,
    clip_items,
    cochleagram_metrics,
    probe_metrics,
)
from foley_synthesis.evaluation.sound_probes import SoundProbes
from foley_synthesis.vis.networks.pca import Pca
from foley_synthesis.vis.training.features import FeatureSet


def score(
    outputs: Outputs,
    queries: Sequence[Query],
    features: FeatureSet,
    pca: Pca,
    cochlea: Cochleagram,
    *,
    replicates: int,
    seed: int = 0,
) -> dict[str, Table]:
    """A table for each query, with its differences of `ORDERINGS`; probes learn from training clips of ``features``."""
    probes = SoundProbes(features, pca)
    result = {}
    for query in queries:
        items = clip_items([query.features.clips[i] for i in query.rows], query.rows, query.truth)
        probed, details, chance = probe_metrics(probes, pca, query.features, items)
        methods = {**outputs[query.name], REAL: [SoundOutput(query.truth)]}
        table = measure(
            items,
            [fixed(name, _given(name), made) for name, made in methods.items()],
            [*cochleagram_metrics(cochlea), *probed],
            weights_of(items, replicates, seed),
            details=details,
        )
        facts = {
            **table.count("contacts", "objects"),
            "chance": chance,
            "materials": probes.labels["material"],
        }
        facts["differences"] = table.differences(ORDERINGS)
        result[query.name] = dataclasses.replace(table, facts=facts)
    return result


def _given(method: str) -> Given:
    if method.startswith(REAL):
        return "truth"
    return "motion" if "with action" in method or method == "nearest clip, velocity zero" else "nothing"
