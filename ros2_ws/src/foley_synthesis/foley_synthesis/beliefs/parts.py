"""Beliefs by contact place, and objects of two materials: a handle and a blade.

If one material c explains all places k of an object, its log-likelihood is max_c sum_k L_k(c), with L_k what contacts
at place k say together. If each place is of one of two materials a and b, it is max_{a,b} sum_k max(L_k(a), L_k(b)),
which is never less. The difference is large only where places contradict each other; from `split_above` on, fitted so
that things of one material are seldom split (:mod:`foley_synthesis.evaluation.fusion.parts`), the object has two parts.
Its own belief is then the mixture of theirs, by how many places each has, and is no answer where they differ.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FLOOR, FusedBelief, FusionConfig, fuse, newest_sight
from foley_synthesis.beliefs.weights import effective_number, places

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Part:
    """Of an object: places that are of one material."""

    evidence: tuple[Evidence, ...]  # heard and seen there
    places: int


@dataclasses.dataclass(frozen=True)
class _Places:
    """Of the contacts that tell something, in time."""

    log_likelihood: Array  # [places, m]
    middle: Array  # [places, 3] of the first contact of each [m]


def by_place(
    evidence: Iterable[Evidence], config: FusionConfig
) -> list[tuple[tuple[float, float, float], FusedBelief]]:
    """What the contacts at each place say, and where that is, in the order of their first contacts."""
    heard = _located(evidence)
    place = places(heard, config.place_radius_m)
    found = []
    for k in range(int(place.max(initial=-1)) + 1):
        there = [item for item, at in zip(heard, place, strict=True) if at == k]
        found.append((there[0].position, fuse(there, config)))
    return found


def evidence_for_two(evidence: Iterable[Evidence], config: FusionConfig) -> float:
    """How much better two materials explain the places of an object than one does [nat]; 0 of a single place."""
    told = _told(_located(evidence), config)
    return _best_pair(told)[0] if told is not None else 0.0


def parts_of(evidence: Iterable[Evidence], config: FusionConfig) -> tuple[Part, ...]:
    """The two parts of an object, the one with the earliest contact first; none where one material explains it.

    What was heard or seen of a known place belongs to the part with the nearest place. The rest is of the object alone.
    """
    items = sorted(newest_sight(evidence), key=lambda item: (item.time_ns, item.kind, item.key))
    if not math.isfinite(config.split_above):
        return ()
    told = _told(_located(items), config)
    if told is None:
        return ()
    score, second = _best_pair(told)
    if score <= config.split_above:
        return ()
    second = second != second[0]  # the first place is of the first part
    held: tuple[list[Evidence], list[Evidence]] = ([], [])
    for item in items:
        if item.kind != "vision" and all(map(math.isfinite, item.position)):
            nearest = int(np.argmin(np.linalg.norm(told.middle - np.asarray(item.position), axis=1)))
            held[int(second[nearest])].append(item)
    return (Part(tuple(held[0]), int((~second).sum())), Part(tuple(held[1]), int(second.sum())))


def believe(
    evidence: Iterable[Evidence],
    config: FusionConfig,
    parts: Sequence[Part] = (),
    *,
    now_ns: int = 0,
    forget_after_s: float = 0.0,
) -> FusedBelief:
    """What is believed of an object: as fused, or of its parts the mixture. See :func:`fuse` for the arguments."""
    items = list(evidence)
    whole = fuse(items, config, now_ns=now_ns, forget_after_s=forget_after_s)
    fused = [fuse(part.evidence, config, now_ns=now_ns, forget_after_s=forget_after_s) for part in parts]
    if not fused or not all(one.belief.probabilities for one in fused):
        return whole
    share = np.array([part.places for part in parts], np.float64)
    return dataclasses.replace(
        whole, belief=_mixture([one.belief for one in fused], share / share.sum()), calibration_id=""
    )


def _located(evidence: Iterable[Evidence]) -> list[Evidence]:
    """Heard contacts that tell something, at known places, in time."""
    found = [
        item
        for item in evidence
        if item.kind == "heard"
        and item.belief.fit
        and item.belief.probabilities
        and all(map(math.isfinite, item.position))
    ]
    return sorted(found, key=lambda item: (item.time_ns, item.key))


def _told(heard: Sequence[Evidence], config: FusionConfig) -> _Places | None:
    """None where there are no two places."""
    place = places(heard, config.place_radius_m)
    count = int(place.max(initial=-1)) + 1
    if count < 2:
        return None
    table = np.stack([item.belief.p() for item in heard])
    logs = np.log(np.clip(table, FLOOR / table.shape[1], None))
    rows = []
    for k in range(count):
        worth = effective_number(float((place == k).sum()), config.place_correlation)
        rows.append(config.heard_weight / config.temperature * worth * logs[place == k].mean(axis=0))
    middle = np.stack([np.asarray(heard[int(np.argmax(place == k))].position) for k in range(count)])
    return _Places(np.stack(rows), middle)


def _best_pair(told: _Places) -> tuple[float, NDArray[np.bool_]]:
    """How much better the best two materials do than the best one [nat], and which places [k] are of the second."""
    likelihood = told.log_likelihood
    one = float(likelihood.sum(axis=0).max())
    a, b = max(
        itertools.combinations(range(likelihood.shape[1]), 2),
        key=lambda pair: float(likelihood[:, pair].max(axis=1).sum()),
    )
    two = float(likelihood[:, (a, b)].max(axis=1).sum())
    return max(two - one, 0.0), np.asarray(likelihood[:, b] > likelihood[:, a])


def _mixture(beliefs: Sequence[MaterialBelief], share: Array) -> MaterialBelief:
    """Of parts with these shares [n]."""
    p = share @ np.stack([belief.p() for belief in beliefs])
    means = np.array([belief.log10_e_mean for belief in beliefs])
    spreads = np.array([belief.log10_e_std for belief in beliefs])
    mean = float(share @ means)
    std = float(np.sqrt(max(share @ (spreads**2 + means**2) - mean**2, 0.0)))
    doubt = next((belief.reason for belief in beliefs if belief.abstain), "")
    if len({int(belief.p().argmax()) for belief in beliefs}) > 1:
        doubt = "its parts are of different materials"
    return MaterialBelief(
        probabilities=tuple((p / p.sum()).tolist()),
        log10_e_mean=mean,
        log10_e_std=std if math.isfinite(mean) else math.nan,
        roughness=float(share @ [belief.roughness for belief in beliefs]),
        hollowness=float(share @ [belief.hollowness for belief in beliefs]),
        abstain=bool(doubt),
        reason=doubt,
    )
