"""Floor and rises of own noise, from windows of a sweep.

The power of noise in a band scatters around its mean as a gamma variable does, so that the mean which explains it best
has the least Itakura-Saito divergence; positive factors are found by its multiplicative updates (Fevotte, Bertin and
Durrieu, Neural Computation 2009, eq. 4.2). A power far above what is expected counts as less: a knock in the sweep
must not become noise of the joint that moved.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foley_perception.own_noise.model import basis

Array = NDArray[np.float64]

FRACTIONS = (0.04, 0.12, 0.3, 0.6, 1.0)  # of a joint's fastest speed: the knots
STEPS = 80
MOST_WINDOWS = 12_000  # that are looked at: of longer sweeps each second one, third, ...
_LOUDEST = 8.0  # times what is expected, beyond which a power counts as that
_LEAST_WEIGHT = 15.0  # windows at a knot, below which it takes what its neighbours have


def knots_of(speeds: Array, rest: float = 0.0) -> Array:  # [t, joints], all of which move -> [joints, knots]
    """Speeds at which noise is learnt; of a joint that moves for less than a 200th of the time, those of that time.

    Args:
        rest: what is slower does not move.
    """
    size = np.abs(speeds)
    fastest = np.quantile(size, 0.995, axis=0)
    for joint in np.flatnonzero(fastest <= rest):
        fastest[joint] = np.quantile(size[size[:, joint] > rest, joint], 0.9)
    return np.asarray(fastest[:, None] * np.array(FRACTIONS))


def fit(
    power: Array,  # [t, bands]
    speeds: Array,  # [t, joints]
    knots: Array,  # [joints, knots]
    *,
    signed: bool,
    steps: int = STEPS,
) -> tuple[Array, Array]:
    """Floor [bands] and rises [joints, directions, knots, bands]."""
    weights = basis(speeds, knots, signed=signed)
    design = np.concatenate([np.ones((len(power), 1)), weights], axis=1)
    if (stride := -(-len(power) // MOST_WINDOWS)) > 1:
        power, design = power[::stride], design[::stride]
    power = np.maximum(power, 1e-18)
    quietest = np.quantile(power, 0.1, axis=0)
    factors = np.tile(0.3 * power.mean(axis=0), (design.shape[1], 1))
    factors[0] = quietest
    used = design.sum(axis=0) > 0
    factors[~used] = 0.0
    for _ in range(steps):
        expected = design @ factors
        ratio = np.minimum(power / expected, _LOUDEST)
        over = design.T @ (ratio / expected)
        under = design.T @ (1.0 / expected)
        factors[used] *= over[used] / np.maximum(under[used], 1e-30)
    floor, rise = factors[0], factors[1:]
    joints, k = knots.shape
    shape = (joints, 2 if signed else 1, k)
    return floor, _bridged(rise.reshape(*shape, -1), weights.sum(axis=0).reshape(shape), knots)


def _bridged(rise: Array, weight: Array, knots: Array) -> Array:
    """Knots of which too little was heard take what lies between their neighbours; at the ends, the next one."""
    for j in range(rise.shape[0]):
        for d in range(rise.shape[1]):
            heard = weight[j, d] >= _LEAST_WEIGHT
            if not heard.any():  # it only ever moved the other way
                rise[j, d] = rise[j].max(axis=0)
                continue
            if heard.all():
                continue
            at, known = knots[j], np.flatnonzero(heard)
            for i in np.flatnonzero(~heard):
                rise[j, d, i] = [np.interp(at[i], at[known], column) for column in rise[j, d, known].T]
    return rise
