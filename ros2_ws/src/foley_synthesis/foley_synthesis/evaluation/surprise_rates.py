"""Distances between predicted and heard sound at the rates that microphones have, on contacts nobody learned from.

A checkpoint's training leaves the distances of its validation contacts at 48 kHz and below. One that was made before
that gets those of the lower rates here, from any data set of the same world; how many of other contacts are then called
surprising says whether they hold (:func:`alarms`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.clips.action import motion_known
from foley_perception.clips.grid import ONSET_FRAME
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.metrics import surprise
from foley_synthesis.vis.inference.predictor import PredictionInput, Predictor

Progress = Callable[[int, int], None]


def expected_distances(
    predictor: Predictor,
    dataset: ClipDataset,
    split: str,
    rates: Sequence[int],
    progress: Progress = lambda done, total: None,
) -> dict[int, list[float]]:
    """By rate [Hz]: of every planned contact of a split, between the sound predicted before it and the one it made."""
    rows = [
        row
        for row, clip in enumerate(dataset.clips)
        if clip.split == split and motion_known(dataset.action_planned(row))
    ]
    found: dict[int, list[float]] = {rate: [] for rate in rates}
    for done, row in enumerate(rows, start=1):
        made = predictor.predict(PredictionInput(dataset.still(row), None, dataset.action_planned(row)))
        distances = surprise.distances_at(
            surprise.ContactSound(made.waveform, made.onset_s, made.sample_rate),
            surprise.ContactSound(
                dataset.audio(row), ONSET_FRAME / Cochleagram(surprise.CALIBRATION_RATE).rate_hz,
                surprise.CALIBRATION_RATE,
            ),
            rates,
        )  # fmt: skip
        for rate, distance in distances.items():
            if math.isfinite(distance):
                found[rate].append(round(distance, 5))
        progress(done, len(rows))
    return found


def alarms(
    calibration: surprise.Calibration, distances: Mapping[int, Sequence[float]], level: float
) -> dict[int, float]:
    """By rate [Hz]: share of these contacts that is called surprising; at most ``1 - level`` where they are alike."""
    return {
        rate: float(
            np.mean([surprise.conformal_percentile(d, calibration.of(rate)) > level for d in of_rate])
        )
        for rate, of_rate in distances.items()
        if len(of_rate) and calibration.of(rate).size
    }
