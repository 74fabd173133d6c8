"""Distances of predicted and heard sound at the rates that microphones have: what surprise goes by without a fit.

A checkpoint's training leaves the distances of its validation contacts at 48 kHz and below. One that was made before
that gets those of the lower rates here, from any data set of the same world; how many of other contacts are then called
surprising says whether they hold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foley_synthesis.evaluation.surprise.contacts import HeardContact
from foley_synthesis.metrics import surprise


def expected_distances(contacts: Sequence[HeardContact]) -> dict[int, list[float]]:
    """By rate [Hz]: of every contact, between the sound predicted before it and the one it made."""
    rates = sorted({rate for contact in contacts for rate in contact.predicted})
    return {
        rate: [
            round(surprise.frame_distance(contact.predicted[rate], contact.heard[rate]), 5)
            for contact in contacts
        ]
        for rate in rates
    }


def distance_alarms(
    calibration: surprise.Calibration, distances: dict[int, list[float]], level: float
) -> dict[str, float]:
    """By rate [Hz]: share of these contacts that is called surprising; at most ``1 - level`` where they are alike."""
    return {
        str(rate): float(
            np.mean([surprise.conformal_percentile(d, calibration.of(rate)) > level for d in of_rate])
        )
        for rate, of_rate in distances.items()
        if len(of_rate) and calibration.of(rate).size
    }
