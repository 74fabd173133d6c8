"""What a heard contact differs by from what was expected of it: numbers that are larger where it differs more.

* `spectrum`: between the spectra of the predicted and the heard sound, each over its own mean and spread, so that
  neither level nor microphone gain counts.
* `belief`: -log of the probability that the material believed before the contact (by sight, and by earlier contacts
  with the same object) is the one that was heard.
* `before`: as `spectrum`, between an earlier contact with the same object and this one: the newest of the same action,
  or else the newest.

Which of them are there depends on what is known: a :class:`Rule` weighs those of one such :class:`Situation`, and each
has a calibration of its own.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foley_synthesis.metrics.surprise import BEFORE_S, ContactSound, aligned_cochleagrams

Array = NDArray[np.float64]
FEATURES = ("spectrum", "belief", "before")

SPECTRUM_S = 0.11  # of sound after the contact
_FRAME_RATE = 90.0  # [Hz] of cochleagrams
_LEAST_PROBABILITY = 1e-6


def spectrum_of(cochleagram: NDArray[np.floating]) -> Array:
    """Mean of the frames [t, bands] right after the contact, over its own mean and spread, [bands]."""
    first = math.ceil(BEFORE_S * _FRAME_RATE)
    bands = np.asarray(cochleagram[first : first + round(SPECTRUM_S * _FRAME_RATE)], np.float64).mean(axis=0)
    spread = float(bands.std())
    return (bands - bands.mean()) / spread if spread > 0 else np.zeros_like(bands)


def spectrum_difference(a: Array, b: Array) -> float:
    """Root mean square difference of two spectra [bands]; NaN of spectra over different bands."""
    return float(np.sqrt(np.mean(np.square(a - b)))) if a.shape == b.shape else math.nan


def sound_difference(a: ContactSound, b: ContactSound) -> float:
    """`spectrum` of two sounds; NaN if either is too short. Raises ValueError as `aligned_cochleagrams`."""
    pair = aligned_cochleagrams(a, b)
    return math.nan if pair is None else spectrum_difference(*map(spectrum_of, pair))


def disagreement(before: ArrayLike, heard: ArrayLike) -> float:
    """`belief`: -log of the probability [nat] that two beliefs [m] are of one material; NaN where one is empty."""
    p, q = np.asarray(before, np.float64), np.asarray(heard, np.float64)
    if p.size == 0 or p.shape != q.shape:
        return math.nan
    return -math.log(max(float(p @ q), _LEAST_PROBABILITY))


@dataclasses.dataclass(frozen=True)
class Differences:
    """Of one contact; NaN where it is not known."""

    spectrum: float = math.nan
    belief: float = math.nan
    before: float = math.nan
    same_action: bool = False  # whether `before` is of a contact of the same action


@dataclasses.dataclass(frozen=True)
class Situation:
    """What is known of a contact."""

    features: tuple[str, ...]
    same_action: bool | None = None  # of the earlier contact; None: there is none, or it does not matter

    def holds(self, differences: Differences) -> bool:
        """Whether so much is known."""
        alike = self.same_action is None or self.same_action == differences.same_action
        return alike and all(math.isfinite(getattr(differences, name)) for name in self.features)


SITUATIONS: dict[str, Situation] = {
    "again": Situation(("spectrum", "belief", "before"), True),
    "touched": Situation(("spectrum", "belief", "before"), False),
    "belief": Situation(("spectrum", "belief")),
    "unplanned": Situation(("belief", "before"), True),
    "sound": Situation(("spectrum",)),
}
"""The first that holds, and that has a rule, counts: planned contacts with an object that was touched before, by the
same action or by another, with one that was only seen; contacts that nobody planned with one that was touched before;
planned ones of whose material nothing is known."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """A weighted sum of differences, each over its spread: the log odds of `another thing` against `as expected`."""

    features: tuple[str, ...]
    weights: tuple[float, ...]  # one per feature, not negative: what differs more is never less surprising
    means: tuple[float, ...]
    scales: tuple[float, ...]

    def __post_init__(self) -> None:
        unknown = [name for name in self.features if name not in FEATURES]
        if unknown or not self.features:
            raise ValueError(f"features are {', '.join(self.features)}; known are {', '.join(FEATURES)}")
        for name in ("weights", "means", "scales"):
            values = getattr(self, name)
            if len(values) != len(self.features) or not all(map(math.isfinite, values)):
                raise ValueError(f"{name} are {values}: one finite number for each feature is needed")
        if min(self.weights) < 0 or min(self.scales) <= 0:
            raise ValueError(
                f"weights {self.weights} must not be negative, scales {self.scales} must be positive"
            )

    def score(self, differences: Differences) -> float:
        """NaN where one of its features is not known."""
        rows = zip(self.features, self.weights, self.means, self.scales, strict=True)
        return float(sum(w * (getattr(differences, name) - mean) / scale for name, w, mean, scale in rows))

    def to_dict(self) -> dict[str, dict[str, float]]:
        """For YAML: feature -> weight, mean, scale."""
        rows = zip(self.features, self.weights, self.means, self.scales, strict=True)
        return {
            name: {"weight": round(w, 5), "mean": round(mean, 5), "scale": round(scale, 5)}
            for name, w, mean, scale in rows
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Mapping[str, float]]) -> Rule:
        """Inverse of :meth:`to_dict`. Raises KeyError, TypeError or ValueError."""
        weights, means, scales = (
            tuple(float(row[key]) for row in values.values()) for key in ("weight", "mean", "scale")
        )
        return cls(tuple(values), weights, means, scales)


def fit_rule(features: Sequence[str], expected: Sequence[Differences], other: Sequence[Differences]) -> Rule:
    """The rule that best tells contacts with other things from those that were as expected.

    Logistic regression, both kinds of equal weight, with a small penalty on squared weights.

    Raises:
        ValueError: fewer than two of either.
    """
    from scipy.optimize import minimize

    tables = [
        np.array([[getattr(d, name) for name in features] for d in kind], np.float64)
        for kind in (expected, other)
    ]
    if min(map(len, tables)) < 2:
        raise ValueError(
            f"{len(expected)} contacts as expected and {len(other)} others: a rule needs two of each"
        )
    means, scales = tables[0].mean(axis=0), tables[0].std(axis=0) + 1e-9
    x = (np.concatenate(tables) - means) / scales  # [n, k]
    truth = np.repeat((0.0, 1.0), [len(t) for t in tables])
    weight = np.repeat([0.5 / len(t) for t in tables], [len(t) for t in tables])

    def loss(theta: Array) -> tuple[float, Array]:
        z = theta[0] + x @ theta[1:]
        residual = weight * (1.0 / (1.0 + np.exp(-z)) - truth)
        value = float((weight * (np.logaddexp(0.0, z) - truth * z)).sum() + _PENALTY * theta[1:] @ theta[1:])
        return value, np.concatenate([[residual.sum()], x.T @ residual + 2 * _PENALTY * theta[1:]])

    bounds = [(None, None), *[(0.0, None)] * len(features)]
    found = minimize(loss, np.zeros(1 + len(features)), jac=True, method="L-BFGS-B", bounds=bounds).x[1:]
    as_floats = (tuple(float(v) for v in row) for row in (found, means, scales))
    return Rule(tuple(features), *as_floats)


_PENALTY = 0.01
