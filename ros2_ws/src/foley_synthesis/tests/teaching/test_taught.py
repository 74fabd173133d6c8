"""What is taught: judged by what was left out, told whether it is enough, and what to do next."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.stats import binom

from foley_synthesis.beliefs.hysteresis import Thresholds
from foley_synthesis.teaching.example import TeachingError
from foley_synthesis.teaching.left_out import LeftOut, bound_of, by_contact, by_group
from foley_synthesis.teaching.taught import fused, seldom_told, teach


def test_clearly_different_sounds_are_told_after_five_of_each(embedding, examples):
    taught = teach("lid_is_tight", examples(5, 5), "m")
    assert taught.enough and taught.accuracy == 1.0
    assert taught.contact.bound == pytest.approx(0.1 ** (1 / 10))  # 10 of 10 right, one-sided 90 %
    rng = np.random.default_rng(9)
    new = [taught.probability(embedding(rng, label, 3.0).values) for label in (True, True, False, False)]
    assert new[0] > 0.8 and new[1] > 0.8 and new[2] < 0.2 and new[3] < 0.2
    assert min(new) > 0.0 and max(new) < 1.0 - 0.5 / (10 + 2)


def test_sounds_that_do_not_differ_are_never_enough(examples):
    verdicts = [teach("x_is", examples(10, 10, apart=0.0, seed=seed), "m") for seed in range(10)]
    assert not any(taught.enough for taught in verdicts)
    assert 0.3 < np.mean([taught.accuracy for taught in verdicts]) < 0.6  # chance
    assert any("sound alike" in " ".join(taught.verdict.advice) for taught in verdicts)


def test_the_bound_is_the_exact_one_of_a_binomial():
    low = bound_of(0.9, 10, 10)
    assert binom.sf(17, 20, low) == pytest.approx(0.1, abs=1e-6)  # 18 or more of 20
    assert bound_of(0.9, 17, 3) < low  # few of one class say little
    assert bound_of(0.0, 5, 5) == 0.0


def test_too_few_contacts_are_not_judged_and_the_missing_ones_are_named(examples):
    taught = teach("x_is", examples(4, 1), "m")
    assert not taught.enough and taught.head is None and math.isnan(taught.accuracy)
    assert taught.verdict.advice == ("label 2 more negatives",)
    assert math.isnan(taught.probability(np.zeros(100, np.float32)))


def test_a_contact_unlike_all_that_were_taught_is_not_answered(embedding, examples):
    taught = teach("x_is", examples(6, 6), "m")
    rng = np.random.default_rng(5)
    assert not math.isnan(taught.probability(embedding(rng, True, 3.0).values))
    assert math.isnan(taught.probability(embedding(rng, True, 3.0, shift=40.0).values))


def test_groups_are_left_out_whole_where_both_classes_have_several(examples):
    some = examples(6, 6, groups=3)
    assert by_group(examples(6, 6)) is None  # a class would have none left
    left = by_group(some)
    assert left.by == "group" and left.accuracy == 1.0
    taught = teach("x_is", some, "m")
    assert taught.judged is not None and taught.judged.by == "group"
    assert not any("not known" in line for line in taught.verdict.advice)


def test_what_is_told_by_the_recording_alone_is_found_out(examples):
    """Each recording has a colour of its own and nothing tells the classes: contacts are told, groups are not."""
    rng = np.random.default_rng(1)
    colour = {f"{k}": rng.normal(0.0, 3.0, 100).astype(np.float32) for k in range(8)}
    some = []
    for example, k in zip(examples(16, 16, apart=0.0), range(32), strict=True):
        group = f"{k % 4 + (0 if example.label else 4)}"
        own = dataclasses.replace(example.embedding, values=example.embedding.values + colour[group])
        some.append(dataclasses.replace(example, embedding=own, group=group))
    assert by_contact(some).accuracy > 0.95
    taught = teach("x_is", some, "m")
    assert taught.accuracy < 0.8 and not taught.enough


def test_a_single_recording_of_each_class_is_warned_of(examples):
    advice = " ".join(teach("x_is", examples(5, 5), "m").verdict.advice)
    assert "positives are of one recording or object and negatives of another" in advice
    mixed = [dataclasses.replace(e, group="jar") for e in examples(5, 5)]
    assert "another one" in " ".join(teach("x_is", mixed, "m").verdict.advice)


def test_a_label_that_contradicts_all_others_is_doubted(examples):
    some = examples(10, 10)
    some[3] = dataclasses.replace(some[3], label=False)
    advice = teach("x_is", some, "m").verdict.advice
    assert advice[0].startswith("`p3` is labelled FALSE")


def test_a_difference_in_level_is_told(examples):
    some = [
        dataclasses.replace(
            e,
            embedding=dataclasses.replace(
                e.embedding, plain=dataclasses.replace(e.embedding.plain, level_db=level)
            ),
        )
        for e, level in zip(examples(5, 5), [30, 31, 32, 31, 30, 10, 11, 12, 11, 10], strict=True)
    ]
    assert any("positives are louder" in line for line in teach("x_is", some, "m").verdict.advice)


def test_contacts_are_fused_so_that_the_newest_counts_most():
    assert math.isnan(fused([])) and math.isnan(fused([math.nan]))
    assert fused([0.8]) == pytest.approx(0.8)
    assert fused([0.8, 0.8]) > 0.85 and fused([0.8] * 50) == pytest.approx(0.8**2.5 / (0.8**2.5 + 0.2**2.5))
    assert (
        fused([0.8] * 10 + [0.2]) > 0.5 > fused([0.8] * 10 + [0.2, 0.2])
    )  # a state that changed is believed
    assert fused([0.9, math.nan]) == pytest.approx(0.9)


def test_what_cannot_be_taught_is_refused_with_its_name(examples):
    some = examples(3, 3)
    with pytest.raises(TeachingError, match="name is `Lid is tight`"):
        teach("Lid is tight", some, "m")
    with pytest.raises(TeachingError, match="`p0` is labelled twice"):
        teach("x_is", [*some, some[0]], "m")
    with pytest.raises(TeachingError, match="another hearing model"):
        teach("x_is", some, "m").probability(np.zeros(7, np.float32))


def test_thresholds_go_up_where_sure_answers_were_wrong(examples):
    good = teach("x_is", examples(10, 10), "m").thresholds
    bad = examples(12, 12)
    for k in (2, 5, 9):
        bad[k] = dataclasses.replace(bad[k], label=False)
    assert good.true_above < teach("x_is", bad, "m").thresholds.true_above <= 0.95


def test_what_would_seldom_be_told_is_said() -> None:
    labels = np.arange(10) % 2 == 0

    def judged(sure: float, unsure: float) -> LeftOut:
        own = np.where(np.arange(10) < 4, sure, unsure)
        return LeftOut("contact", labels, np.zeros(10), np.where(labels, own, 1.0 - own), np.ones(10))

    thresholds = Thresholds(0.9, 0.1, 0.1)
    assert seldom_told(judged(0.95, 0.7), thresholds) == ""
    assert seldom_told(judged(0.8, 0.7), thresholds).startswith("only 0% of the left-out contacts")
