"""What a contact is worth: by hand, and by fusing what it would say."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from foley_synthesis.beliefs.belief import NAN, MaterialBelief
from foley_synthesis.beliefs.contact_bank import ContactBank, Likeness, bank_of
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.expressions import Expression, Facts
from foley_synthesis.beliefs.fusion import FusionConfig, fuse
from foley_synthesis.beliefs.hysteresis import Thresholds
from foley_synthesis.beliefs.information import (
    ContactWorth,
    Question,
    entropy_loss,
    material_gain,
    predicate_gain,
)
from foley_synthesis.beliefs.outcomes import UNKNOWN_PLACE, FusionWeights, possible_outcomes

LABELS = ("metal", "wood")
BAYES = FusionConfig(heard_correlation=0.0)  # evidence multiplies
RIGHT = 0.8  # of contacts of either material


def toy(*, abstaining: int = 0, likeness: Likeness | None = None) -> ContactBank:
    """10 contacts of each material, 8 of which say so with 0.8, and some more that abstain."""
    contacts = []
    for material in (0, 1):
        for right in (True,) * 8 + (False,) * 2:
            p = RIGHT if right == (material == 0) else 1.0 - RIGHT
            contacts.append((material, "tap", belief(p)))
        contacts += [(material, "tap", belief(0.5).abstaining("odd"))] * abstaining
    return bank_of(contacts, LABELS, likeness=likeness or Likeness())


def belief(metal: float, *, stiff: float = 10.0) -> MaterialBelief:
    return MaterialBelief((metal, 1.0 - metal), log10_e_mean=stiff, log10_e_std=0.5, roughness=0.2)


def contact(metal: float, number: int = 0, place: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Evidence:
    return Evidence("heard", f"c{number}", number + 1, belief(metal), "tap", position=place)


def look(metal: float) -> Evidence:
    return Evidence("seen", "plan", 1, belief(metal))


def information(prior: float) -> float:
    """Mutual information [nat] of a material and what one contact of the toy says, by all four cases."""
    total = 0.0
    for p_material, says_metal in ((prior, RIGHT), (1 - prior, 1 - RIGHT)):
        for q, evidence in ((says_metal, True), (1 - says_metal, False)):
            told = prior * RIGHT + (1 - prior) * (1 - RIGHT)
            total += p_material * q * math.log(q / (told if evidence else 1 - told))
    return total


@pytest.mark.parametrize("prior", [0.5, 0.7, 0.95])
def test_gain_is_the_mutual_information_where_evidence_multiplies(prior: float) -> None:
    outcomes = possible_outcomes([look(prior)], "tap", UNKNOWN_PLACE, toy(), BAYES)
    assert material_gain(outcomes) == pytest.approx(information(prior), abs=1e-6)
    assert entropy_loss(outcomes) == pytest.approx(information(prior), abs=1e-6)


def test_nothing_known_is_an_even_chance() -> None:
    outcomes = possible_outcomes([], "tap", UNKNOWN_PLACE, toy(), BAYES)
    assert outcomes.now.tolist() == [0.5, 0.5]
    assert material_gain(outcomes) == pytest.approx(information(0.5), abs=1e-6)


def test_contacts_that_abstain_take_their_share_of_the_gain() -> None:
    outcomes = possible_outcomes([], "tap", UNKNOWN_PLACE, toy(abstaining=10), BAYES)
    assert material_gain(outcomes) == pytest.approx(information(0.5) / 2, abs=1e-6)
    assert outcomes.weight[~outcomes.fit].sum() == pytest.approx(0.5)


def test_a_sure_belief_gains_nothing_and_an_unsure_one_more() -> None:
    sure, half = (
        material_gain(possible_outcomes([look(p)], "tap", UNKNOWN_PLACE, toy(), BAYES)) for p in (1.0, 0.5)
    )
    assert sure == pytest.approx(0.0, abs=1e-3) and half > 0.15


@pytest.mark.parametrize("rho", [0.3, 0.9])
def test_every_tap_at_one_place_makes_the_next_worth_less(rho: float) -> None:
    config = FusionConfig(heard_correlation=rho)
    bank = toy(likeness=Likeness(0.6, 0.6))
    gains = [
        material_gain(
            possible_outcomes([contact(0.6, k) for k in range(n)], "tap", (0.0, 0.0, 0.0), bank, config)
        )
        for n in range(5)
    ]
    assert gains == sorted(gains, reverse=True) and gains[4] < 0.3 * gains[0]


def test_a_place_that_was_tapped_is_worth_less_than_another() -> None:
    bank = toy(likeness=Likeness(at_place=0.9, apart=0.2))
    here, there = (
        material_gain(possible_outcomes([contact(0.6)], "tap", place, bank, BAYES))
        for place in ((0.0, 0.0, 0.0), (0.1, 0.0, 0.0))
    )
    assert 0.0 < here < there


@pytest.mark.parametrize("method", ["log_linear", "dirichlet"])
def test_outcomes_are_what_the_fusion_would_make_of_them(method: str) -> None:
    config = FusionConfig(
        method=method,  # type: ignore[arg-type]
        heard_weight=0.7,
        sight_weight=0.9,
        heard_correlation=0.5,
        temperature=0.8,
    )
    evidence = [contact(0.7), contact(0.4, 1, (0.1, 0.0, 0.0)), look(0.6), contact(0.9, 5)]
    evidence[-1] = dataclasses.replace(evidence[-1], belief=evidence[-1].belief.abstaining("odd"))
    bank = bank_of([(0, "tap", belief(0.3, stiff=9.0)), (1, "tap", belief(0.85, stiff=11.0))], LABELS)
    weights = FusionWeights.of(evidence, (0.0, 0.1, 0.0), config)
    classes, numbers = weights.classes(bank.said), weights.numbers(bank.numbers.astype(float))
    for k, said in enumerate((belief(0.3, stiff=9.0), belief(0.85, stiff=11.0))):
        more = Evidence("heard", "next", 9, said, position=(0.0, 0.1, 0.0))
        fused = fuse([*evidence, more], config).belief
        assert classes[k] == pytest.approx(fused.p(), abs=1e-6)
        told = (fused.log10_e_mean, fused.log10_e_std, fused.roughness, fused.hollowness)
        assert numbers[k] == pytest.approx(told, abs=1e-5, nan_ok=True)


def question(metal: float, text: str = 'probability("metal")', **more: object) -> Question:
    facts = Facts({"abstain": 0.0}, {"metal": metal, "wood": 1 - metal})
    return Question(Expression(text, LABELS), facts=facts, **more)  # type: ignore[arg-type]


def test_a_predicate_about_the_material_gains_what_the_material_does() -> None:
    outcomes = possible_outcomes([look(0.7)], "tap", UNKNOWN_PLACE, toy(), BAYES)
    gain = predicate_gain(outcomes, "tap", LABELS, question(0.7))
    assert gain.information == pytest.approx(entropy_loss(outcomes), abs=1e-6)
    assert gain.probability == pytest.approx(0.7) and sum(gain.weights) == pytest.approx(1.0)
    # Of 0.7 a contact that says metal makes 0.903, one that says wood 0.368: only the first one decides.
    assert {round(p, 3) for p in gain.outcomes} == {0.903, 0.368}
    assert gain.decided == pytest.approx(0.7 * RIGHT + 0.3 * (1 - RIGHT), abs=1e-6)


def test_a_predicate_is_not_decided_by_a_belief_that_abstains() -> None:
    never = dataclasses.replace(BAYES, answers=())
    outcomes = possible_outcomes([look(0.7)], "tap", UNKNOWN_PLACE, toy(), never)
    assert predicate_gain(outcomes, "tap", LABELS, question(0.7)).decided == 0.0
    assert predicate_gain(outcomes, "tap", LABELS, question(0.7, when_abstaining=True)).decided > 0.5


def test_a_contact_tells_surely_that_it_happened() -> None:
    outcomes = possible_outcomes([look(0.7)], "tap", UNKNOWN_PLACE, toy(), BAYES)
    was_hit = question(0.7, 'happened("tap")', when_abstaining=True)
    gain = predicate_gain(outcomes, "tap", LABELS, was_hit)
    assert math.isnan(gain.probability) and gain.decided == pytest.approx(1.0)
    assert gain.information == pytest.approx(math.log(2.0))


def test_numbers_of_the_belief_reach_an_expression() -> None:
    outcomes = possible_outcomes([look(0.7)], "tap", UNKNOWN_PLACE, toy(), BAYES)
    stiff = question(0.7, "above(log10_youngs_modulus_pa_mean, 10.0, log10_youngs_modulus_pa_std)")
    gain = predicate_gain(outcomes, "tap", LABELS, stiff)
    assert gain.outcomes == pytest.approx([0.5] * len(gain.outcomes))


def test_hysteresis_counts_in_whether_it_is_decided() -> None:
    outcomes = possible_outcomes([look(0.7)], "tap", UNKNOWN_PLACE, toy(), BAYES)
    strict = question(0.7, thresholds=Thresholds(0.95, 0.05, 0.0))
    assert predicate_gain(outcomes, "tap", LABELS, strict).decided == 0.0


def test_what_is_taken_as_made_makes_the_next_worth_less() -> None:
    worth = ContactWorth({"mug": [look(0.6)]}, toy(), FusionConfig())
    gains = []
    for _ in range(4):
        gains.append(worth.worth("mug", "tap", (0.0, 0.0, 0.0)).gain)
        worth.take("mug", "tap", (0.0, 0.0, 0.0))
    assert gains == sorted(gains, reverse=True) and gains[-1] < gains[0]


def test_only_objects_that_are_asked_about_are_worth_something() -> None:
    worth = ContactWorth({"mug": [look(0.6)], "bowl": []}, toy(), BAYES, {"mug": question(0.6)})
    assert worth.worth("mug", "tap", UNKNOWN_PLACE).gain > 0.1
    assert worth.worth("bowl", "tap", UNKNOWN_PLACE).rank == 0.0
    with pytest.raises(KeyError):
        ContactWorth({"mug": []}, toy(), BAYES).worth("cup", "tap", UNKNOWN_PLACE)


def test_evidence_over_other_labels_is_refused() -> None:
    three = Evidence("heard", "c", 1, MaterialBelief((0.2, 0.3, 0.5)), position=(NAN, NAN, NAN))
    with pytest.raises(ValueError, match="3 labels, the bank over 2"):
        possible_outcomes([three], "tap", UNKNOWN_PLACE, toy(), BAYES)


def test_a_material_without_contacts_is_left_out_of_what_may_come() -> None:
    bank = bank_of([(0, "tap", belief(0.8))] * 10, LABELS)
    outcomes = possible_outcomes([look(0.3)], "tap", UNKNOWN_PLACE, bank, BAYES)
    assert np.all(outcomes.truth == 0) and outcomes.weight.sum() == pytest.approx(1.0)


def test_a_contact_settles_what_it_makes_known_and_nothing_that_is_known() -> None:
    # Of an even chance a contact makes 0.8, of 0.8 another one 0.94 or 0.5.
    for now, sure, settles in ((0.5, 0.75, 1.0), (0.5, 0.9, 0.0), (0.8, 0.75, 0.0)):
        worth = ContactWorth({"mug": [look(now)]}, toy(), BAYES, sure=sure).worth("mug", "tap", UNKNOWN_PLACE)
        assert worth.settles == pytest.approx(settles, abs=1e-9) and worth.gain > 0.05
    about = {"mug": question(0.5, thresholds=Thresholds(0.75, 0.25, 0.0))}
    told = ContactWorth({"mug": [look(0.5)]}, toy(), BAYES, about).worth("mug", "tap", UNKNOWN_PLACE)
    assert told.settles == pytest.approx(1.0) and told.rank > 1.0
    decided = ContactWorth({"mug": [look(0.8)]}, toy(), BAYES, {"mug": question(0.8)})
    assert decided.worth("mug", "tap", UNKNOWN_PLACE).settles == 0.0
