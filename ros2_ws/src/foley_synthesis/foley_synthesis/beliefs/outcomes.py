"""What one more contact may be heard to say of an object, and what would be believed then.

The next contact is drawn from the bank: of each material as often as it is believed, of that material as its contacts
were heard. What was heard of the object before makes some of it likelier: n contacts with correlation rho predict the
next one as well as if it repeated one of them with probability n rho / (1 + (n - 1) rho), which is what is assumed.
Every outcome is fused with the evidence that there is, all at once: the fused classes are a product of powers, whose
exponents (the weights of a fusion) do not depend on what is said.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.answers import rule_for
from foley_synthesis.beliefs.belief import NAN, MaterialBelief
from foley_synthesis.beliefs.contact_bank import NUMBERS, ContactBank
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FLOOR, FusionConfig, fuse, newest_sight

Array = NDArray[np.float64]
Point = tuple[float, float, float]
UNKNOWN_PLACE: Point = (NAN, NAN, NAN)
NEXT = "next"  # key of the contact that is thought of
_NOTHING = MaterialBelief((0.5, 0.5))


@dataclasses.dataclass(frozen=True, eq=False)
class Outcomes:
    """k things that a contact may say, and what is believed after each."""

    weight: Array  # [k], sum 1
    truth: NDArray[np.int64]  # [k] material of the contact that it was drawn from; -1: any, as it is believed
    fit: NDArray[np.bool_]  # [k]; False: it says nothing that is fused
    p: Array  # [k, m] fused probabilities afterwards
    answered: NDArray[np.bool_]  # [k] whether the fused belief does not abstain
    said: Array  # [k, m] by the contact alone
    said_numbers: Array  # [k, 4], see NUMBERS
    now: Array  # [m] probabilities now; uniform where nothing is known
    weights: FusionWeights

    def numbers(self, rows: NDArray[np.int64]) -> Array:
        """Fused afterwards, [rows, 4], see NUMBERS."""
        before = [getattr(self.weights.fused, name) for name in NUMBERS]
        return np.where(self.fit[rows, None], self.weights.numbers(self.said_numbers[rows]), before)


def possible_outcomes(
    evidence: Sequence[Evidence],
    action: str,
    place: Point,
    bank: ContactBank,
    config: FusionConfig,
    weights: FusionWeights | None = None,
) -> Outcomes:
    """Of one contact more with an object.

    Args:
        evidence: all that there is about the object.
        place: of the contact [m]; NaN where nobody knows.
        weights: of this evidence and place, where they were found before.

    Raises:
        ValueError: evidence over other labels than the bank's.
    """
    weights = weights or FusionWeights.of(evidence, place, config)
    m = len(bank.labels)
    before = weights.fused
    if before.probabilities and len(before.probabilities) != m:
        raise ValueError(f"evidence is over {len(before.probabilities)} labels, the bank over {m}")
    now = before.p() if weights.used else np.full(m, 1.0 / m)
    rows = bank.rows(action)
    weight, truth = _from_bank(now, rows, bank)
    said, numbers, fit = bank.said[rows], bank.numbers[rows].astype(np.float64), bank.fit[rows]
    past, share = _alike(weights.heard, place, bank)
    if past:
        weight = np.concatenate([(1.0 - share) * weight, np.full(len(past), share / len(past))])
        truth = np.concatenate([truth, np.full(len(past), -1)])
        said = np.concatenate([said, [item.belief.p() for item in past]])
        numbers = np.concatenate([numbers, [[getattr(i.belief, n) for n in NUMBERS] for i in past]])
        fit = np.concatenate([fit, [item.belief.fit for item in past]])
    p = np.where(fit[:, None], weights.classes(said), now)
    answered = np.where(fit, p.max(axis=1) >= weights.least_probability, not before.abstain)
    return Outcomes(weight, truth, fit, p, answered, said, numbers, now, weights)


def _from_bank(now: Array, rows: NDArray[np.int64], bank: ContactBank) -> tuple[Array, NDArray[np.int64]]:
    """Weight [k] and material [k] of each contact of the bank; what the bank does not know is left out."""
    material = bank.material[rows]
    count = np.bincount(material, minlength=len(now))
    believed = np.where(count > 0, now, 0.0)
    if believed.sum() <= 0:
        believed = (count > 0).astype(np.float64)
    believed = believed / believed.sum()
    return believed[material] / count[material], material


def _alike(heard: Sequence[Evidence], place: Point, bank: ContactBank) -> tuple[list[Evidence], float]:
    """Earlier contacts that the next one may repeat, and with what probability one of them."""
    known = [item for item in heard if len(item.belief.probabilities) == len(bank.labels)]
    here = [item for item in known if math.dist(item.position, place) <= bank.likeness.place_m]
    past, rho = (here, bank.likeness.at_place) if here else (known, bank.likeness.apart)
    n = len(past)
    return past, (n * rho / (1.0 + (n - 1) * rho) if n else 0.0)


@dataclasses.dataclass(frozen=True, eq=False)
class FusionWeights:
    """How the evidence about an object, and one contact more at a place, add up."""

    fused: MaterialBelief  # now
    heard: tuple[Evidence, ...]  # all that was heard
    used: tuple[Evidence, ...]  # what is fused once there is one more that is fit
    weight: Array  # [used + 1], the contact that is thought of last; of `now` [used]
    config: FusionConfig
    least_probability: float  # of the best class, from which on the belief with it is an answer

    @classmethod
    def of(
        cls,
        evidence: Sequence[Evidence],
        place: Point,
        config: FusionConfig,
        fused: MaterialBelief | None = None,
    ) -> FusionWeights:
        """Of some evidence, and a contact more at a place; ``fused``: the belief by that evidence, if known."""
        items = newest_sight(evidence)
        newest = max((item.time_ns for item in items), default=0)
        found = cls.now([*items, Evidence("heard", NEXT, newest + 1, _NOTHING, position=place)], config)
        seen = any(item.kind == "seen" for item in found.used)
        contacts = sum(item.kind == "heard" for item in found.used)
        return dataclasses.replace(
            found,
            fused=fuse(items, config).belief if fused is None else fused,
            heard=tuple(item for item in items if item.kind == "heard"),
            used=found.used[:-1],
            least_probability=_least_probability(config, contacts, seen),
        )

    @classmethod
    def now(cls, evidence: Sequence[Evidence], config: FusionConfig) -> FusionWeights:
        """Of all that is fit to be fused, found by asking the fusion: of pieces that favour one class each by e."""
        items = newest_sight(evidence)
        used = tuple(item for item in items if item.belief.fit and item.belief.probabilities)
        n = len(used)
        table = np.ones((n, n + 1)) + np.eye(n, n + 1) * (math.e - 1.0)
        table /= table.sum(axis=1, keepdims=True)
        asking = [
            dataclasses.replace(item, belief=MaterialBelief(tuple(row)))
            for item, row in zip(used, table.tolist(), strict=True)
        ]
        plain = dataclasses.replace(config, method="log_linear", temperature=1.0)
        log = np.log(fuse(asking, plain).belief.p()) if n else np.zeros(1)
        heard = tuple(item for item in items if item.kind == "heard")
        return cls(MaterialBelief(), heard, used, log[:-1] - log[-1], config, math.inf)

    def classes(self, said: Array) -> Array:
        """Fused probabilities [k, m] with each of what is said [k, m]."""
        m, config = said.shape[1], self.config
        own, last = self.weight[:-1], self.weight[-1]
        table = np.array([item.belief.probabilities for item in self.used]).reshape(-1, m)
        if config.method == "dirichlet":
            alpha = 1.0 + config.dirichlet_concentration * (own @ table + last * said)
            scores = np.log(alpha)
        else:
            floor = FLOOR / m
            scores = own @ np.log(np.clip(table, floor, None)) + last * np.log(np.clip(said, floor, None))
        scores = scores / config.temperature
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True))

    def numbers(self, said: Array) -> Array:
        """Fused numbers [k, 4] with each of what is said [k, 4]: as Gaussians, and as averages."""
        before = np.array([[getattr(i.belief, n) for n in NUMBERS] for i in self.used]).reshape(-1, 4)
        every = np.concatenate([np.broadcast_to(before, (len(said), *before.shape)), said[:, None]], axis=1)
        found = np.full((len(said), 4), NAN)
        mean, std = every[..., 0], every[..., 1]  # [k, n]
        precision = np.where(np.isfinite(mean), self.weight / np.square(std), 0.0)
        total = precision.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            found[:, 0] = np.where(np.isfinite(mean), precision * mean, 0.0).sum(axis=1) / total
            found[:, 1] = np.where(total > 0, np.maximum(total**-0.5, self.config.min_log10_e_std), NAN)
            for k in (2, 3):
                known = np.isfinite(every[..., k])
                share = np.where(known, self.weight, 0.0)
                found[:, k] = np.where(known, share * every[..., k], 0.0).sum(axis=1) / share.sum(axis=1)
        return found


def _least_probability(config: FusionConfig, heard: int, seen: bool) -> float:
    if config.answers is None:
        return config.abstain_below
    rule = rule_for(config.answers, heard, seen)
    return math.inf if rule is None else rule.least_probability
