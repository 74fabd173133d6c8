"""Fusion of evidence: counted by hand where that is possible, by its limits elsewhere."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from foley_synthesis.beliefs.answers import AnswerRule
from foley_synthesis.beliefs.belief import MaterialBelief, entropy_of
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fitted import FittedFusion
from foley_synthesis.beliefs.fusion import FusionConfig, fuse
from foley_synthesis.beliefs.weights import effective_number

WOOD = (0.6, 0.3, 0.1)
INDEPENDENT = FusionConfig(heard_correlation=0.0, abstain_below=0.0)


def heard(key: str = "c1", p: tuple[float, ...] = WOOD, **more: object) -> Evidence:
    """A piece of evidence; fields of its belief may be among the others."""
    own = {field.name for field in dataclasses.fields(Evidence)}
    belief = MaterialBelief(**{"probabilities": p, **{k: v for k, v in more.items() if k not in own}})  # type: ignore[arg-type]
    fields = {"kind": "heard", "key": key, "time_ns": 10, **{k: v for k, v in more.items() if k in own}}
    return Evidence(**fields, belief=belief)  # type: ignore[arg-type]


def seen(key: str = "p1", p: tuple[float, ...] = WOOD, **more: object) -> Evidence:
    return heard(key, p, kind="seen", **more)


@pytest.mark.parametrize(
    ("n", "rho", "expected"),
    [(0, 0.5, 0.0), (1, 0.9, 1.0), (4, 0.0, 4.0), (4, 1.0, 1.0), (3, 0.5, 1.5), (1000, 0.25, 1000 / 250.75)],
)
def test_effective_number(n: int, rho: float, expected: float) -> None:
    assert effective_number(n, rho) == pytest.approx(expected)


def test_nothing_is_known_of_no_evidence() -> None:
    belief = fuse([])
    assert (
        belief.belief.abstain and belief.belief.probabilities == () and math.isnan(belief.belief.log10_e_mean)
    )


def test_one_heard_contact_is_passed_through() -> None:
    belief = fuse([heard(log10_e_mean=9.0, log10_e_std=0.4, roughness=0.7, calibrated_for="sim, 1 contact")])
    assert belief.belief.probabilities == pytest.approx(WOOD)
    assert (belief.belief.log10_e_mean, belief.belief.log10_e_std) == pytest.approx((9.0, 0.4))
    assert belief.belief.roughness == pytest.approx(0.7) and math.isnan(belief.belief.hollowness)
    assert belief.belief.calibrated_for == "sim, 1 contact"
    assert (belief.contacts_heard, belief.contacts_predicted) == (1, 0)


def test_independent_contacts_multiply() -> None:
    belief = fuse([heard("a"), heard("b", (0.5, 0.25, 0.25))], INDEPENDENT)
    product = np.array([0.30, 0.075, 0.025])
    assert belief.belief.probabilities == pytest.approx(product / product.sum())
    assert belief.belief.calibrated_for == ""


def test_fully_correlated_contacts_count_once() -> None:
    config = FusionConfig(heard_correlation=1.0)
    many = fuse([heard(f"c{i}", log10_e_mean=9.0, log10_e_std=0.5) for i in range(20)], config)
    assert many.belief.probabilities == pytest.approx(WOOD)
    assert many.belief.log10_e_std == pytest.approx(0.5)
    assert many.contacts_heard == 20


def test_tempering_lies_between_once_and_independent() -> None:
    contacts = [heard(f"c{i}") for i in range(4)]
    once, default, independent = (
        fuse(contacts, FusionConfig(heard_correlation=rho)).belief.probabilities[0] for rho in (1.0, 0.4, 0.0)
    )
    assert once < default < independent


def test_gaussians_fuse_by_precision() -> None:
    pieces = [heard("a", log10_e_mean=9.0, log10_e_std=0.2), heard("b", log10_e_mean=10.0, log10_e_std=0.4)]
    belief = fuse(pieces, INDEPENDENT)
    assert belief.belief.log10_e_mean == pytest.approx((25 * 9.0 + 6.25 * 10.0) / 31.25)
    assert belief.belief.log10_e_std == pytest.approx(31.25**-0.5)


def test_std_has_a_floor() -> None:
    pieces = [heard(f"c{i}", log10_e_mean=9.0, log10_e_std=0.05) for i in range(9)]
    assert fuse(pieces, INDEPENDENT).belief.log10_e_std == INDEPENDENT.min_log10_e_std


def test_sight_multiplies_with_what_was_heard() -> None:
    belief = fuse([heard(p=(0.5, 0.4, 0.1)), seen(p=(0.2, 0.7, 0.1))])
    product = np.array([0.10, 0.28, 0.01])
    assert belief.belief.probabilities == pytest.approx(product / product.sum())
    assert (belief.contacts_heard, belief.contacts_predicted) == (1, 1)


def test_sight_is_weighted() -> None:
    config = FusionConfig(sight_weight=0.5, temperature=2.0, abstain_below=0.0)
    belief = fuse([heard(p=(0.5, 0.4, 0.1)), seen(p=(0.2, 0.7, 0.1))], config)
    product = np.array([0.5, 0.4, 0.1]) ** 0.5 * np.array([0.2, 0.7, 0.1]) ** 0.25
    assert belief.belief.probabilities == pytest.approx(product / product.sum())


@pytest.mark.parametrize("backwards", [False, True])
def test_only_the_newest_look_counts_however_often_one_looked(backwards: bool) -> None:
    looks = [seen(f"p{i}", (0.9, 0.05, 0.05), time_ns=i) for i in range(9)]
    looks.append(seen("newest", (0.1, 0.8, 0.1), time_ns=20))
    belief = fuse(looks[::-1] if backwards else looks, FusionConfig(abstain_below=0.0))
    assert belief.belief.probabilities == pytest.approx((0.1, 0.8, 0.1))
    assert (belief.contacts_heard, belief.contacts_predicted, belief.newest_ns) == (0, 1, 20)


def test_a_look_that_abstains_hides_no_earlier_one_and_says_nothing() -> None:
    doubtful = seen("p2", (0.0, 0.0, 1.0), time_ns=20, abstain=True)
    both = fuse([heard(), seen(), doubtful])
    assert both.belief.probabilities == fuse([heard(), seen()]).belief.probabilities
    alone = fuse([heard(), doubtful])
    assert alone.belief.probabilities == pytest.approx(WOOD) and alone.contacts_predicted == 1


def test_what_is_unsure_is_used_and_is_no_answer_alone() -> None:
    unsure = seen(p=(0.45, 0.45, 0.1), abstain=True, unsure=True)
    both = fuse([heard(p=(0.5, 0.25, 0.25)), unsure])
    product = np.array([0.5, 0.25, 0.25]) * np.array([0.45, 0.45, 0.1])
    assert both.belief.probabilities == pytest.approx(product / product.sum()) and not both.belief.abstain
    assert fuse([unsure]).belief.abstain
    ruled = FusionConfig(answers=(AnswerRule(0, True, 0.4, 0.2, 9, 9),))
    assert not fuse([unsure], ruled).belief.abstain, "the rule says how often such beliefs are right"
    assert not unsure.belief.abstaining("clipped").fit


def test_contacts_at_one_place_share_what_they_say() -> None:
    """Three at one place are worth 1.5, with the one elsewhere 2.5; the two of these places are worth 2.5 / 1.3."""
    config = FusionConfig(heard_correlation=0.2, place_correlation=0.5, abstain_below=0.0)
    pieces = [heard(f"a{i}", (0.8, 0.1, 0.1), position=(0.0, 0.002 * i, 0.0)) for i in range(3)]
    pieces.append(heard("b", (0.2, 0.4, 0.4), position=(0.1, 0.0, 0.0)))
    worth = 2.5 / 1.3
    log_odds = worth * (0.6 * math.log(8.0) + 0.4 * math.log(0.5))
    p = fuse(pieces, config).belief.p()
    assert math.log(p[0] / p[1]) == pytest.approx(log_odds)
    apart = [dataclasses.replace(o, position=(0.1 * i, 0.0, 0.0)) for i, o in enumerate(pieces)]
    assert fuse(apart, config).belief.p()[0] > p[0], "apart they say more"
    unplaced = [dataclasses.replace(o, position=(math.nan,) * 3) for o in pieces[:3]]
    assert fuse(unplaced, config).belief == fuse(pieces[:3], config).belief, (
        "nobody knows that they were apart"
    )


# ---- an image model of a user's ----------------------------------------------------------------------------
def vision(key: str = "v1", p: tuple[float, ...] = WOOD, **more: object) -> Evidence:
    return heard(key, p, kind="vision", **more)


def test_an_image_model_is_one_piece_of_evidence_with_its_own_weight() -> None:
    config = FusionConfig(vision_weight=0.25, abstain_below=0.0)
    pieces = [
        heard(p=(0.5, 0.25, 0.25)),
        seen(p=(0.2, 0.6, 0.2)),
        vision("old", (0.1, 0.1, 0.8), time_ns=1),
        vision(),
    ]
    product = np.array([0.5, 0.25, 0.25]) * np.array([0.2, 0.6, 0.2]) * np.array(WOOD) ** 0.25
    fused = fuse(pieces, config)
    assert fused.belief.probabilities == pytest.approx(product / product.sum())
    assert (fused.contacts_heard, fused.contacts_predicted) == (1, 1)
    assert fused.kinds == ("heard", "seen", "vision") and fuse(pieces[1:2], config).kinds == ("seen",)


# ---- answers -----------------------------------------------------------------------------------------------
RULES = (
    AnswerRule(1, False),
    AnswerRule(2, False, 0.8, 0.2, 20, 40),
    AnswerRule(1, True, 0.5, 0.2, 30, 40),
)
BOUNDED = FusionConfig(heard_correlation=1.0, answers=RULES, calibrated_for="sim")


@pytest.mark.parametrize(
    ("evidence", "answered"),
    [
        ([heard(p=(0.99, 0.005, 0.005))], False),  # such answers have no bound
        ([heard("a", (0.79, 0.2, 0.01)), heard("b", (0.79, 0.2, 0.01))], False),
        ([heard("a", (0.81, 0.18, 0.01)), heard("b", (0.81, 0.18, 0.01))], True),
        ([heard(f"c{i}", (0.81, 0.18, 0.01)) for i in range(9)], True),  # as two
        ([heard(p=(0.5, 0.3, 0.2)), seen(p=(0.5, 0.3, 0.2))], True),
        ([seen(p=(0.99, 0.005, 0.005))], False),  # there is no rule for sight alone
        ([heard(p=(0.5, 0.3, 0.2)), seen(p=(0.9, 0.05, 0.05), abstain=True)], False),  # as heard alone
        ([seen(p=(0.99, 0.005, 0.005)), heard("a", abstain=True), heard("b", abstain=True)], False),
    ],
)
def test_an_answer_needs_a_bound_on_its_risk(evidence: list[Evidence], answered: bool) -> None:
    fused = fuse(evidence, BOUNDED).belief
    assert fused.abstain != answered and bool(fused.reason) != answered


def test_calibrated_for_is_what_was_calibrated() -> None:
    one = heard(calibrated_for="sim: one heard contact")
    assert fuse([one], BOUNDED).belief.calibrated_for == "sim, one heard contact"
    assert fuse([one, seen()], BOUNDED).belief.calibrated_for == "sim, sight and one heard contact"
    many = [heard(f"c{i}") for i in range(5)]
    assert fuse(many, BOUNDED).belief.calibrated_for == "sim, 2 or more heard contacts"
    assert fuse([seen()], BOUNDED).belief.calibrated_for == ""
    assert fuse([heard(abstain=True)], BOUNDED).belief.calibrated_for == ""
    assert fuse([one, seen()]).belief.calibrated_for == ""


def test_an_image_model_that_nobody_measured_makes_no_answer_and_may_take_one_back() -> None:
    sure, doubtful = heard("a", (0.9, 0.06, 0.04)), heard("a", (0.7, 0.2, 0.1))
    other = dataclasses.replace(sure, key="b")
    answer = fuse([sure, other], BOUNDED)
    assert not answer.belief.abstain
    agreeing = fuse([sure, other, vision(p=(0.98, 0.01, 0.01))], BOUNDED)
    assert not agreeing.belief.abstain and agreeing.belief.calibrated_for == agreeing.calibration_id == ""
    twice = [doubtful, dataclasses.replace(doubtful, key="b")]
    assert fuse([*twice, vision(p=(0.98, 0.01, 0.01))], BOUNDED).belief.abstain, (
        "without it there was no answer"
    )
    assert fuse([sure, other, vision(p=(0.0, 1.0, 0.0))], BOUNDED).belief.abstain
    assert "image model" in fuse([vision()], BOUNDED).belief.reason
    measured = dataclasses.replace(
        BOUNDED, answers=(*RULES, AnswerRule(2, False, 0.6, 0.1, 30, 40, vision=True))
    )
    confirmed = fuse([*twice, vision(p=(0.98, 0.01, 0.01))], measured)
    assert not confirmed.belief.abstain
    assert confirmed.belief.calibrated_for == "sim, an image model and 2 or more heard contacts"


def test_beliefs_say_by_which_fit_they_are_calibrated() -> None:
    fitted = FittedFusion(BOUNDED, "hears", "sees", 0.2, 0.95, {"weights": {"objects": 3}})
    same = FittedFusion.from_dict(fitted.to_dict())
    assert same == fitted and len(fitted.config.calibration_id) == 12
    other = FittedFusion(dataclasses.replace(BOUNDED, heard_correlation=0.9), "hears", "sees", 0.2, 0.95)
    assert other.config.calibration_id != fitted.config.calibration_id
    assert fuse([heard()], fitted.config).calibration_id == fitted.config.calibration_id
    assert fuse([seen()], fitted.config).calibration_id == "", "no rule covers sight alone"
    assert fuse([heard()], BOUNDED).calibration_id == fuse([heard()]).calibration_id == ""


def test_without_any_rule_nothing_is_an_answer() -> None:
    assert fuse([heard(p=(1.0, 0.0, 0.0)), seen(p=(1.0, 0.0, 0.0))], FusionConfig(answers=())).belief.abstain


@pytest.mark.parametrize("heard_and_seen", [(0, False), (-1, True)])
def test_a_rule_without_evidence_is_refused(heard_and_seen: tuple[int, bool]) -> None:
    with pytest.raises(ValueError, match="heard is"):
        AnswerRule(*heard_and_seen)


def test_rules_round_trip() -> None:
    assert [AnswerRule.from_dict(rule.to_dict()) for rule in RULES] == list(RULES)
    assert RULES[0].to_dict()["least_probability"] is None


def test_dirichlet_averages() -> None:
    config = FusionConfig(method="dirichlet", heard_correlation=0.0, dirichlet_concentration=3.0)
    belief = fuse([heard("a", (1.0, 0.0, 0.0)), heard("b", (0.0, 1.0, 0.0))], config)
    assert belief.belief.probabilities == pytest.approx(np.array([4, 4, 1]) / 9)


@pytest.mark.parametrize("method", ["log_linear", "dirichlet"])
def test_order_does_not_matter(method: str) -> None:
    config = FusionConfig(method=method)  # type: ignore[arg-type]
    pieces = [heard("a"), heard("b", (0.2, 0.7, 0.1), time_ns=5), seen("p")]
    assert fuse(pieces, config) == fuse(pieces[::-1], config)


def test_abstaining_evidence_is_counted_but_not_used() -> None:
    doubtful = heard("b", (0.0, 0.0, 1.0), abstain=True, time_ns=20)
    belief = fuse([heard("a"), doubtful])
    assert belief.belief.probabilities == pytest.approx(WOOD) and not belief.belief.abstain
    assert belief.contacts_heard == 2 and belief.newest_ns == 20
    assert fuse([doubtful]).belief.abstain


def test_no_class_stands_out_means_abstain() -> None:
    flat = heard(p=(0.34, 0.33, 0.33))
    assert fuse([flat]).belief.abstain
    assert not fuse([flat], FusionConfig(abstain_below=0.3)).belief.abstain


def test_certain_contact_cannot_veto() -> None:
    sure_of_wood = [heard(f"c{i}", (0.9, 0.1, 0.0)) for i in range(6)]
    belief = fuse([*sure_of_wood, heard("odd", (0.0, 0.0, 1.0))], INDEPENDENT)
    assert int(np.argmax(belief.belief.probabilities)) == 0


def test_mixed_vocabularies_are_refused() -> None:
    with pytest.raises(ValueError, match="vocabularies"):
        fuse([heard("a"), heard("b", (0.5, 0.5))])


@pytest.mark.parametrize(
    ("p", "expected"),
    [((), math.nan), ((1.0, 0.0), 0.0), ((0.5, 0.5), math.log(2)), ((0.25,) * 4, math.log(4))],
)
def test_entropy(p: tuple[float, ...], expected: float) -> None:
    assert entropy_of(p) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kind": "felt"}, "felt"),
        ({"key": ""}, "key"),
        ({"probabilities": (0.5, 0.6)}, "probabilities"),
        ({"probabilities": (math.nan, 1.0)}, "probabilities"),
        ({"probabilities": (-0.1, 1.1)}, "probabilities"),
        ({"log10_e_mean": 9.0}, "log10_e_std"),
        ({"roughness": math.inf}, "roughness"),
        ({"unsure": True}, "unsure"),
    ],
)
def test_bad_evidence_is_refused(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        heard(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [{"method": "vote"}, {"heard_weight": 2.0}, {"heard_correlation": -0.1}, {"temperature": 0.0}],
)
def test_bad_config_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes)).split("_")[0]):
        FusionConfig(**changes)  # type: ignore[arg-type]


def test_round_trip_as_plain_data() -> None:
    item = heard(roughness=0.3, position=(0.1, math.nan, 0.2), action="tap")
    assert item.to_dict()["roughness"] == 0.3 and item.to_dict()["hollowness"] is None
    back = Evidence.from_dict(item.to_dict())
    assert Evidence.from_dict({**item.to_dict(), "kind": "predicted"}).kind == "seen"
    known = {"position": (0, 0, 0), "belief": MaterialBelief()}
    assert dataclasses.replace(back, **known) == dataclasses.replace(item, **known)
    assert (back.belief.probabilities, back.belief.roughness) == (WOOD, 0.3)
    assert np.isnan([back.position[1], back.belief.log10_e_mean, back.belief.hollowness]).all()
