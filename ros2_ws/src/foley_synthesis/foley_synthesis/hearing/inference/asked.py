"""Materials that a robot was told to expect, beside everything else that the base model knows.

A head that was learned from taps tells the asked materials apart. Whether it is one of them at all, only the base model
can say, by its own odds, and those may be wrong where its domain was another: how far they count, taps decide.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.hearing.inference.few_taps import Array, log_softmax

CLOSED = (1.0, math.inf)  # a gate: always one of the asked materials
_GATE_SCALES = (1.0, 0.5, 0.25, 0.12, 0.06, 0.0)
_MOST_LOSS = 1.5


def asked_logits(logits: Array, base: tuple[str, ...], asked: tuple[str, ...]) -> Array:
    """Of the asked materials [n, c]; one that the base does not know stands where the mean of all does."""
    columns = [logits[:, base.index(name)] if name in base else logits.mean(axis=1) for name in asked]
    return np.stack(columns, axis=1)


def over_vocabulary(
    q: Array, z: Array, base: tuple[str, ...], asked: tuple[str, ...], gate: tuple[float, float]
) -> Array:
    """Probabilities over the base's labels and the new ones [n, m + new] from those among the asked ones [n, c]."""
    whole = (*base, *(name for name in asked if name not in base))
    p = np.zeros((len(z), len(whole)))
    others = _others(base, asked)
    inside = _inside(z, others, gate)
    if others.any():
        p[:, np.flatnonzero(others)] = (1.0 - inside)[:, None] * np.exp(log_softmax(z[:, others]))
    p[:, [whole.index(name) for name in asked]] = inside[:, None] * q
    return p


def _others(base: tuple[str, ...], asked: tuple[str, ...]) -> NDArray[np.bool_]:
    """Which of the base's labels nobody tapped [m]."""
    return np.array([name not in asked for name in base])


def _inside(z: Array, others: NDArray[np.bool_], gate: tuple[float, float]) -> Array:
    """Probability [n] that one of the asked materials is touched, by the base's log odds times and plus a number."""
    scale, shift = gate
    if math.isinf(shift) or not others.any():
        return np.ones(len(z))
    known = np.zeros(len(z)) if others.all() else _log_sum(z[:, ~others]) - _log_sum(z[:, others])
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(scale * known + shift, -50.0, 50.0))))


def _log_sum(z: Array) -> Array:
    top = z.max(axis=1)
    return np.asarray(top + np.log(np.exp(z - top[:, None]).sum(axis=1)))


def gate_of(z: Array, base: tuple[str, ...], asked: tuple[str, ...], elsewhere: float) -> tuple[float, float]:
    """Factor and summand of the log odds, with which taps on average leave `elsewhere` to what was not tapped.

    Every tap is of an asked material, so that taps alone would always ask for a factor of 0. It is as near to 1 as it
    can be while telling them so costs at most `_MOST_LOSS` times what ignoring the base would. Of a material that is
    new to the base its odds know nothing: then they are ignored.
    """
    others = _others(base, asked)
    if elsewhere == 0.0 or not others.any():
        return CLOSED
    new = any(name not in base for name in asked)
    for scale in (0.0,) if new else _GATE_SCALES:
        low, high = -60.0, 60.0
        for _ in range(50):  # bisection: monotonic
            middle = (low + high) / 2.0
            over = 1.0 - _inside(z, others, (scale, middle)).mean() > elsewhere
            low, high = (middle, high) if over else (low, middle)
        gate = (scale, (low + high) / 2.0)
        if -np.log(_inside(z, others, gate)).mean() <= -_MOST_LOSS * math.log(1.0 - elsewhere):
            break
    return gate
