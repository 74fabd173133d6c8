"""How unsure a distribution is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr


def entropy(probabilities: NDArray[np.floating] | Sequence[float]) -> NDArray[np.float64]:
    """Shannon entropy [nat] over the last axis: [..., m] -> [...]; 0 log 0 is 0, and NaN of nothing."""
    p = np.asarray(probabilities, np.float64)
    if p.shape[-1] == 0:
        return np.full(p.shape[:-1], np.nan)
    return np.asarray(np.maximum(entr(p).sum(axis=-1), 0.0))
