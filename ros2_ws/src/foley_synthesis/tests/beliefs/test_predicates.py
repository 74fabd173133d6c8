"""The predicates file, hysteresis and expiry."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from foley_synthesis.beliefs import predicates
from foley_synthesis.beliefs.expressions import Facts
from foley_synthesis.beliefs.hysteresis import Thresholds, Truth, step
from foley_synthesis.beliefs.predicates import PredicateTable, VocabularyError

LABELS = ("wood", "metal")
S = 1_000_000_000
T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN


@pytest.mark.parametrize(
    ("probabilities", "states"),
    [
        ([0.5, 0.71, 0.65, 0.61, 0.59, 0.65], [U, T, T, T, U, U]),
        ([0.29, 0.39, 0.41, 0.31], [F, F, U, U]),
        ([0.9, 0.1, 0.9], [T, F, T]),
        ([0.9, math.nan, 0.65], [T, U, U]),
    ],
)
def test_hysteresis(probabilities: list[float], states: list[Truth]) -> None:
    state, seen = Truth.UNKNOWN, []
    for probability in probabilities:
        state = step(state, probability, Thresholds(true_above=0.7, false_below=0.3, margin=0.1))
        seen.append(state)
    assert seen == states


def parse(defined: Any, **defaults: Any) -> tuple[predicates.PredicateSpec, ...]:
    return predicates.parse({"version": 1, "defaults": defaults, "predicates": defined}, LABELS)


def test_default_file() -> None:
    specs = predicates.load(predicates.default_path(), LABELS)
    assert [spec.name for spec in specs] == [
        "is_made_of_wood",
        "is_made_of_metal",
        "is_hard",
        "surface_is_rough",
        "is_hollow",
        "was_hit",
        "was_scratched",
        "sounds_as_expected",
    ]


METAL_TAPPED = Facts(
    {
        "log10_youngs_modulus_mean": 11.2,
        "log10_youngs_modulus_std": 0.3,
        "roughness": 0.1,
        "hollowness": 0.9,
        "abstain": 0.0,
        "surprise_percentile": 0.4,
    },
    {"wood": 0.05, "metal": 0.95},
    {"tap": 0.99},
)


def test_default_file_on_a_tapped_metal_bowl() -> None:
    table = PredicateTable(predicates.load(predicates.default_path(), LABELS))
    states = {v.name: v.state for v in table.evaluate("bowl", METAL_TAPPED, 10 * S, 11 * S)}
    assert states == {
        "is_made_of_wood": F,
        "is_made_of_metal": T,
        "is_hard": T,
        "surface_is_rough": F,
        "is_hollow": T,
        "was_hit": T,
        "was_scratched": F,
        "sounds_as_expected": T,
    }


def test_abstaining_belief_leaves_only_what_does_not_need_it() -> None:
    table = PredicateTable(predicates.load(predicates.default_path(), LABELS))
    facts = Facts({**METAL_TAPPED.numbers, "abstain": 1.0}, METAL_TAPPED.probabilities, METAL_TAPPED.actions)
    known = {v.name for v in table.evaluate("bowl", facts, 10 * S, 11 * S) if v.state != U}
    assert known == {"was_hit", "was_scratched", "sounds_as_expected"}


@pytest.mark.parametrize(
    ("newest_s", "now_s", "expected", "valid_until_s"),
    [(10, 11, T, 70), (10, 70, T, 70), (10, 71, U, 70), (0, 71, U, 0)],
)
def test_expiry(newest_s: int, now_s: int, expected: Truth, valid_until_s: int) -> None:
    table = PredicateTable(
        parse([{"name": "is_wood", "expression": 'probability("metal")', "lifetime_s": 60}])
    )
    (value,) = table.evaluate("bowl", METAL_TAPPED, newest_s * S, now_s * S)
    assert (value.state, value.valid_until_ns) == (expected, valid_until_s * S)
    assert math.isnan(value.probability) == (newest_s == 0)


def test_states_are_kept_per_object() -> None:
    table = PredicateTable(parse([{"name": "rough", "expression": "roughness"}]))

    def state(name: str, roughness: float) -> Truth:
        facts = Facts({"roughness": roughness, "abstain": 0.0}, {})
        return table.evaluate(name, facts, S, S)[0].state

    assert state("a", 0.8) == T
    assert (state("a", 0.65), state("b", 0.65)) == (T, U)
    table.forget(["b"])
    assert state("a", 0.65) == U


def test_probability_is_clipped() -> None:
    table = PredicateTable(parse([{"name": "odd", "expression": "3"}]))
    assert table.evaluate("a", METAL_TAPPED, S, S)[0].probability == 1.0


@pytest.mark.parametrize(
    ("defined", "said"),
    [
        ("text", "list"),
        ([7], "predicate number 1"),
        ([{"expression": "1"}], "predicate number 1"),
        ([{"name": "a"}], "`a`: expression is None"),
        ([{"name": "a", "expression": "softness"}], "predicate `a`: `softness`"),
        ([{"name": "a", "expression": "1", "colour": 1}], "predicate `a`: unknown keys"),
        ([{"name": "a", "expression": "1"}, {"name": "a", "expression": "0"}], "`a` is defined twice"),
        ([{"name": "A b", "expression": "1"}], "predicate `A b`: a name"),
        ([{"name": "a", "expression": "1", "true_above": 0.2}], "predicate `a`: false_below"),
        ([{"name": "a", "expression": "1", "margin": "wide"}], "predicate `a`: margin"),
        ([{"name": "a", "expression": "1", "margin": 0.9}], "predicate `a`: margin"),
        ([{"name": "a", "expression": "1", "lifetime_s": 0}], "predicate `a`: lifetime_s"),
        ([{"name": "a", "expression": "1", "when_abstaining": "no"}], "predicate `a`: when_abstaining"),
        ([{"name": "is_{label}", "expression": 'probability("{label}s")'}], "predicate `is_wood`"),
    ],
)
def test_bad_predicates_are_named(defined: Any, said: str) -> None:
    with pytest.raises(VocabularyError, match=said):
        parse(defined)


@pytest.mark.parametrize(
    "content", ["version: [", "", "version: 2\npredicates: []", "version: 1\npredicate: []", "version: 1"]
)
def test_bad_file_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(VocabularyError, match=r"mine\.yaml"):
        predicates.load(file, LABELS)
