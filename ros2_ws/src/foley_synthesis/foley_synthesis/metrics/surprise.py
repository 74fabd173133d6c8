"""How far a heard contact is from the predicted one, and how unusual that distance is.

The distance is the mean over time of the Euclidean distance between two cochleagrams (compressed subband
envelopes, Visually Indicated Sounds Eq. 1) that are aligned at their contacts. Its rank among the distances
of contacts that were as expected (a calibration set that ships with the checkpoint) is conformal: if the new
contact is like those, P(percentile > 1 - a) <= a, whatever the distribution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.cochleagram import Cochleagram

DISTANCE_NAME = "cochleagram_l2"
METRICS_KEY = (
    "surprise_calibration"  # in a checkpoint's metrics.json: {"distance_name": ..., "distances": [...]}
)
BEFORE_S = 0.02  # of sound before the contact that is compared
AFTER_S = 0.5  # and after it


def cochleagram_distance(
    predicted: NDArray[np.float32],  # [n] mono
    predicted_onset_s: float,
    heard: NDArray[np.float32],  # [m] mono, same sample rate
    heard_onset_s: float,
    sample_rate: int,
) -> float:
    """Mean L2 distance between the cochleagrams around the contacts; NaN if either is too short.

    Raises:
        ValueError: sounds that are not one-dimensional.
    """
    pieces = []
    for samples, onset_s in ((predicted, predicted_onset_s), (heard, heard_onset_s)):
        start = round((onset_s - BEFORE_S) * sample_rate)
        end = round((onset_s + AFTER_S) * sample_rate)
        if start < 0 or end > len(samples):
            return math.nan
        pieces.append(samples[start:end])
    transform = Cochleagram(sample_rate)
    a, b = (transform(piece) for piece in pieces)
    return float(np.linalg.norm(a - b, axis=1).mean())


def conformal_percentile(distance: float, calibration: NDArray[np.floating] | Sequence[float]) -> float:
    """Rank of a distance among the calibration distances, in [0, 1); NaN without either."""
    distances = np.asarray(calibration, dtype=np.float64)
    if distances.size == 0 or math.isnan(distance):
        return math.nan
    # 1 - (1 + #{d_i >= d}) / (n + 1), the complement of the conformal p-value.
    return float((distances < distance).sum() / (distances.size + 1))


def calibration_of(metrics: dict[str, object]) -> NDArray[np.float64]:
    """Calibration distances in a checkpoint's metrics; empty if there are none for this distance."""
    entry = metrics.get(METRICS_KEY)
    if not isinstance(entry, dict) or entry.get("distance_name") != DISTANCE_NAME:
        return np.zeros(0)
    values = np.asarray(entry.get("distances", []), dtype=np.float64)
    return values[np.isfinite(values)] if values.ndim == 1 else np.zeros(0)
