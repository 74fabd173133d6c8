"""Predicates as messages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from foley_common.times import NS_PER_S
from foley_msgs.msg import Predicate, PredicateArray, PredicateDescription
from foley_perception.contact_event import NOWHERE
from foley_ros import convert
from foley_synthesis.beliefs.contact_choice import ContactCosts
from foley_synthesis.beliefs.predicates import LOOK, PredicateSpec, PredicateValue, calibration_of


class SnapshotMaker:
    """Snapshots one after the other: of what is the very same value as in the last one, the message is as well."""

    def __init__(self, lease_s: float) -> None:
        """See :func:`predicates_message`."""
        self._lease_ns = round(lease_s * NS_PER_S)
        self._made: dict[tuple[str, tuple[str, ...]], tuple[PredicateValue, Predicate]] = {}

    def message(self, values: Iterable[PredicateValue], sequence: int, now_ns: int) -> PredicateArray:
        """Its predicates are those of the next message too: it is to be sent before that is made."""
        lease_ns = now_ns + self._lease_ns
        lease = convert.to_stamp(lease_ns)
        before, self._made = self._made, {}
        predicates = []
        for value in values:
            key = (value.name, value.arguments)
            told = before.get(key)
            if told is None or told[0] is not value:
                told = value, _predicate(value)
            self._made[key] = told
            ends_sooner = value.valid_until_ns <= lease_ns
            told[1].valid_until = convert.to_stamp(value.valid_until_ns) if ends_sooner else lease
            predicates.append(told[1])
        return PredicateArray(header=convert.header(now_ns, ""), sequence=sequence, predicates=predicates)


def predicates_message(
    values: Iterable[PredicateValue], sequence: int, now_ns: int, lease_s: float
) -> PredicateArray:
    """A snapshot taken at ``now_ns``, of which nothing is valid for longer than ``lease_s``.

    A state may hold for minutes by its evidence, but only a publisher that lives can say that nothing contradicted it.
    """
    return SnapshotMaker(lease_s).message(values, sequence, now_ns)


def _predicate(value: PredicateValue) -> Predicate:
    """All but until when it is valid."""
    return Predicate(
        name=value.name,
        arguments=list(value.arguments),
        probability=float(value.probability),
        state=int(value.state),
        newest_evidence=convert.to_stamp(value.newest_evidence_ns),
        evidence=value.evidence,
        contacts=value.contacts,
        calibration_id=value.calibration_id,
    )


def description_message(spec: PredicateSpec, calibrations: Mapping[str, str]) -> PredicateDescription:
    """What a predicate is; where its file does not say what it costs to observe, the contact advisor's usual costs do.

    Args:
        calibrations: see :func:`calibration_of`.
    """
    return PredicateDescription(
        name=spec.name,
        parameters=list(spec.parameters),
        parameter_types=list(spec.parameter_types),
        text=spec.text,
        expression="" if spec.taught else spec.expression.source,
        observed_by=list(spec.observed_by),
        observation_cost=_cost_s(spec),
        true_above=float(spec.thresholds.true_above),
        false_below=float(spec.thresholds.false_below),
        lifetime=float(spec.lifetime_s),
        taught=spec.taught,
        calibration_id=calibration_of(spec.expression.uses, calibrations),
    )


def _cost_s(spec: PredicateSpec) -> float:
    """Of the cheapest contact that brings evidence [s]."""
    if not math.isnan(spec.observation_cost_s):
        return spec.observation_cost_s
    costs = ContactCosts()
    return min((costs.of(name, NOWHERE, None) for name in spec.observed_by if name != LOOK), default=math.nan)
