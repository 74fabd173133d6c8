"""Messages of predicates as the plain data of ``foley_common.predicate_view``."""

from __future__ import annotations

from foley_common.predicate_view import Description, Fact, Snapshot, State
from foley_msgs.msg import Predicate, PredicateArray, PredicateDescription
from foley_ros.convert import to_ns


def fact_of(message: Predicate) -> Fact:
    """The plain data of a Predicate; a state of a later version is UNKNOWN."""
    return Fact(
        name=message.name,
        arguments=tuple(message.arguments),
        state=State(message.state) if message.state in tuple(State) else State.UNKNOWN,
        probability=float(message.probability),
        newest_evidence_ns=to_ns(message.newest_evidence),
        valid_until_ns=to_ns(message.valid_until),
        evidence=message.evidence,
        contacts=int(message.contacts),
        calibration_id=message.calibration_id,
    )


def snapshot_of(message: PredicateArray) -> Snapshot:
    """The plain data of a PredicateArray. Raises ValueError where it contradicts itself."""
    facts = tuple(fact_of(predicate) for predicate in message.predicates)
    return Snapshot(int(message.sequence), to_ns(message.header.stamp), facts)


def description_of(message: PredicateDescription) -> Description:
    """The plain data of a PredicateDescription. Raises ValueError where it contradicts itself."""
    return Description(
        name=message.name,
        parameters=tuple(message.parameters),
        parameter_types=tuple(message.parameter_types),
        text=message.text,
        expression=message.expression,
        observed_by=tuple(message.observed_by),
        observation_cost_s=float(message.observation_cost),
        true_above=float(message.true_above),
        false_below=float(message.false_below),
        lifetime_s=float(message.lifetime),
        taught=bool(message.taught),
        calibration_id=message.calibration_id,
    )
