"""Weights, correlation and temperature of a fusion, by the log loss of the fused belief.

With weights divided by the temperature the log-linear fusion is a multinomial logit: log p = a n_eff times the mean
of what heard contacts say, plus b times what sight says, plus c times what an image model says, up to a constant. Its
loss is convex in a, b and c; the two correlations, which say how contacts at one place and places of one object share
n_eff, are taken from a grid.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FLOOR, FusionConfig, newest_sight
from foley_synthesis.beliefs.weights import places
from foley_synthesis.evaluation.fusion.objects import TouchedObject

CONTACTS = (1, 2, 4, 8)  # heard of an object, at which beliefs are measured
CORRELATIONS = tuple(float(rho) for rho in np.round(np.arange(0.0, 1.01, 0.05), 2))
_MOST = 4.0  # of a weight over the temperature
_LEAST = 1e-3
_ROUNDS = 8
_LOOKS = ("seen", "vision")

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


def case_of(
    thing: TouchedObject, rows: NDArray[np.int64], *, heard: bool, seen: bool, vision: bool = False
) -> Case | None:
    """What was heard of an object, seen of it, or both, and an image model says; None where one of these is missing."""
    evidence = newest_sight(thing.evidence(rows, heard=heard, seen=seen, vision=vision))
    fit = {item.kind for item in evidence if item.belief.fit}
    if (seen and "seen" not in fit) or (vision and "vision" not in fit):
        return None
    return Case(thing.scene, thing.object_id, thing.label, tuple(evidence))


def drawn_cases(
    objects: Sequence[TouchedObject],
    contacts: int,
    rng: np.random.Generator,
    *,
    heard: bool = True,
    seen: bool = True,
    vision: bool = False,
    or_more: bool = False,
) -> list[Case]:
    """One case of each object that has so many contacts, and sight and an image model where these are asked for."""
    drawn = drawn_contacts(objects, contacts, rng, or_more=or_more)
    found = (case_of(thing, rows, heard=heard, seen=seen, vision=vision) for thing, rows in drawn)
    return [case for case in found if case is not None]


def fitting_cases(objects: Sequence[TouchedObject], seed: int, draws: int = 4) -> list[Case]:
    """Objects heard only, seen only, and both, at all numbers of contacts; at places apart, and at one place."""
    rng = np.random.default_rng(seed)
    apart = [thing.apart for thing in objects]
    there = [thing.at_one_place for thing in objects if thing.there]
    pictured = [thing for thing in apart if thing.vision is not None]
    found = []
    for _ in range(draws):
        for contacts in CONTACTS:
            found += drawn_cases(apart, contacts, rng, seen=False)
            found += drawn_cases(apart, contacts, rng)
            found += drawn_cases(pictured, contacts, rng, seen=False, vision=True)
            found += drawn_cases(pictured, contacts, rng, vision=True)
            if contacts > 1:
                found += drawn_cases(there, contacts, rng, seen=False)
        found += drawn_cases(apart, 1, rng, heard=False)
        found += drawn_cases(pictured, 1, rng, heard=False, seen=False, vision=True)
    return found


@dataclasses.dataclass(frozen=True, eq=False)
class _Rows:
    """Cases as arrays."""

    heard: Array  # [n, m] mean log probability of what was heard, by the shares of contacts; zeros where nothing was
    worth: Array  # [n] independent contacts that its places are worth, before what places have in common
    looks: Array  # [2, n, m] log probability of what was seen, and of an image model; zeros where nothing was
    label: NDArray[np.int64]  # [n]

    def fused(self, weights: Array, between: float) -> tuple[Array, Array]:
        """Probabilities [n, m], and what the weights [3] of heard, seen and an image model are of [3, n, m]."""
        n_eff = self.worth / (1.0 + np.maximum(self.worth - 1.0, 0.0) * between)
        basis = np.concatenate([(n_eff[:, None] * self.heard)[None], self.looks])
        scores = np.tensordot(weights, basis, axes=1)
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True)), basis

    def loss(self, weights: Array, between: float) -> tuple[float, Array]:
        """Mean negative log likelihood, and its gradient by the weights [3]."""
        p, basis = self.fused(weights, between)
        rows = np.arange(len(self.label))
        of_truth = basis[:, rows, self.label]  # [3, n]
        gradient = (np.einsum("nm,knm->kn", p, basis) - of_truth).mean(axis=1)
        return float(-np.log(np.maximum(p[rows, self.label], 1e-300)).mean()), gradient


@dataclasses.dataclass(frozen=True, eq=False)
class _Told:
    """What the evidence of cases says: a row for each heard contact, and one for each case."""

    log_p: Array  # [contacts, m]
    case: NDArray[np.int64]  # [contacts]
    beside: NDArray[np.int64]  # [contacts] how many of its case are at its place
    looks: Array  # [2, n, m]
    label: NDArray[np.int64]  # [n]

    def rows(self, within: float) -> _Rows:
        """With this correlation between contacts at one place."""
        share = 1.0 / (1.0 + (self.beside - 1) * within)  # effective_number of a place over its contacts
        worth = np.bincount(self.case, share, minlength=len(self.label)).astype(np.float64)
        heard = np.zeros_like(self.looks[0])
        np.add.at(heard, self.case, share[:, None] * self.log_p)
        return _Rows(heard / np.maximum(worth, 1e-12)[:, None], worth, self.looks, self.label)


def _told(cases: Sequence[Case], radius_m: float) -> _Told:
    labels = len(next(o for o in cases[0].evidence if o.belief.fit).belief.probabilities)
    heard, case, beside = list[tuple[float, ...]](), list[int](), list[int]()
    looks = np.ones((len(_LOOKS), len(cases), labels))
    for i, one in enumerate(cases):
        sounds = []
        for item in one.evidence:
            if not item.belief.fit:
                continue
            if item.kind == "heard":
                sounds.append(item)
            else:
                looks[_LOOKS.index(item.kind), i] = item.belief.probabilities
        sounds.sort(key=lambda item: item.time_ns)
        place = places(sounds, radius_m).tolist()
        heard += [item.belief.probabilities for item in sounds]
        case += [i] * len(sounds)
        beside += [place.count(k) for k in place]
    label = np.array([one.label for one in cases], np.int64)
    log_p = np.log(np.clip(np.array(heard, np.float64).reshape(-1, labels), FLOOR / labels, None))
    return _Told(
        log_p,
        np.array(case, np.int64),
        np.array(beside, np.int64),
        np.log(np.clip(looks, FLOOR / labels, None)),
        label,
    )


def fused_probabilities(cases: Sequence[Case], config: FusionConfig) -> Array:
    """What :func:`fuse` believes of each case [n, m], of all at once. Each holds evidence that is fit to be fused."""
    rows = _told(cases, config.place_radius_m).rows(config.place_correlation)
    weights = np.array([config.heard_weight, config.sight_weight, config.vision_weight]) / config.temperature
    return rows.fused(weights, config.heard_correlation)[0]


def fit_weights(
    cases: Sequence[Case],
    correlations: Sequence[float] = CORRELATIONS,
    within: Sequence[float] = CORRELATIONS,
) -> tuple[FusionConfig, float]:
    """The fusion with the least mean log loss over the cases, and that loss [nat]; the largest weight is 1.

    Without any case of an image model its weight stays what it is where nobody has fitted.

    Args:
        correlations: tried between places.
        within: tried within places, beyond that.

    Raises:
        ValueError: no cases.
    """
    from scipy.optimize import minimize

    if not cases:
        raise ValueError("there is no evidence to fit a fusion to")
    radius_m = FusionConfig().place_radius_m
    told = _told(cases, radius_m)
    tried: dict[tuple[float, float], tuple[float, Array]] = {}
    start = np.ones(1 + len(_LOOKS))

    def loss(inside: float, rho: float) -> float:
        nonlocal start
        if (inside, rho) not in tried:
            rows = told.rows(inside)
            found = minimize(
                rows.loss,
                start,
                (rho,),
                "L-BFGS-B",
                jac=True,
                bounds=[(_LEAST, _MOST)] * len(start),
                tol=1e-9,
            )
            start = np.asarray(found.x)
            tried[inside, rho] = float(found.fun), start
        return tried[inside, rho][0]

    # Where no place has two contacts, nothing tells what they have in common, and nothing is said of it.
    repeated = bool((told.beside > 1).any())
    inside, rho = 0.0, correlations[len(correlations) // 2]
    for _ in range(_ROUNDS):  # of coordinate descent: the loss has one valley in these two
        before = (inside, rho)
        rho = min(correlations, key=lambda r: loss(inside, r))
        inside = min(within, key=lambda r: loss(r, rho)) if repeated else 0.0
        if (inside, rho) == before:
            break
    least, (heard, seen, vision) = tried[inside, rho]
    pictured = bool(told.looks[1].any())
    most = float(max(heard, seen, vision if pictured else 0.0))
    config = FusionConfig(
        heard_weight=float(heard) / most,
        sight_weight=float(seen) / most,
        vision_weight=float(vision) / most if pictured else FusionConfig().vision_weight,
        heard_correlation=rho,
        place_correlation=inside,
        place_radius_m=radius_m,
        temperature=1.0 / most,
    )
    return config, least
