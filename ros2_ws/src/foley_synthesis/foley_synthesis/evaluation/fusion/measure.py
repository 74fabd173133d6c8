"""What fused beliefs of heard, seen, and heard and seen objects are worth, by how many contacts were heard."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.answers import rule_for
from foley_synthesis.beliefs.evidence import KINDS
from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.evaluation.fusion.fit import CONTACTS, Case, case_of, drawn_contacts, fused_probabilities
from foley_synthesis.evaluation.fusion.objects import TouchedObject
from foley_synthesis.metrics.bootstrap import hierarchical_weights, of_replicates
from foley_synthesis.metrics.classification import (
    balanced_accuracy,
    brier_score,
    expected_calibration_error,
    log_loss,
)

Array = NDArray[np.float64]
SOURCES = {
    "heard": (True, False, False),
    "seen": (False, True, False),
    "heard and seen": (True, True, False),
}
PICTURED = {"image model": (False, False, True), "heard and image model": (True, False, True)}
BINS = 15  # of the calibration error
DRAWS = 5  # of contacts from an object


@dataclasses.dataclass(frozen=True, eq=False)
class Beliefs:
    """About cases, and what is true of them."""

    p: Array  # [n, m]
    answered: NDArray[np.bool_]  # [n]
    truth: NDArray[np.int64]  # [n]

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """[n] whether the most probable material is another one."""
        return np.asarray(self.p.argmax(axis=1) != self.truth)


def share(hits: NDArray[np.bool_], among: NDArray[np.bool_], weights: Array | None) -> float:
    """Of those among which something is asked that it holds for; NaN where there are none."""
    w = np.ones(len(hits)) if weights is None else weights
    total = float(w[among].sum())
    return float(w[hits & among].sum()) / total if total > 0 else float("nan")


METRICS: dict[str, Callable[[Beliefs, Array | None], float]] = {
    "balanced_accuracy": lambda b, w: balanced_accuracy(b.truth, b.p.argmax(axis=1), b.p.shape[1], w),
    "log_loss": lambda b, w: log_loss(b.p, b.truth, w),
    "brier_score": lambda b, w: brier_score(b.p, b.truth, w),
    "expected_calibration_error": lambda b, w: expected_calibration_error(b.p, b.truth, BINS, w),
    "answered": lambda b, w: share(b.answered, np.ones(len(b.truth), bool), w),
    "wrong_where_answered": lambda b, w: share(b.wrong, b.answered, w),
}


def measure_fusion(
    objects: Sequence[TouchedObject], config: FusionConfig, *, replicates: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Contacts -> source -> metric -> figure with its 95 % interval, and the paired gain of sight.

    Intervals are over scenes, then objects. An object counts where it has so many contacts, so that figures at more
    contacts are about fewer objects.
    """
    figures: dict[str, dict[str, Any]] = {}
    for contacts in CONTACTS:
        drawn = _drawn(objects, contacts, seed)
        if not drawn["heard and seen"]:
            continue
        cases = drawn["heard and seen"]
        weights = hierarchical_weights(
            [c.scene for c in cases], [c.object_id for c in cases], replicates, seed
        )
        row: dict[str, Any] = {
            "objects": len({(c.scene, c.object_id) for c in cases}),
            "scenes": len({c.scene for c in cases}),
        }
        spread: dict[tuple[str, str], Array] = {}
        for source in drawn:
            beliefs = believed(drawn[source], config)
            row[source] = {}
            for key, metric in METRICS.items():
                spread[source, key] = np.array([metric(beliefs, w) for w in weights])
                row[source][key] = of_replicates(metric(beliefs, None), spread[source, key]).to_dict()
        row["heard and seen > heard"] = {
            key: of_replicates(
                row["heard and seen"][key]["value"] - row["heard"][key]["value"],
                spread["heard and seen", key] - spread["heard", key],
            ).to_dict()
            for key in ("balanced_accuracy", "log_loss")
        }
        figures[str(contacts)] = row
    return figures


def _drawn(objects: Sequence[TouchedObject], contacts: int, seed: int) -> dict[str, list[Case]]:
    """For every source the same contacts of the same objects, those that lack one of them left out."""
    rng = np.random.default_rng(seed)
    pictured = any(thing.vision is not None for thing in objects)
    sources = {**SOURCES, **(PICTURED if pictured else {})}
    found: dict[str, list[Case]] = {source: [] for source in sources}
    for _ in range(DRAWS):
        for thing, rows in drawn_contacts(objects, contacts, rng):
            cases = {
                source: case_of(thing, rows, heard=heard, seen=seen, vision=vision)
                for source, (heard, seen, vision) in sources.items()
            }
            if all(cases.values()):
                for source, case in cases.items():
                    found[source].append(cast(Case, case))
    return found


def believed(cases: Sequence[Case], config: FusionConfig) -> Beliefs:
    """What is believed of each, and whether that is an answer."""
    p = fused_probabilities(cases, config)
    return Beliefs(
        p,
        np.array([_least(case, config) for case in cases]) <= p.max(axis=1),
        np.array([case.label for case in cases], np.int64),
    )


def _least(case: Case, config: FusionConfig) -> float:
    """How probable the likeliest material of a case must be to be an answer."""
    if config.answers is None:
        return config.abstain_below
    heard, seen, vision = (sum(o.kind == kind and o.belief.fit for o in case.evidence) for kind in KINDS)
    rule = rule_for(config.answers, heard, bool(seen), bool(vision))
    return math.inf if rule is None else rule.least_probability
