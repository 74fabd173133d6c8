"""The name of a plan that was published without one: everybody who reads it names it alike."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def plan_id_of(start_ns: int, positions: NDArray[np.floating]) -> str:
    """A name for a plan that has none: its start and a hash of its points, the same in every process."""
    digest = hashlib.sha256(
        np.ascontiguousarray(np.round(positions, 6) + 0.0, dtype=np.float64).tobytes()
    ).hexdigest()
    return f"plan_{start_ns}_{digest[:8]}"
