"""How much each piece of evidence about one object weighs: contacts share what they have in common, age takes away.

Read as independent, n heard contacts of one object would soon claim certainty; they share the room, the striker and
the model's mistakes. n observations with correlation rho are worth

    n_eff = n / (1 + (n - 1) rho)          (the design effect)

independent ones. This holds twice: contacts at one place, which excite the same modes in the same way, are worth n_eff
of them with the correlation within a place; and places of one object are with the correlation between them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.evidence import Evidence

DROPPED_AFTER = 5  # half-lives: what weighs less than 3 % is not counted any more
NO_PLACE = -1  # of contacts that nobody located

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Correlations:
    """Of heard contacts with one object."""

    between: float  # of its places
    within: float = 0.0  # of contacts at one place, beyond that
    radius_m: float = 0.015  # contacts this near to the first one of a place are at that place


def effective_number(n: float, correlation: float) -> float:
    """Number of independent observations that ``n`` observations with this correlation are worth."""
    return 0.0 if n <= 0 else n / (1.0 + max(n - 1.0, 0.0) * correlation)


def ages(evidence: Sequence[Evidence], now_ns: int, forget_after_s: float) -> Array:  # [n]
    """Share of its weight that each piece has left: half after every ``forget_after_s``, none after five of them.

    Of 0 s nothing is forgotten: what a thing is made of does not change, and what was taken away is said to be gone.
    """
    if forget_after_s <= 0:
        return np.ones(len(evidence))
    age_s = np.maximum(now_ns - np.array([item.time_ns for item in evidence], np.float64), 0.0) / 1e9
    lives = age_s / forget_after_s
    return np.where(lives > DROPPED_AFTER, 0.0, 0.5**lives)


def places(heard: Sequence[Evidence], radius_m: float) -> NDArray[np.int64]:  # [n]
    """The place of each contact, numbered from 0 by its first contact; ``NO_PLACE`` where its position is not known.

    Args:
        heard: in time, so that a place keeps its number and its middle, which is its first contact.
    """
    found = np.full(len(heard), NO_PLACE, np.int64)
    middles: list[tuple[float, float, float]] = []
    for i, item in enumerate(heard):
        if not all(map(math.isfinite, item.position)):
            continue
        apart = [math.dist(item.position, middle) for middle in middles]
        nearest = apart.index(min(apart)) if apart else NO_PLACE
        if nearest != NO_PLACE and apart[nearest] <= radius_m:
            found[i] = nearest
        else:
            found[i] = len(middles)
            middles.append(item.position)
    return found


def shares(place: NDArray[np.int64], left: Array, correlations: Correlations) -> Array:  # [n]
    """Weight of each heard contact; together they weigh as many independent ones.

    Args:
        place: [n] of each, see :func:`places`. All whose place is not known are taken to be at one: nobody knows that
            they were apart.
        left: [n] share that age has left of each.
    """
    weights = np.zeros(len(place))
    _, group = np.unique(place, return_inverse=True)
    count = int(group.max()) + 1 if len(group) else 0
    total = np.bincount(group, left, minlength=count)  # [places]
    worth = np.array([effective_number(float(n), correlations.within) for n in total])
    if worth.sum() <= 0:
        return weights
    worth *= effective_number(float(worth.sum()), correlations.between) / worth.sum()
    return np.asarray(worth[group] * left / np.maximum(total[group], 1e-12))
