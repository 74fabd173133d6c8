"""Which taps of two sensors are the same, and by how much one of them tells them later."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

REACH_S = 0.32  # the largest difference that is looked for: 300 ms and what scatters
LEAST_TAPS = 3
_WINDOW_S = 0.024  # within which differences agree
_OTHER_S = 0.04  # a second answer is one that lies further away
_PRIOR = 3.0  # taps that the sensor's own precision counts for


class UnclearError(ValueError):
    """Taps that do not tell a difference; the message says why."""


@dataclasses.dataclass(frozen=True, eq=False)
class Difference:
    """How much later one sensor tells taps than another."""

    seconds: float
    std: float  # of `seconds`
    spread_s: float  # of single taps
    pairs: Array  # [n] differences that agree
    first: NDArray[np.int64]  # [n] taps of the first sensor that they belong to


def difference(
    first: Array, second: Array, *, std_s: float, limit_s: float, bias_s: float = 0.0
) -> Difference:
    """Times of taps [n] of two sensors, in order: the second minus the first.

    Args:
        std_s: of a single difference, as the sensors' rates let expect; a few taps cannot tell it.
        limit_s: more spread than this is no measurement.
        bias_s: what is common to all taps and does not show in their spread.

    Raises:
        UnclearError: fewer than three agree, taps repeat so evenly that two differences explain them, or single
            differences scatter.
    """
    apart = second[None, :] - first[:, None]
    near = np.abs(apart) <= REACH_S
    candidates = np.sort(apart[near])
    if not candidates.size:
        raise UnclearError(f"no taps of the two lie within {REACH_S * 1e3:.0f} ms of each other")
    votes = np.array([_agreeing(apart, c) for c in candidates])
    best = int(np.argmax(votes))
    centre = _centre(apart, candidates[best])
    count = int(votes[best])
    if count < LEAST_TAPS:
        raise UnclearError(
            f"{count} taps of the two agree, {LEAST_TAPS} are needed; tap more often, and harder"
        )
    other = np.abs(candidates - centre) > _OTHER_S
    if other.any() and votes[other].max() >= count - max(1.0, 0.25 * count):
        second_best = candidates[other][int(np.argmax(votes[other]))]
        raise UnclearError(
            f"differences of {centre * 1e3:.0f} ms and of {second_best * 1e3:.0f} ms explain the taps equally well: "
            "they repeat evenly; tap at uneven intervals of a second and more"
        )
    rows, columns = np.nonzero(np.abs(apart - centre) <= _WINDOW_S)
    nearest: dict[int, float] = {}
    for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
        if i not in nearest or abs(apart[i, j] - centre) < abs(nearest[i] - centre):
            nearest[i] = float(apart[i, j])
    pairs, taps = np.array(list(nearest.values())), np.array(list(nearest))
    return robust(pairs, taps, std_s=std_s, limit_s=limit_s, bias_s=bias_s)


def robust(
    pairs: Array, taps: NDArray[np.int64], *, std_s: float, limit_s: float, bias_s: float = 0.0
) -> Difference:
    """The mean of those that agree, and its standard error; arguments as of :func:`difference`.

    Raises:
        UnclearError: they scatter, or fewer than three agree.
    """
    middle = float(np.median(pairs))
    scatter = max(1.4826 * float(np.median(np.abs(pairs - middle))), std_s)
    inside = np.abs(pairs - middle) <= 3.5 * scatter
    kept = pairs[inside]
    if len(kept) < LEAST_TAPS:
        raise UnclearError(f"{len(kept)} of {len(pairs)} taps agree, {LEAST_TAPS} are needed")
    mean = float(np.mean(kept))
    squares = float(np.sum((kept - mean) ** 2))
    spread = float(np.sqrt((squares + _PRIOR * std_s**2) / (len(kept) - 1 + _PRIOR)))
    if scatter > limit_s:
        raise UnclearError(
            f"single taps differ by {scatter * 1e3:.1f} ms (robust standard deviation), no more than "
            f"{limit_s * 1e3:.1f} ms is a measurement; tap a hard thing, and let the tool fall on it"
        )
    std = float(np.hypot(spread / np.sqrt(len(kept)), bias_s))
    return Difference(mean, std, spread, kept, taps[inside])


def _agreeing(apart: Array, centre: float) -> int:
    """Taps of the first sensor that have a partner at this difference."""
    return int(np.count_nonzero((np.abs(apart - centre) <= _WINDOW_S / 2).any(axis=1)))


def _centre(apart: Array, near: float) -> float:
    return float(np.median(apart[np.abs(apart - near) <= _WINDOW_S / 2]))
