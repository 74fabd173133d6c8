"""Weights, correlation and temperature of a fusion, by the log loss of the fused belief.

With weights divided by the temperature the log-linear fusion is a multinomial logit: log p = a n_eff(n, rho) times the
mean of what n heard contacts say, plus b times what sight says, up to a constant. Its loss is convex in a and b; rho
is taken from a grid.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FLOOR, FusionConfig, newest_sight
from foley_synthesis.beliefs.weights import effective_number
from foley_synthesis.evaluation.fusion.objects import TouchedObject

CONTACTS = (1, 2, 4, 8)  # heard of an object, at which beliefs are measured
CORRELATIONS = tuple(float(rho) for rho in np.round(np.arange(0.0, 1.01, 0.05), 2))
_MOST = 4.0  # of a weight over the temperature
_LEAST = 1e-3

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Case:
    """Evidence about one object, some of it left out."""

    scene: str
    object_id: str
    label: int
    evidence: tuple[Evidence, ...]


def drawn_contacts(
    objects: Sequence[TouchedObject], contacts: int, rng: np.random.Generator, *, or_more: bool = False
) -> Iterator[tuple[TouchedObject, NDArray[np.int64]]]:
    """Contacts drawn from each object that has so many fit to be fused; ``or_more``: of as many as it happens."""
    for thing in objects:
        rows = np.flatnonzero([item.belief.fit for item in thing.heard])
        if len(rows) >= contacts:
            count = int(rng.integers(contacts, len(rows) + 1)) if or_more else contacts
            yield thing, rng.choice(rows, count, replace=False)


def case_of(thing: TouchedObject, rows: NDArray[np.int64], *, heard: bool, seen: bool) -> Case | None:
    """What was heard of an object, seen of it, or both; None where it was to be seen and was not."""
    evidence = newest_sight(thing.evidence(rows, heard=heard, seen=seen))
    if seen and not any(item.kind == "seen" and item.belief.fit for item in evidence):
        return None
    return Case(thing.scene, thing.object_id, thing.label, tuple(evidence))


def drawn_cases(
    objects: Sequence[TouchedObject],
    contacts: int,
    rng: np.random.Generator,
    *,
    heard: bool = True,
    seen: bool = True,
    or_more: bool = False,
) -> list[Case]:
    """One case of each object that has so many contacts, and sight where it is asked for."""
    drawn = drawn_contacts(objects, contacts, rng, or_more=or_more)
    found = (case_of(thing, rows, heard=heard, seen=seen) for thing, rows in drawn)
    return [case for case in found if case is not None]


def fitting_cases(objects: Sequence[TouchedObject], seed: int, draws: int = 4) -> list[Case]:
    """Objects heard only, seen only, and both, at all numbers of contacts."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        for contacts in CONTACTS:
            found += drawn_cases(objects, contacts, rng, seen=False)
            found += drawn_cases(objects, contacts, rng)
        found += drawn_cases(objects, 1, rng, heard=False)
    return found


@dataclasses.dataclass(frozen=True, eq=False)
class _Rows:
    heard: Array  # [n, m] mean log probability of what was heard; zeros where nothing was
    count: NDArray[np.int64]  # [n] heard contacts
    seen: Array  # [n, m] log probability of what was seen; zeros where nothing was
    label: NDArray[np.int64]  # [n]

    def loss(self, heard: float, seen: float, rho: float) -> tuple[float, Array]:
        """Mean negative log likelihood, and its gradient by both weights."""
        n_eff = np.array([effective_number(int(n), rho) for n in self.count])
        basis = np.stack([n_eff[:, None] * self.heard, self.seen])  # [2, n, m]
        scores = np.tensordot((heard, seen), basis, axes=1)
        scores -= scores.max(axis=1, keepdims=True)
        p = np.exp(scores)
        p /= p.sum(axis=1, keepdims=True)
        rows = np.arange(len(self.label))
        of_truth = basis[:, rows, self.label]  # [2, n]
        gradient = (np.einsum("nm,knm->kn", p, basis) - of_truth).mean(axis=1)
        return float(-np.log(np.maximum(p[rows, self.label], 1e-300)).mean()), gradient


def _rows(cases: Sequence[Case]) -> _Rows:
    heard, seen, count = [], [], []
    for case in cases:
        used = [item for item in case.evidence if item.belief.fit]
        labels = len(used[0].belief.probabilities)
        logs = {
            kind: [np.log(np.clip(o.belief.p(), FLOOR / labels, None)) for o in used if o.kind == kind]
            for kind in ("heard", "seen")
        }
        nothing = np.zeros(labels)
        heard.append(np.mean(logs["heard"], axis=0) if logs["heard"] else nothing)
        seen.append(logs["seen"][0] if logs["seen"] else nothing)
        count.append(len(logs["heard"]))
    return _Rows(
        np.stack(heard), np.array(count), np.stack(seen), np.array([case.label for case in cases], np.int64)
    )


def fit_weights(
    cases: Sequence[Case], correlations: Sequence[float] = CORRELATIONS
) -> tuple[FusionConfig, float]:
    """The fusion with the least mean log loss over the cases, and that loss [nat]; the larger weight is 1.

    Raises:
        ValueError: no cases.
    """
    from scipy.optimize import minimize

    if not cases:
        raise ValueError("there is no evidence to fit a fusion to")
    rows = _rows(cases)
    best: tuple[float, float, float, float] | None = None
    for rho in correlations:
        found = minimize(
            lambda w, rho=rho: rows.loss(float(w[0]), float(w[1]), rho),
            x0=np.array([1.0, 1.0]),
            jac=True,
            method="L-BFGS-B",
            bounds=[(_LEAST, _MOST)] * 2,
        )
        if best is None or found.fun < best[0]:
            best = (float(found.fun), float(found.x[0]), float(found.x[1]), float(rho))
    assert best is not None
    loss, heard, seen, rho = best
    most = max(heard, seen)
    config = FusionConfig(
        heard_weight=heard / most, sight_weight=seen / most, heard_correlation=rho, temperature=1.0 / most
    )
    return config, loss
