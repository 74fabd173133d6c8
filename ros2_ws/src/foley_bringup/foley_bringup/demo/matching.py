"""One-to-one matching of two lists of event times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment


def match_times(
    truth_ns: NDArray[np.int64],  # [n]
    found_ns: NDArray[np.int64],  # [m]
    tolerance_s: float,
) -> list[tuple[int, int]]:
    """Pairs (i, j) with |truth[i] - found[j]| <= tolerance, as many as possible, then as near as possible.

    Each index is used at most once. Pairs come in the order of ``truth``.
    """
    if tolerance_s <= 0:
        raise ValueError(f"tolerance_s is {tolerance_s}, must be positive")
    if truth_ns.size == 0 or found_ns.size == 0:
        return []
    distance = np.abs(truth_ns[:, None].astype(np.float64) - found_ns[None, :]) / 1e9
    allowed = distance <= tolerance_s
    # A pair within reach always beats any saving of distance, hence the large constant.
    cost = np.where(allowed, distance - 1e3, 0.0)
    rows, columns = linear_sum_assignment(cost)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if allowed[i, j]]
