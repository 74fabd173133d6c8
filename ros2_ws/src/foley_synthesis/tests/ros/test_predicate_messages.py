"""Predicates and what they are, as messages."""

from __future__ import annotations

import dataclasses
import math

import pytest

pytest.importorskip("rclpy")

from foley_msgs.msg import Predicate
from foley_ros import convert as common
from foley_synthesis.beliefs.expressions import Expression
from foley_synthesis.beliefs.hysteresis import Thresholds, Truth
from foley_synthesis.beliefs.predicates import PredicateSpec, PredicateValue
from foley_synthesis.ros.predicate_messages import SnapshotMaker, description_message, predicates_message

T = 1_763_000_000_250_000_000
LABELS = ("wood", "metal")


def test_predicates() -> None:
    values = [
        PredicateValue("is_hard", ("mug",), 0.75, Truth.TRUE, T, T + 10**9, "heard+seen", 3, "fit"),
        PredicateValue("is_harder_than", ("mug", "cup"), math.nan, Truth.UNKNOWN, 0, 0),
    ]
    message = predicates_message(values, 7, T, lease_s=3.0)
    assert message.sequence == 7 and common.to_ns(message.header.stamp) == T
    hard, harder = message.predicates
    assert (hard.name, list(hard.arguments), hard.state) == ("is_hard", ["mug"], Predicate.TRUE)
    assert (hard.evidence, hard.contacts, hard.calibration_id) == ("heard+seen", 3, "fit")
    assert (common.to_ns(hard.newest_evidence), common.to_ns(hard.valid_until)) == (T, T + 10**9)
    assert common.to_ns(harder.valid_until) == 0, "no lease lends evidence to what has none"
    leased = predicates_message(values, 8, T, lease_s=0.25).predicates
    assert common.to_ns(leased[0].valid_until) == T + 10**9 // 4, "a snapshot renews it, or it lapses"
    assert (list(harder.arguments), harder.state) == (["mug", "cup"], Predicate.UNKNOWN)
    assert math.isnan(harder.probability) and (harder.evidence, harder.contacts) == ("", 0)
    assert [int(t) for t in Truth] == [Predicate.UNKNOWN, Predicate.TRUE, Predicate.FALSE]


def test_what_did_not_change_is_renewed_and_what_did_is_told_anew() -> None:
    maker = SnapshotMaker(3.0)
    hard = PredicateValue("is_hard", ("mug",), 0.75, Truth.TRUE, T, T + 4 * 10**9)
    cup = PredicateValue("is_hard", ("cup",), 0.75, Truth.TRUE, T, T + 10**12)

    def told(sequence: int, *values: PredicateValue) -> list[tuple[str, int, int]]:
        message = maker.message(values, sequence, T + sequence * 10**9)
        return [
            (p.arguments[0], p.state, (common.to_ns(p.valid_until) - T) // 10**9) for p in message.predicates
        ]

    assert told(0, hard, cup) == [("mug", 1, 3), ("cup", 1, 3)]
    assert told(2, hard, cup) == [("mug", 1, 4), ("cup", 1, 5)], "its evidence ends before the lease does"
    doubted = dataclasses.replace(cup, state=Truth.UNKNOWN)
    assert told(3, hard, doubted) == [("mug", 1, 4), ("cup", 0, 6)]


def test_what_a_predicate_is() -> None:
    expression = Expression("same_material(a, b)", LABELS, parameters=("a", "b"))
    spec = PredicateSpec(
        "is_same", expression, Thresholds(0.8, 0.25), 60.0, text="One label.", observation_cost_s=4.0
    )
    message = description_message(spec, {"probabilities": "fit"})
    assert (message.name, message.text, message.expression) == (
        "is_same",
        "One label.",
        "same_material(a, b)",
    )
    assert (list(message.parameters), list(message.parameter_types)) == (["a", "b"], ["object", "object"])
    assert (list(message.observed_by), message.observation_cost, message.lifetime) == (
        ["tap", "look"],
        4.0,
        60.0,
    )
    assert message.true_above == pytest.approx(0.8) and message.false_below == pytest.approx(0.25)
    assert (message.taught, message.calibration_id) == (False, "fit")


def test_of_a_taught_one_the_expression_is_nobody_s_concern() -> None:
    expression = Expression('taught("tight")', LABELS, taught=("tight",))
    message = description_message(PredicateSpec("tight", expression, taught=True), {"taught:tight": "head"})
    assert (message.taught, message.expression, message.calibration_id) == (True, "", "head")
    assert message.observation_cost == 2.0, "a tap's, as the contact advisor has it"
    scratched = PredicateSpec("scratched", Expression('happened("scratch")', LABELS))
    assert description_message(scratched, {}).observation_cost == 3.0
    looked = PredicateSpec("pale", Expression("roughness", LABELS), observed_by=("look",))
    assert math.isnan(description_message(looked, {}).observation_cost)
