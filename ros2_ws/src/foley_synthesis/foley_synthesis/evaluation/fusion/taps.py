"""What fused beliefs of what was heard are worth after 1, 2, 4 and 8 taps, at places apart and at one place.

Every figure stands beside those of a simple way to fuse the same taps: the newest one alone, all as if they were
independent, and chance. Intervals are over scenes, then objects.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.evaluation.fusion.fit import CONTACTS, Case, drawn_cases
from foley_synthesis.evaluation.fusion.measure import BINS, DRAWS, METRICS, Beliefs, believed, share
from foley_synthesis.evaluation.fusion.objects import TouchedObject
from foley_synthesis.metrics.bootstrap import hierarchical_weights, of_replicates

Array = NDArray[np.float64]
SERIES = ("apart", "at one place")
ACCURACY = 0.95  # of what is answered, at which coverage is told
FUSED, NEWEST, INDEPENDENT = "fused", "one of them alone", "as if independent"


def sure_from(cases: Sequence[Case], config: FusionConfig, accuracy: float = ACCURACY) -> float:
    """The lowest probability from which on so many are right; infinite where there is none."""
    beliefs = believed(cases, config)
    confidence = beliefs.p.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    right = np.cumsum(~beliefs.wrong[order]) / np.arange(1, len(order) + 1)
    last = (
        np.diff(confidence[order], append=-np.inf) < 0
    )  # of equal ones: a threshold keeps all of them or none
    enough = np.flatnonzero(last & (right >= accuracy))
    return float(confidence[order[enough[-1]]]) if len(enough) else math.inf


def tap_cases(objects: Sequence[TouchedObject], series: str, contacts: int, seed: int) -> list[Case]:
    """Taps drawn from each object that has so many, several times."""
    rng = np.random.default_rng([seed, contacts])
    of_series = [thing.apart if series == SERIES[0] else thing.at_one_place for thing in objects]
    return [case for _ in range(DRAWS) for case in drawn_cases(of_series, contacts, rng, seen=False)]


def measure_taps(
    objects: Sequence[TouchedObject],
    config: FusionConfig,
    sure: Mapping[str, Mapping[int, float]],
    *,
    replicates: int,
    seed: int,
) -> dict[str, Any]:
    """Series -> contacts -> way to fuse -> metric -> figure with its 95 % interval; of all cases the reliability, too.

    Args:
        sure: by series and contacts, from how probable a material on, on validation, 95 % are right.
    """
    found: dict[str, Any] = {}
    for series in SERIES:
        rows: dict[str, Any] = {}
        for contacts in CONTACTS:
            cases = tap_cases(objects, series, contacts, seed)
            if cases:
                rows[str(contacts)] = _row(
                    cases, config, sure[series].get(contacts, math.inf), replicates, seed
                )
        found[series] = rows
    return found


def _row(
    cases: Sequence[Case], config: FusionConfig, sure: float, replicates: int, seed: int
) -> dict[str, Any]:
    weights = hierarchical_weights([c.scene for c in cases], [c.object_id for c in cases], replicates, seed)
    fused = believed(cases, config)
    labels = fused.p.shape[1]
    # One tap is worth one tap under every correlation, so the weights of the fit hold for it.
    newest = [dataclasses.replace(case, evidence=case.evidence[-1:]) for case in cases]
    independent = dataclasses.replace(config, heard_correlation=0.0, place_correlation=0.0)
    row: dict[str, Any] = {
        "objects": len({(c.scene, c.object_id) for c in cases}),
        "scenes": len({c.scene for c in cases}),
        "cases": len(cases),
        "chance": {
            "balanced_accuracy": 1.0 / labels,
            "log_loss": math.log(labels),
            "brier_score": 1.0 - 1.0 / labels,
        },
    }
    ways = {FUSED: fused, NEWEST: believed(newest, config), INDEPENDENT: believed(cases, independent)}
    for way, beliefs in ways.items():
        row[way] = {
            name: of_replicates(
                metric(beliefs, None), np.array([metric(beliefs, w) for w in weights])
            ).to_dict()
            for name, metric in METRICS.items()
        }
    row[FUSED] |= {
        name: of_replicates(value(None), np.array([value(w) for w in weights])).to_dict()
        for name, value in _coverage(fused, sure).items()
    }
    row["error_if_calibrated"] = round(
        error_if_calibrated(fused, [(c.scene, c.object_id) for c in cases], seed), 5
    )
    row["reliability"] = reliability(fused)
    return row


def _coverage(beliefs: Beliefs, sure: float) -> dict[str, Any]:
    kept = beliefs.p.max(axis=1) >= sure
    everything = np.ones(len(kept), bool)
    return {
        "coverage_at_95": lambda w: share(kept, everything, w),
        "right_among_covered": lambda w: share(~beliefs.wrong, kept, w),
    }


def error_if_calibrated(
    beliefs: Beliefs, objects: Sequence[tuple[str, str]], seed: int, draws: int = 100
) -> float:
    """Calibration error that so many objects would show on average were every belief exactly as often right as it says.

    Args:
        objects: [n] of each belief. All of one are right or wrong together, as they are about one truth.
    """
    _, which = np.unique(np.array([f"{scene}/{thing}" for scene, thing in objects]), return_inverse=True)
    confidence = beliefs.p.max(axis=1)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    rng = np.random.default_rng(seed)
    errors = []
    for _ in range(draws):
        right = rng.uniform(size=int(which.max()) + 1)[which] < confidence
        errors.append(np.abs(np.bincount(bins, confidence - right, minlength=BINS)).sum() / len(confidence))
    return float(np.mean(errors))


def reliability(beliefs: Beliefs) -> dict[str, list[float | None]]:
    """Of each bin of the highest probability: share of cases, mean probability, and how many are right."""
    confidence = beliefs.p.max(axis=1)
    which = np.minimum((confidence * BINS).astype(int), BINS - 1)
    count = np.bincount(which, minlength=BINS).astype(np.float64)

    def mean(values: Array) -> list[float | None]:
        total = np.bincount(which, values, minlength=BINS)
        return [round(float(t / n), 5) if n else None for t, n in zip(total, count, strict=True)]

    shares = [round(float(n) / len(confidence), 5) for n in count]
    return {
        "share": list(shares),
        "said": mean(confidence),
        "right": mean((~beliefs.wrong).astype(np.float64)),
    }
