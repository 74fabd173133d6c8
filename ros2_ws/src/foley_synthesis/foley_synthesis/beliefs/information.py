"""What one more contact is expected to tell: about the material of an object, and about a predicate.

About the material: by how much the probability of the true one is expected to grow [nat],

    E log p(true | evidence, contact) - E log p(true | evidence)

over what is believed and over what contacts say. Of a fusion that adds evidence up as Bayes' rule would, this is the
mutual information of material and contact, which is also the expected loss of entropy; of one that grows too sure, it
is less than that loss, which would then praise contacts that only make it surer.
About a predicate: the expected loss of the entropy that it has in the mean of all outcomes, and how likely it is to be
decided then. (Where fusion is Bayes' rule that mean is its probability now, and this is mutual information again; of
another one, which expects its own beliefs to move, the entropy now could be smaller than any that may follow.)
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.belief import NAN, MaterialBelief, entropy_of
from foley_synthesis.beliefs.contact_bank import NUMBERS, ContactBank
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.expressions import Facts
from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.beliefs.hysteresis import Thresholds, Truth, step
from foley_synthesis.beliefs.outcomes import FusionWeights, Outcomes, Point, possible_outcomes

INFORMATION_SHARE = 0.1  # of a nat, beside the probability that a contact settles what is asked
SAMPLES = 48  # outcomes for which an expression is evaluated
_NAMES = (
    "log10_youngs_modulus_pa_mean",
    "log10_youngs_modulus_pa_std",
    "roughness",
    "hollowness",
)  # of NUMBERS

Array = NDArray[np.float64]
Probability = Callable[[Facts], float]


def material_gain(outcomes: Outcomes) -> float:
    """Expected information about the material [nat], at least 0."""
    log = np.log(np.maximum(outcomes.p, 1e-300))
    drawn = outcomes.truth >= 0
    rows = np.flatnonzero(drawn)
    told = float(outcomes.weight[rows] @ log[rows, outcomes.truth[rows]])
    # What repeats an earlier contact says it of whatever material it is.
    told += float(outcomes.weight[~drawn] @ (log[~drawn] @ outcomes.now))
    known = outcomes.now > 0
    before = np.zeros(len(outcomes.now))
    before[known] = np.log(outcomes.now[known])
    believed = np.bincount(outcomes.truth[rows], outcomes.weight[rows], minlength=len(before))
    believed = believed + outcomes.weight[~drawn].sum() * outcomes.now
    return max(0.0, told - float(believed @ before))


def entropy_loss(outcomes: Outcomes) -> float:
    """Expected loss of the entropy of the fused belief [nat]; negative where it is expected to grow less sure."""
    return entropy_of(outcomes.now) - float(outcomes.weight @ _entropies(outcomes.p))


def _entropies(p: Array) -> Array:
    """Of each row [k, m], in nat."""
    return np.asarray(-(p * np.log(np.maximum(p, 1e-300))).sum(axis=1))


@dataclasses.dataclass(frozen=True)
class PredicateGain:
    """What one contact is expected to tell of a predicate."""

    information: float  # [nat], at least 0
    decided: float  # probability that it is TRUE or FALSE then
    probability: float  # now; NaN: not known
    outcomes: tuple[float, ...]  # probabilities that it may lead to, NaN: still not known ...
    weights: tuple[float, ...]  # ... and how likely each is
    decided_now: bool = False


@dataclasses.dataclass(frozen=True)
class Question:
    """A predicate about one object, as its expression gives it.

    Where it is about two objects, ``probability`` holds the other one's facts.
    """

    probability: Probability
    thresholds: Thresholds = dataclasses.field(default_factory=Thresholds)
    when_abstaining: bool = False  # known even while the material belief abstains
    state: Truth = Truth.UNKNOWN  # now
    facts: Facts = dataclasses.field(default_factory=lambda: Facts({}, {}))  # now, for what a contact leaves


def binary_entropy(p: float) -> float:
    """Of a predicate [nat]; that of one of which nothing is known (NaN) is that of an even chance."""
    if math.isnan(p):
        return math.log(2.0)
    return -sum(q * math.log(q) for q in (p, 1.0 - p) if q > 0)


def predicate_gain(
    outcomes: Outcomes, action: str, labels: Sequence[str], question: Question
) -> PredicateGain:
    """Of a contact by ``action``, over :data:`SAMPLES` outcomes that stand for all."""
    rows, weight = _standing_for(outcomes.weight, SAMPLES)
    now = _clipped(question.probability(question.facts))
    happened = {**question.facts.actions, action: 1.0}
    heard = question.facts.numbers.get("contacts_heard", 0.0) + 1.0
    p, fused = outcomes.p[rows], outcomes.numbers(rows)
    entropy = _entropies(p)
    led_to, decided = [], 0.0
    for k, share in enumerate(weight.tolist()):
        answered = bool(outcomes.answered[rows[k]])
        after = {"entropy_nat": entropy[k], "abstain": float(not answered), "contacts_heard": heard}
        facts = dataclasses.replace(
            question.facts,
            numbers={**question.facts.numbers, **dict(zip(_NAMES, fused[k].tolist(), strict=True)), **after},
            probabilities=dict(zip(labels, p[k].tolist(), strict=True)),
            actions=happened,
        )
        led_to.append(_clipped(question.probability(facts)))
        if answered or question.when_abstaining:
            decided += share * (step(question.state, led_to[-1], question.thresholds) != Truth.UNKNOWN)
    left = sum(share * binary_entropy(p) for share, p in zip(weight.tolist(), led_to, strict=True))
    mean = sum(share * p for share, p in zip(weight.tolist(), led_to, strict=True))  # NaN with one that is
    gain = max(0.0, binary_entropy(NAN if math.isnan(now) else mean) - left)
    told = question.facts.numbers.get("abstain", 1.0) == 0.0 or question.when_abstaining
    decided_now = told and step(question.state, now, question.thresholds) != Truth.UNKNOWN
    return PredicateGain(gain, min(decided, 1.0), now, tuple(led_to), tuple(weight.tolist()), decided_now)


def _clipped(p: float) -> float:
    return p if math.isnan(p) else min(max(p, 0.0), 1.0)


def _standing_for(weight: Array, most: int) -> tuple[NDArray[np.int64], Array]:
    """Rows that stand for all by systematic sampling, always the same ones, and how much each stands for."""
    if len(weight) <= most:
        return np.arange(len(weight)), weight
    points = (np.arange(most) + 0.5) / most
    drawn = np.minimum(np.searchsorted(np.cumsum(weight), points), len(weight) - 1)
    rows, count = np.unique(drawn, return_counts=True)
    return rows, count / most


@dataclasses.dataclass(frozen=True)
class Worth:
    """What one contact is worth."""

    gain: float  # expected information [nat]
    settles: float  # probability that what is asked is known then; 0 where it is known now

    @property
    def rank(self) -> float:
        """By which contacts are chosen: that it settles, and of those that do not, or settle as surely, what they tell.

        Information alone goes to what can be argued about for long: measured, contacts chosen by it make fewer things
        known than those chosen by whether they settle something (`python -m benchmarks.suggested_contacts`).
        """
        return self.settles + INFORMATION_SHARE * self.gain


class ContactWorth:
    """What contacts with some objects are worth, one after the other.

    Args:
        objects: evidence about each.
        about: object -> the predicate about it that is asked for; an object without one is worth nothing. None: the
            material of every object is.
        sure: of a material, from which probability on it is known; None: where the fused belief is an answer.
    """

    def __init__(
        self,
        objects: Mapping[str, Sequence[Evidence]],
        bank: ContactBank,
        config: FusionConfig,
        about: Mapping[str, Question] | None = None,
        sure: float | None = None,
    ) -> None:
        self._sure = sure
        self._evidence = {name: list(items) for name, items in objects.items()}
        self._bank, self._config, self._about = bank, config, about
        self._weights: dict[tuple[str, Point], FusionWeights] = {}

    def outcomes(self, object_id: str, action: str, place: Point) -> Outcomes:
        """Of one contact more. Raises KeyError for an object that is not known."""
        evidence = self._evidence[object_id]
        key = (object_id, place)
        if key not in self._weights:
            before = next((w.fused for (name, _), w in self._weights.items() if name == object_id), None)
            self._weights[key] = FusionWeights.of(evidence, place, self._config, before)
        return possible_outcomes(evidence, action, place, self._bank, self._config, self._weights[key])

    def worth(self, object_id: str, action: str, place: Point) -> Worth:
        """Of one contact more."""
        if self._about is None:
            outcomes = self.outcomes(object_id, action, place)
            known, known_now = self._known(outcomes)
            settles = 0.0 if known_now else float(outcomes.weight @ known)
            return Worth(material_gain(outcomes), settles)
        question = self._about.get(object_id)
        if question is None:
            return Worth(0.0, 0.0)
        outcomes = self.outcomes(object_id, action, place)
        told = predicate_gain(outcomes, action, self._bank.labels, question)
        return Worth(told.information, 0.0 if told.decided_now else told.decided)

    def _known(self, outcomes: Outcomes) -> tuple[NDArray[np.bool_], bool]:
        """Whether the material is known after each outcome [k], and now."""
        if self._sure is not None:
            return outcomes.p.max(axis=1) >= self._sure, bool(outcomes.now.max() >= self._sure)
        weights = outcomes.weights
        return outcomes.answered, bool(weights.used) and not weights.fused.abstain

    def take(self, object_id: str, action: str, place: Point) -> None:
        """Go on as if the contact had been made and had told as much as is expected of it."""
        outcomes = self.outcomes(object_id, action, place)
        entropy = _entropies(outcomes.p)
        row = int(np.argmin(np.abs(entropy - outcomes.weight @ entropy)))
        items = self._evidence[object_id]
        newest = max((item.time_ns for item in items), default=0)
        items.append(
            Evidence(
                "heard",
                f"taken_{len(items)}",
                newest + 1,
                _belief_of(outcomes, row),
                action,
                position=place,
            )
        )
        self._weights = {key: value for key, value in self._weights.items() if key[0] != object_id}


def _belief_of(outcomes: Outcomes, row: int) -> MaterialBelief:
    numbers = dict(zip(NUMBERS, outcomes.said_numbers[row].tolist(), strict=True))
    p = outcomes.said[row] / outcomes.said[row].sum()
    return MaterialBelief(tuple(p.tolist()), **numbers, abstain=not bool(outcomes.fit[row]))
