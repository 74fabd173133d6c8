"""How unlike everything known a sound is: speech, music or hum must not be given a material.

Two distances in closed form, each in units of its own spread on validation, and their mean:

- relative Mahalanobis distance of the embedding (Ren, Fort, Liu, Roy, Padhy and Lakshminarayanan 2021): to the nearest
  class, with a covariance that classes share, less that to the one Gaussian of all classes together, which takes away
  the directions that vary without telling classes apart. Covariances are shrunk (Ledoit and Wolf 2004).
- energy of the logits, -log sum exp (Liu, Wang, Owens and Li 2020): how little evidence there is for any material.

The percentile says what share of validation's contacts is less unlike. No sound without contact is needed to fit it;
where there are some, they are only judged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FALSE_ALARMS = 0.05  # share of in-domain contacts that a threshold refuses, by default
_GRID = 513  # quantiles of validation that are kept
_LEAST_SPREAD = 1e-6


@dataclasses.dataclass(frozen=True, eq=False)
class Novelty:
    """Fitted by :func:`fit_novelty`; e is the size of an embedding, c the number of classes that were there."""

    centre: Array  # [e] mean of all
    means: Array  # [c, e] of classes, less the centre
    within: Array  # [e, e]; the squared length of a row times it is the Mahalanobis distance within classes
    overall: Array  # [e, e] the same for all classes together
    places: Array  # [2] median of each distance on validation
    spreads: Array  # [2] and its spread: median absolute deviation
    quantiles: Array  # [g] of the mean of both, on validation
    threshold: float = 100.0 * (1.0 - FALSE_ALARMS)  # percentile over which a sound is refused

    def distances(self, embeddings: NDArray[np.floating], logits: NDArray[np.floating]) -> Array:
        """Relative Mahalanobis distance and energy [n, 2] of embeddings [n, e] and logits [n, m]."""
        centred = np.asarray(embeddings, np.float64) - self.centre
        inner = centred @ self.within
        nearest = np.min([np.square(inner - mean).sum(axis=1) for mean in self.means @ self.within], axis=0)
        return np.stack([nearest - np.square(centred @ self.overall).sum(axis=1), energy(logits)], axis=1)

    def scores(self, embeddings: NDArray[np.floating], logits: NDArray[np.floating]) -> Array:
        """Both distances together [n], in spreads of validation; higher is more unlike. Not bounded."""
        z = (self.distances(embeddings, logits) - self.places) / self.spreads
        return np.asarray(z.mean(axis=1))

    def percentiles(self, embeddings: NDArray[np.floating], logits: NDArray[np.floating]) -> Array:
        """Share [%] of validation's contacts that are less unlike [n]; 100: more unlike than all of them."""
        share = np.linspace(0.0, 100.0, len(self.quantiles))
        return np.interp(self.scores(embeddings, logits), self.quantiles, share)

    def refused(self, percentiles: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which are no contact of a sort that was known [n]."""
        return np.asarray(percentiles) > self.threshold

    def whitened(self, embeddings: NDArray[np.floating]) -> Array:
        """Embeddings [n, e] with a covariance of one within classes: what adaptation measures distances in."""
        return (np.asarray(embeddings, np.float64) - self.centre) @ self.within

    def to_tensors(self, prefix: str = "novelty.") -> dict[str, NDArray[np.float32]]:
        """For safetensors."""
        return {
            f"{prefix}{field.name}": np.asarray(getattr(self, field.name), np.float32)
            for field in dataclasses.fields(self)
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Any], prefix: str = "novelty.") -> Novelty:
        """What :meth:`to_tensors` made. Raises KeyError for a tensor that is missing."""
        values = {
            f.name: np.asarray(tensors[f"{prefix}{f.name}"], np.float64) for f in dataclasses.fields(cls)
        }
        threshold = float(values.pop("threshold"))
        return cls(**values, threshold=threshold)


def energy(logits: NDArray[np.floating]) -> Array:
    """-log sum exp of logits [n, m]: [n]."""
    z = np.asarray(logits, np.float64)
    top = z.max(axis=1)
    return np.asarray(-(top + np.log(np.exp(z - top[:, None]).sum(axis=1))))


def fit_novelty(
    embeddings: NDArray[np.floating],
    labels: NDArray[np.integer],
    validation: tuple[NDArray[np.floating], NDArray[np.floating]],
    *,
    false_alarms: float = FALSE_ALARMS,
) -> Novelty:
    """From contacts alone.

    Args:
        embeddings: [n, e] of training.
        labels: [n] their classes; rows below 0 (no contact) are left out.
        validation: embeddings [v, e] and logits [v, m] of contacts that are in the domain and not in training.
        false_alarms: share of validation that the threshold refuses.

    Raises:
        ValueError: fewer than two classes, or no validation, or a share outside (0, 1).
    """
    if not 0.0 < false_alarms < 1.0:
        raise ValueError(f"false_alarms is {false_alarms}, must lie inside (0, 1)")
    known = np.asarray(labels) >= 0
    x, y = np.asarray(embeddings, np.float64)[known], np.asarray(labels)[known]
    classes = np.unique(y)
    if len(classes) < 2 or not len(validation[0]):
        raise ValueError(
            f"{len(classes)} classes and {len(validation[0])} of validation, must be 2 and 1 at least"
        )
    centre = x.mean(axis=0)
    x = x - centre
    means = np.stack([x[y == k].mean(axis=0) for k in classes])
    residual = x - means[np.searchsorted(classes, y)]
    blank = Novelty(
        centre, means, whitening(residual), whitening(x), np.zeros(2), np.ones(2), np.array([0.0, 1.0])
    )
    distances = blank.distances(*validation)
    places = np.median(distances, axis=0)
    spreads = np.maximum(1.4826 * np.median(np.abs(distances - places), axis=0), _LEAST_SPREAD)
    fitted = dataclasses.replace(
        blank, places=places, spreads=spreads, threshold=100.0 * (1.0 - false_alarms)
    )
    quantiles = np.quantile(fitted.scores(*validation), np.linspace(0.0, 1.0, _GRID))
    return dataclasses.replace(fitted, quantiles=quantiles)


def whitening(centred: Array) -> Array:
    """A matrix [e, e] that gives rows [n, e] of mean zero a covariance of one, as far as n rows can tell."""
    from sklearn.covariance import ledoit_wolf

    scale = np.maximum(centred.std(axis=0), _LEAST_SPREAD)
    covariance, _ = ledoit_wolf(centred / scale, assume_centered=True)
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors / np.sqrt(np.maximum(values, _LEAST_SPREAD)) / scale[:, None])


@dataclasses.dataclass(frozen=True)
class NoveltyScore:
    """How well contacts are told from what is none."""

    contacts: int
    others: int
    false_alarms: float  # share of contacts that are refused
    refused: float  # share of others that are
    auroc: float  # probability that one of the others is more unlike than a contact

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


def score_novelty(
    novelty: Novelty,
    contacts: tuple[NDArray[np.floating], NDArray[np.floating]],
    others: tuple[NDArray[np.floating], NDArray[np.floating]],
) -> NoveltyScore:
    """Embeddings and logits of contacts in the domain, and of sounds that are no contact, each one at least."""
    inside, outside = novelty.scores(*contacts), novelty.scores(*others)
    return NoveltyScore(
        len(inside),
        len(outside),
        float(novelty.refused(novelty.percentiles(*contacts)).mean()),
        float(novelty.refused(novelty.percentiles(*others)).mean()),
        auroc(inside, outside),
    )


def auroc(low: Array, high: Array) -> float:
    """Probability that one of ``high`` is over one of ``low``; equal ones count half."""
    ordered = np.sort(low)
    below, upto = np.searchsorted(ordered, high, "left"), np.searchsorted(ordered, high, "right")
    return float((below + upto).mean() / (2.0 * len(low)))
