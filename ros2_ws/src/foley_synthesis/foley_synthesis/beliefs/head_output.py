"""What a head says about the material of contacts."""

from __future__ import annotations

from typing import Any, NamedTuple

STD_RANGE = (0.1, 2.0)  # of the standard deviation of log10 E that is said


class HeadOutput(NamedTuple):
    """One row per contact: tensors in training, NumPy's arrays where a model is used."""

    logits: Any  # [n, m]
    log10_e_mean: Any  # [n]
    log10_e_std: Any  # [n]
    roughness: Any  # [n] in [0, 1]
    hollowness: Any  # [n] in [0, 1]
