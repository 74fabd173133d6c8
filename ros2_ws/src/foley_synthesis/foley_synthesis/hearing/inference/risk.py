"""Abstention with a bound: answers are given only where, on validation, few enough of those like it were wrong.

Which confidence is enough is tested from the strictest threshold on, and the first failure ends it (fixed-sequence
testing: Angelopoulos, Bates, Candes, Jordan and Lei 2021, "Learn then test"), so that trying many thresholds costs
nothing: with probability `certainty` over validation sets, the error among what is kept is at most the target. Each
test is the exact one-sided bound of Clopper and Pearson (1934). It takes contacts for independent; several of one
object count for more than they tell.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SPARE = 0.5  # the first threshold tested leaves room for this share of the target risk in errors
_STEPS = 100  # thresholds tested at most
NEVER = math.inf  # no confidence is enough


def upper_bound(errors: int, count: int, certainty: float = 0.95) -> float:
    """Of the error rate behind ``errors`` among ``count``, one-sided; 1 where nothing was seen."""
    from scipy.stats import beta

    if errors >= count:
        return 1.0
    return float(beta.ppf(certainty, errors + 1, count - errors))


def interval(hits: int, count: int, certainty: float = 0.95) -> tuple[float, float]:
    """Two-sided, of the rate behind ``hits`` among ``count``."""
    low = 1.0 - upper_bound(count - hits, count, 0.5 + certainty / 2) if hits else 0.0
    return low, upper_bound(hits, count, 0.5 + certainty / 2)


@dataclasses.dataclass(frozen=True)
class Abstention:
    """From which confidence on an answer is given, and what is known of such answers."""

    target_risk: float  # share of wrong answers among those given
    certainty: float  # probability over validation sets with which the target holds
    threshold: float  # of the confidence; at or over it is kept. Infinite: abstain always
    contacts: int  # of validation
    kept: int
    errors: int  # among them
    bound: float  # upper bound of the risk among the kept; 1 where none are
    fitted_on: str  # domain for which it is stated
    reason: str = ""  # why nothing is ever said; empty where something is

    @property
    def coverage(self) -> float:
        """Share of validation that is kept."""
        return self.kept / self.contacts if self.contacts else 0.0

    @property
    def always(self) -> bool:
        """It never answers."""
        return math.isinf(self.threshold)

    def why(self, confidence: float) -> str:
        """Why an answer of this confidence is not given; empty where it is."""
        if self.always:
            return self.reason
        if confidence >= self.threshold:
            return ""
        return (
            f"confidence {confidence:.2f} is under {self.threshold:.2f}, from which on at most "
            f"{100 * self.target_risk:.0f} % are wrong ({self.fitted_on})"
        )

    def to_dict(self) -> dict[str, Any]:
        """For YAML and JSON: an infinite threshold becomes None."""
        return {**dataclasses.asdict(self), "threshold": None if self.always else self.threshold}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Abstention:
        """What :meth:`to_dict` made."""
        threshold = values["threshold"]
        return cls(**{**values, "threshold": NEVER if threshold is None else float(threshold)})


def choose_abstention(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.integer],
    target_risk: float,
    *,
    fitted_on: str,
    certainty: float = 0.95,
    confidence: NDArray[np.floating] | None = None,
    least_share: float = 0.0,
) -> Abstention:
    """The lowest threshold that the tests reach.

    Args:
        probabilities: [n, m] of validation contacts that nothing else was fitted on.
        labels: [n]; -1 (no contact, or a material outside of the vocabulary) is never right.
        target_risk: in (0, 1).
        least_share: of contacts, that is tested first: an answer for fewer would be of little use, and the very surest
            may be odd ones.
        confidence: [n] by which contacts are ranked, higher is surer; the largest probability where it is not given.

    Raises:
        ValueError: target or certainty is not inside (0, 1).
    """
    for name, value in (("target_risk", target_risk), ("certainty", certainty)):
        if not 0.0 < value < 1.0:
            raise ValueError(f"{name} is {value}, must lie inside (0, 1)")
    p = np.asarray(probabilities, np.float64)
    sure = p.max(axis=1, initial=0.0) if confidence is None else np.asarray(confidence, np.float64)
    wrong = p.argmax(axis=1) != labels if len(p) else np.zeros(0, bool)
    order = np.argsort(-sure, kind="stable")
    sure, errors, n = sure[order], np.cumsum(wrong[order]), len(p)
    # Equal confidences are kept together, so only the last of them can be a threshold.
    last = np.flatnonzero(np.diff(sure, append=-np.inf) != 0.0) + 1
    nothing = Abstention(target_risk, certainty, NEVER, n, 0, 0, 1.0, fitted_on)
    begin = _first_count(n, target_risk, certainty)
    begin = max(begin, math.ceil(least_share * n)) if begin else 0
    counts = last[last >= begin] if begin else last[:0]
    if not len(counts):
        least = _least_count(target_risk, certainty)
        few = f"{n} contacts of validation are too few to bound the risk by {100 * target_risk:.0f} %"
        return dataclasses.replace(nothing, reason=f"abstains always: {few} ({least} are needed)")
    # Where to test is decided without the labels, which is what keeps the sequence fixed.
    tested = counts[np.unique(np.linspace(0, len(counts) - 1, _STEPS).round().astype(int))]
    best = nothing
    for count in tested.tolist():
        bound = upper_bound(int(errors[count - 1]), count, certainty)
        if bound > target_risk:
            if best is nothing:
                share = f"{int(errors[count - 1])} of the {count} surest contacts of validation are wrong"
                best = dataclasses.replace(
                    nothing,
                    reason=f"abstains always: {share}, a risk of up to {100 * bound:.0f} % where "
                    f"{100 * target_risk:.0f} % is the most that is allowed",
                )
            break
        best = dataclasses.replace(
            nothing, threshold=float(sure[count - 1]), kept=count, errors=int(errors[count - 1]), bound=bound
        )
    return best


def choose_abstentions(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.integer],
    target_risks: Sequence[float] = (0.1, 0.2, 0.3, 0.4),
    *,
    fitted_on: str,
    certainty: float = 0.95,
    confidence: NDArray[np.floating] | None = None,
) -> tuple[Abstention, ...]:
    """One for each target. Each statement has its own certainty; that all hold at once is less certain."""
    return tuple(
        choose_abstention(
            probabilities, labels, target, fitted_on=fitted_on, certainty=certainty, confidence=confidence
        )
        for target in target_risks
    )


def _least_count(target_risk: float, certainty: float) -> int:
    """Contacts without any error that bound the risk by the target: 1 - (1 - certainty)^(1/n) <= target."""
    return math.ceil(math.log(1.0 - certainty) / math.log(1.0 - target_risk) - 1e-9)


def _first_count(n: int, target_risk: float, certainty: float) -> int:
    """How many of the surest are tested first; 0 where none can pass.

    So many that errors at a part of the target would still pass: from the fewest on, one unlucky error among the
    surest would end the sequence at its first test.
    """
    least = _least_count(target_risk, certainty)
    for count in range(least, n + 1):
        if upper_bound(math.floor(_SPARE * target_risk * count), count, certainty) <= target_risk and (
            _SPARE * target_risk * count >= 1.0
        ):
            return count
    return least if least <= n else 0


@dataclasses.dataclass(frozen=True)
class KeptScore:
    """What is right among the answers that are given."""

    contacts: int
    kept: int
    right: int
    low: float  # 95 % interval of the accuracy by Clopper and Pearson
    high: float

    @property
    def coverage(self) -> float:
        """Share that is answered; NaN of none."""
        return self.kept / self.contacts if self.contacts else math.nan

    @property
    def accuracy(self) -> float:
        """Share of answers that are right; NaN where none is given."""
        return self.right / self.kept if self.kept else math.nan

    def to_dict(self) -> dict[str, Any]:
        """For JSON: NaN becomes None."""
        accuracy = self.accuracy if self.kept else None
        coverage = self.coverage if self.contacts else None
        return {**dataclasses.asdict(self), "coverage": coverage, "accuracy": accuracy}


def accuracy_among_kept(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.integer],
    threshold: float,
    confidence: NDArray[np.floating] | None = None,
) -> KeptScore:
    """Of probabilities [n, m] and labels [n] (-1: never right), keeping what reaches a threshold."""
    p = np.asarray(probabilities, np.float64)
    sure = p.max(axis=1, initial=0.0) if confidence is None else np.asarray(confidence, np.float64)
    kept = sure >= threshold
    count = int(kept.sum())
    right = int((p[kept].argmax(axis=1) == np.asarray(labels)[kept]).sum()) if count else 0
    low, high = interval(right, count)
    return KeptScore(len(p), count, right, low, high)
