"""Hysteresis, expiry, evidence, pairs and predicates that come and go."""

from __future__ import annotations

import math

import pytest

from foley_synthesis.beliefs import predicates_file
from foley_synthesis.beliefs.expressions import Expression, Facts
from foley_synthesis.beliefs.hysteresis import Thresholds, Truth, step
from foley_synthesis.beliefs.predicates import Known, PredicateSpec, PredicateTable, PredicateValue

LABELS = ("wood", "metal")
S = 1_000_000_000
T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
NAN = math.nan


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


def spec(
    name: str,
    expression: str,
    *,
    parameters: tuple[str, ...] = ("x",),
    taught: tuple[str, ...] = (),
    **fields: object,
) -> PredicateSpec:
    return PredicateSpec(name, Expression(expression, LABELS, parameters=parameters, taught=taught), **fields)  # type: ignore[arg-type]


METAL_TAPPED = Facts(
    {
        "log10_youngs_modulus_pa_mean": 11.2,
        "log10_youngs_modulus_pa_std": 0.3,
        "roughness": 0.1,
        "hollowness": 0.9,
        "abstain": 0.0,
        "surprise_percentile": 0.4,
    },
    {"wood": 0.05, "metal": 0.95},
    {"tap": 0.99},
)
BOWL = Known("bowl", METAL_TAPPED, {"heard": 10 * S, "compared": 10 * S}, 2)


def shipped() -> PredicateTable:
    return PredicateTable(predicates_file.load(predicates_file.default_path(), LABELS))


def test_default_file_on_a_tapped_metal_bowl() -> None:
    states = {v.name: v.state for v in shipped().evaluate([BOWL], 11 * S)}
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
    facts = Facts({**METAL_TAPPED.numbers, "abstain": 1.0}, METAL_TAPPED.probabilities, METAL_TAPPED.actions)
    known = Known("bowl", facts, BOWL.newest_ns, 2)
    told = {v.name for v in shipped().evaluate([known], 11 * S) if v.state != U}
    assert told == {"was_hit", "was_scratched", "sounds_as_expected"}


@pytest.mark.parametrize(
    ("newest_s", "now_s", "expected", "valid_until_s"),
    [(10, 11, T, 70), (10, 70, T, 70), (10, 71, U, 70), (0, 71, U, 0)],
)
def test_expiry(newest_s: int, now_s: int, expected: Truth, valid_until_s: int) -> None:
    table = PredicateTable([spec("is_metal", 'probability("metal")', lifetime_s=60)])
    newest = {"heard": newest_s * S} if newest_s else {}
    (value,) = table.evaluate([Known("bowl", METAL_TAPPED, newest)], now_s * S)
    assert (value.state, value.valid_until_ns) == (expected, valid_until_s * S)
    assert math.isnan(value.probability) == (newest_s == 0)


def rough(name: str, roughness: float) -> Known:
    return Known(name, Facts({"roughness": roughness, "abstain": 0.0}, {}), {"heard": S})


def test_states_are_kept_per_object_and_forgotten_with_it() -> None:
    table = PredicateTable([spec("rough", "roughness")])

    def states(*objects: Known) -> list[Truth]:
        return [value.state for value in table.evaluate(objects, S)]

    assert states(rough("a", 0.8), rough("b", 0.5)) == [T, U]
    assert states(rough("a", 0.65), rough("b", 0.65)) == [T, U]
    assert states(rough("b", 0.65)) == [U]
    assert states(rough("a", 0.65)) == [U], "it was forgotten meanwhile"


def test_predicates_come_and_go_and_others_keep_their_states() -> None:
    table = PredicateTable([spec("rough", "roughness"), spec("smooth", "1 - roughness")])
    table.evaluate([rough("a", 0.8)], S)
    tight = spec("lid_is_tight", 'taught("lid_is_tight")', taught=("lid_is_tight",))
    table.put([spec("smooth", "0.65 + 0 * roughness"), tight])
    table.remove(["nobody"])
    assert table.names == ("rough", "smooth", "lid_is_tight")
    states = {v.name: v.state for v in table.evaluate([rough("a", 0.65)], S)}
    assert states == {"rough": T, "smooth": U, "lid_is_tight": U}, (
        "rough keeps its state, smooth is a new one"
    )
    table.remove(["rough"])
    table.put([spec("rough", "roughness")])
    assert {v.name: v.state for v in table.evaluate([rough("a", 0.65)], S)}["rough"] == U


def test_probability_is_clipped() -> None:
    table = PredicateTable([spec("odd", "3")])
    assert table.evaluate([BOWL], 11 * S)[0].probability == 1.0


@pytest.mark.parametrize(
    ("expression", "evidence", "newest_s", "contacts", "calibration"),
    [
        ('probability("metal")', "heard+seen+vision", 30, 5, "fit"),
        ("roughness", "heard+seen+vision", 30, 5, ""),
        ('probability("metal") and roughness', "heard+seen+vision", 30, 5, ""),
        ('probability("metal") and contacts_heard > 1', "heard+seen+vision", 30, 5, "fit"),
        ('happened("tap")', "heard", 20, 5, ""),
        ("1 - surprise_percentile", "heard", 10, 1, "ranks"),
        ('taught("full")', "taught", 15, 5, "head"),
        ('taught("full") and probability("metal")', "heard+seen+vision+taught", 30, 5, "fit+head"),
        ('taught("tight")', "taught", 15, 5, ""),
    ],
)
def test_evidence_is_that_of_the_expression(
    expression: str, evidence: str, newest_s: int, contacts: int, calibration: str
) -> None:
    newest = {"heard": 20 * S, "seen": 30 * S, "vision": 5 * S, "compared": 10 * S, "taught": 15 * S}
    ids = {"probabilities": "fit", "surprise": "ranks", "taught:full": "head"}
    table = PredicateTable([spec("p", expression, taught=("full", "tight"), lifetime_s=60)])
    (value,) = table.evaluate([Known("a", METAL_TAPPED, newest, 5, ids)], 31 * S)
    assert (value.evidence, value.newest_evidence_ns, value.contacts) == (evidence, newest_s * S, contacts)
    assert value.calibration_id == calibration and value.valid_until_ns == (newest_s + 60) * S


def test_what_is_not_observed_of_an_object_is_unknown_whatever_else_is_known() -> None:
    table = PredicateTable([spec("hit", 'happened("hit")', when_abstaining=True)])
    (value,) = table.evaluate([Known("a", METAL_TAPPED, {"seen": 10 * S})], 11 * S)
    assert (value.state, value.evidence, value.newest_evidence_ns, value.valid_until_ns) == (U, "", 0, 0)


# ---- two objects -----------------------------------------------------------------------------------------------
def thing(name: str, decades: float, newest_s: int, *, abstain: float = 0.0, metal: float = 0.5) -> Known:
    numbers = {
        "log10_youngs_modulus_pa_mean": decades,
        "log10_youngs_modulus_pa_std": 0.2,
        "abstain": abstain,
        "contacts_heard": 2.0,
    }
    return Known(name, Facts(numbers, {"metal": metal, "wood": 1 - metal}), {"heard": newest_s * S}, 2)


def of_two(values: list[PredicateValue], name: str) -> dict[tuple[str, ...], Truth]:
    return {value.arguments: value.state for value in values if value.name == name}


def test_shipped_predicates_of_two() -> None:
    things = [
        thing("pan", 11.3, 9, metal=0.98),
        thing("pot", 11.25, 8, metal=0.97),
        thing("peg", 10.0, 7, metal=0.02),
    ]
    values = shipped().evaluate(things, 10 * S)
    assert of_two(values, "is_harder_than") == {
        ("pan", "pot"): U,
        ("pot", "pan"): U,
        ("pan", "peg"): T,
        ("peg", "pan"): F,
        ("pot", "peg"): T,
        ("peg", "pot"): F,
    }
    assert of_two(values, "is_same_material")[("pan", "pot")] == T
    assert of_two(values, "is_same_material")[("peg", "pan")] == F


def test_of_two_objects_the_one_observed_longer_ago_says_how_old_it_is() -> None:
    table = PredicateTable([spec("same", "same_material(x, y)", parameters=("x", "y"), lifetime_s=5)])
    things = [thing("pan", 11.3, 9, metal=1.0), thing("pot", 11.3, 3, metal=1.0)]
    value, other = table.evaluate(things, 8 * S)
    assert (value.newest_evidence_ns, value.valid_until_ns, value.contacts) == (3 * S, 8 * S, 4)
    assert (value.state, other.state) == (T, T)
    assert {v.state for v in table.evaluate(things, 8 * S + 1)} == {U}


def test_one_object_that_abstains_leaves_both_unknown() -> None:
    things = [thing("pan", 11.3, 9), thing("peg", 10.0, 7, abstain=1.0)]
    assert set(of_two(shipped().evaluate(things, 10 * S), "is_harder_than").values()) == {U}


def test_pairs_are_bounded_and_the_newest_objects_are_told() -> None:
    table = PredicateTable([spec("same", "same_material(x, y)", parameters=("x", "y"))], most_in_pairs=3)
    values = table.evaluate([thing(f"t{i}", 11.0, i + 1) for i in range(5)], 10 * S)
    assert {value.arguments for value in values} == {
        (a, b) for a in ("t2", "t3", "t4") for b in ("t2", "t3", "t4") if a != b
    }
    assert table.left_out == 2
    table.remove(["same"])
    assert table.evaluate([thing("t", 11.0, 1)] * 1, 10 * S) == [] and table.left_out == 0


def test_what_did_not_change_is_the_very_same_until_it_expires() -> None:
    table = PredicateTable([spec("rough", "roughness", lifetime_s=5), spec("odd", "0.5 + 0 * roughness")])
    things = [rough("a", 0.8), rough("b", 0.8)]
    first = table.evaluate(things, 2 * S)
    again = table.evaluate(things, 3 * S)
    assert all(one is other for one, other in zip(first, again, strict=True))
    changed = table.evaluate([things[0], rough("b", 0.1)], 3 * S)
    assert changed[:2] == first[:2] and [v.state for v in changed[2:]] == [F, U]
    assert [v.state for v in table.evaluate(things, 7 * S)] == [U, U, U, U], "nothing renewed it"


# ---- asked for -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("probability", "state", "least", "greatest_age_s", "expected"),
    [
        (0.9, T, 0.0, 0.0, T),
        (0.9, T, 0.9, 0.0, T),
        (0.9, T, 0.95, 0.0, U),
        (0.1, F, 0.9, 0.0, F),
        (0.1, F, 0.95, 0.0, U),
        (0.9, T, 0.0, 5.0, T),
        (0.9, T, 0.0, 4.0, U),
        (NAN, U, 0.9, 4.0, U),
    ],
)
def test_least_confidence_and_greatest_age(
    probability: float, state: Truth, least: float, greatest_age_s: float, expected: Truth
) -> None:
    value = PredicateValue("p", ("a",), probability, state, 5 * S, 600 * S)
    assert value.as_sure_as(least, greatest_age_s, 10 * S).state == expected
