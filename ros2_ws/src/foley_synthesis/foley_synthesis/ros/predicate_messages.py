"""Predicates as messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from foley_common.times import NS_PER_S
from foley_msgs.msg import Predicate, PredicateArray, PredicateDescription
from foley_ros import convert
from foley_synthesis.beliefs.predicates import PredicateSpec, PredicateValue, calibration_of


def predicates_message(
    values: Iterable[PredicateValue], sequence: int, now_ns: int, lease_s: float
) -> PredicateArray:
    """A snapshot taken at ``now_ns``, of which nothing is valid for longer than ``lease_s``.

    A state may hold for minutes by its evidence, but only a publisher that lives can say that nothing contradicted it.
    """
    lease_ns = now_ns + round(lease_s * NS_PER_S)
    return PredicateArray(
        header=convert.header(now_ns, ""),
        sequence=sequence,
        predicates=[
            Predicate(
                name=value.name,
                arguments=list(value.arguments),
                probability=float(value.probability),
                state=int(value.state),
                newest_evidence=convert.to_stamp(value.newest_evidence_ns),
                valid_until=convert.to_stamp(min(value.valid_until_ns, lease_ns)),
                evidence=value.evidence,
                contacts=value.contacts,
                calibration_id=value.calibration_id,
            )
            for value in values
        ],
    )


def description_message(spec: PredicateSpec, calibrations: Mapping[str, str]) -> PredicateDescription:
    """What a predicate is.

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
        observation_cost=float(spec.observation_cost_s),
        true_above=float(spec.thresholds.true_above),
        false_below=float(spec.thresholds.false_below),
        lifetime=float(spec.lifetime_s),
        taught=spec.taught,
        calibration_id=calibration_of(spec.expression.uses, calibrations),
    )
