"""Predicates that somebody asks about: their names, and what contacts may answer of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from foley_common.predicate_view import PredicateView
from foley_synthesis.beliefs.expressions import Facts, Source
from foley_synthesis.beliefs.hysteresis import Thresholds, Truth
from foley_synthesis.beliefs.information import Probability, Question
from foley_synthesis.beliefs.predicates import PredicateSpec
from foley_synthesis.live.told_objects import ToldObjects

_UNFORESEEN = (Source.TAUGHT, Source.SURPRISE)  # nobody has measured what contacts say of these


class UnknownName(ValueError):
    """No predicate is called so; the message lists those that are."""


class UnknownObject(ValueError):
    """Nothing is known of an object, or of where it could be touched; the message says what would help."""


class AskedPredicates:
    """Not thread-safe.

    Args:
        specs: those of the file; others are known by their snapshots alone.
        told: beliefs about objects.
        view: the newest snapshot.
    """

    def __init__(
        self, labels: Sequence[str], specs: Sequence[PredicateSpec], told: ToldObjects, view: PredicateView
    ) -> None:
        self._labels, self._told, self._view = labels, told, view
        self._specs = {spec.name: spec for spec in specs}

    def check(self, predicate: str) -> None:
        """Raises UnknownName."""
        snapshot = self._view.snapshot
        told = {fact.name for fact in snapshot.facts} if snapshot is not None else set()
        known = sorted({*self._specs, *told})
        if predicate not in known:
            raise UnknownName(f"no predicate is called `{predicate}`; known are {', '.join(known)}")

    def count(self, predicate: str) -> int:
        """Objects that a predicate is about."""
        if predicate in self._specs:
            return len(self._specs[predicate].parameters)
        snapshot = self._view.snapshot
        facts = snapshot.facts if snapshot is not None else ()
        return next((len(fact.arguments) for fact in facts if fact.name == predicate), 1)

    def questions(self, predicate: str, names: Sequence[str], least_confidence: float) -> dict[str, Question]:
        """Object -> what a contact with it may answer; empty where nobody can foresee that.

        Args:
            names: objects; of a predicate about two its arguments.
            least_confidence: of the answer; 0: the predicate's own thresholds.

        Raises:
            UnknownObject: the predicate is about more objects than were named.
        """
        spec = self._specs.get(predicate)
        if spec is None or spec.taught or any(use.source in _UNFORESEEN for use in spec.expression.uses):
            return {}
        count = len(spec.parameters)
        if count > 1 and len(names) != count:
            raise UnknownObject(f"`{predicate}` is about {count} objects: name them, in their order")
        thresholds = spec.thresholds
        if least_confidence:
            thresholds = Thresholds(least_confidence, 1.0 - least_confidence, 0.0)
        facts = {name: self._facts(name) for name in names}
        found = {}
        for index, name in enumerate(names):
            arguments = tuple(names) if count > 1 else (name,)
            fact = self._view.fact(predicate, *arguments)
            found[name] = Question(
                _of_one(spec, index if count > 1 else 0, [facts[other] for other in arguments]),
                thresholds,
                spec.when_abstaining,
                Truth(int(fact.state)) if fact is not None else Truth.UNKNOWN,
                facts[name],
            )
        return found

    def _facts(self, name: str) -> Facts:
        belief, told = self._told.believed(name), self._told.told(name)
        numbers: Mapping[str, float] = {
            "log10_youngs_modulus_pa_mean": belief.log10_e_mean,
            "log10_youngs_modulus_pa_std": belief.log10_e_std,
            "roughness": belief.roughness,
            "hollowness": belief.hollowness,
            "entropy_nat": belief.entropy,
            "abstain": float(belief.abstain or not belief.probabilities),
            "contacts_heard": float(told.heard if told is not None else 0),
            "contacts_predicted": float(told.looked if told is not None else 0),
        }
        probabilities = dict(zip(self._labels, belief.probabilities, strict=False))
        return Facts(numbers, probabilities, self._told.actions(name))


def _of_one(spec: PredicateSpec, index: int, facts: Sequence[Facts]) -> Probability:
    """The predicate as a function of one of its objects, with the others as they are."""

    def probability(own: Facts) -> float:
        return spec.expression(*facts[:index], own, *facts[index + 1 :])

    return probability
