"""What a simple method reaches, so that a figure of the model can be judged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.cochleagram import Cochleagram
from foley_synthesis.metrics.cochleagram import band_centres

Labels = NDArray[np.int64]


def nearest(train: NDArray[np.floating], test: NDArray[np.floating]) -> NDArray[np.int64]:
    """Row of the nearest training vector by cosine, for each test vector [n, d]."""

    def unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
        values = rows.astype(np.float32)
        return np.asarray(
            values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9), np.float32
        )

    centre = train.astype(np.float32).mean(axis=0)
    return np.asarray((unit(test - centre) @ unit(train - centre).T).argmax(axis=1), np.int64)


def simple_heard_features(
    cochleagrams: NDArray[np.floating], onset: int, cochlea: Cochleagram
) -> NDArray[np.float64]:
    """Per contact [n, 7]: log centroid, bandwidth, centroid late, and decay time in four bands of pitch."""
    power = np.maximum(cochleagrams, 0.0).astype(np.float64) ** (2.0 / cochlea.exponent)
    background = np.median(power[:, : onset - 4], axis=1, keepdims=True)
    power = np.maximum(power - background, 0.0)[:, onset:]
    log_hz = np.log2(band_centres(cochlea))
    columns = []
    for part in (power[:, :6], power[:, 6:30]):
        band = part.sum(axis=1) + 1e-14
        mean = band @ log_hz / band.sum(axis=1)
        spread = np.sqrt((band * (log_hz - mean[:, None]) ** 2).sum(axis=1) / band.sum(axis=1))
        columns += [mean, spread]
    frames = np.arange(30)
    for low in range(0, power.shape[2] - 9, 11):
        level = power[:, :30, low : low + 11].sum(axis=2) + 1e-12
        # Energy-weighted decay time: T60 up to a factor, without fitting a line to noise.
        columns.append(np.log(0.5 + (level @ frames) / level.sum(axis=1)))
    return np.stack(columns, axis=1)


def fit_logistic(train: NDArray[np.floating], labels: Labels) -> Callable[[NDArray[np.floating]], Labels]:
    """Multinomial logistic regression with balanced classes, on standardised features: a function of others [n, d]."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = labels >= 0
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, class_weight="balanced"))
    model.fit(train[known], labels[known])
    return lambda test: np.asarray(model.predict(test), np.int64)
