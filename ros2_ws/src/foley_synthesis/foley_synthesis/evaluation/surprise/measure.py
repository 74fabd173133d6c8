"""False alarms and power of a surprise, with intervals over scenes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.evaluation.surprise.cases import Case
from foley_synthesis.metrics.bootstrap import hierarchical_weights, of_replicates
from foley_synthesis.metrics.statistics import mean
from foley_synthesis.metrics.surprise_ranks import SurpriseTest, p_value

Array = NDArray[np.float64]
LEVEL = 0.05  # nominal rate of false alarms


def p_values(test: SurpriseTest, cases: Sequence[Case]) -> Array:
    """Of each case [n]; NaN where no rule applies."""
    verdicts = [test.verdict(case.differences, case.action) for case in cases]
    return np.array([np.nan if verdict is None else verdict.p_value for verdict in verdicts])


def distance_p_values(cases: Sequence[Case], calibration: Array) -> Array:
    """By the distance of the cochleagrams alone, ranked among all actions [n]."""
    return np.array([p_value(case.cochleagram_l2, calibration) for case in cases])


def auroc(expected: Array, other: Array, weights: tuple[Array, Array] | None = None) -> float:
    """Probability that another contact is ranked as more surprising (a lower p-value) than one that was as expected.

    Args:
        expected, other: p-values [n] and [m].
        weights: of each.
    """
    w, v = weights or (np.ones(len(expected)), np.ones(len(other)))
    if w.sum() <= 0 or v.sum() <= 0:
        return float("nan")
    order = np.argsort(expected)
    sorted_p, mass = expected[order], np.concatenate([[0.0], np.cumsum(w[order])])
    above = mass[-1] - mass[np.searchsorted(sorted_p, other, side="right")]
    ties = mass[np.searchsorted(sorted_p, other, side="right")] - mass[np.searchsorted(sorted_p, other)]
    return float((v * (above + 0.5 * ties)).sum() / (v.sum() * mass[-1]))


def alarms(
    cases: Sequence[Case], p: Array, *, replicates: int, seed: int, level: float = LEVEL
) -> dict[str, Any]:
    """Share of contacts at or below the level: of all, of each action and of each material."""
    groups: dict[str, Callable[[Case], bool]] = {"all": lambda case: True}
    for name in ("action", "material"):
        for value in sorted({getattr(case, name) for case in cases}):
            groups[f"{name} {value}"] = lambda case, n=name, v=value: getattr(case, n) == v  # type: ignore[misc]
    found = {}
    for label, belongs in groups.items():
        rows = [i for i, case in enumerate(cases) if belongs(case) and np.isfinite(p[i])]
        if not rows:
            continue
        told = (p[rows] <= level).astype(np.float64)
        weights = _weights([cases[i] for i in rows], replicates, seed)
        share = of_replicates(float(told.mean()), np.array([mean(told, w) for w in weights]))
        found[label] = {"contacts": len(rows), "alarms": share.to_dict()}
    return found


def power(
    expected: Sequence[Case], p: Array, other: Sequence[Case], q: Array, *, replicates: int, seed: int,
    level: float = LEVEL,
) -> dict[str, Any]:  # fmt: skip
    """Share of other things that is told at this level, and how well p-values tell the two apart.

    Args:
        expected, p: contacts that were as expected and their p-values.
        other, q: others and theirs.
    """
    mine, theirs = np.isfinite(p), np.isfinite(q)
    expected = [case for case, known in zip(expected, mine, strict=True) if known]
    other = [case for case, known in zip(other, theirs, strict=True) if known]
    p, q = p[mine], q[theirs]
    if not len(p) or not len(q):
        return {"contacts": len(expected), "pairs": len(other)}
    both = _weights([*expected, *other], replicates, seed)
    told = (q <= level).astype(np.float64)
    areas = np.array([auroc(p, q, (w[: len(p)], w[len(p) :])) for w in both])
    shares = np.array([mean(told, w[len(p) :]) for w in both])
    return {
        "contacts": len(expected),
        "pairs": len(other),
        "auroc": of_replicates(auroc(p, q), areas).to_dict(),
        "power": of_replicates(float(told.mean()), shares).to_dict(),
    }


def _weights(cases: Sequence[Case], replicates: int, seed: int) -> Array:
    return hierarchical_weights(
        [case.scene for case in cases], [case.object_id for case in cases], replicates, seed
    )
