"""The head: what it learns from a handful of contacts, and that classes and views count alike."""

from __future__ import annotations

import numpy as np
import pytest

from foley_synthesis.teaching.head import balance, fit, fit_slope, floor_of, probabilities

RNG = np.random.default_rng(3)


def test_the_direction_that_tells_classes_apart_is_found_among_many_others():
    labels = np.array([True] * 5 + [False] * 5)
    x = RNG.normal(0.0, 0.2, (10, 300))
    x[:, 7] += np.where(labels, 2.0, -2.0)
    head = fit(x, labels, (300,))
    assert ((head.scores(x) > 0) == labels).all()
    probe = np.zeros((2, 300))
    probe[:, 7] = 2.0, -2.0
    assert head.scores(probe)[0] == pytest.approx(1.0, abs=0.35)
    assert head.scores(probe)[1] == pytest.approx(-1.0, abs=0.35)


def test_a_view_of_large_numbers_counts_no_more_than_another():
    labels = np.array([True] * 6 + [False] * 6)
    x = RNG.normal(0.0, 1.0, (12, 20))
    x[:, 0] += np.where(labels, 4.0, -4.0)
    louder = x.copy()
    louder[:, 10:] *= 1000.0
    assert fit(louder, labels, (10, 10)).scores(louder) == pytest.approx(fit(x, labels, (10, 10)).scores(x))


def test_a_class_of_few_contacts_counts_as_much_as_one_of_many():
    labels = np.array([True] * 3 + [False] * 17)
    x = RNG.normal(0.0, 0.5, (20, 30))
    x[:, 0] += np.where(labels, 1.0, -1.0)
    assert fit(x, labels, (30,)).scores(np.zeros((1, 30)))[0] == pytest.approx(0.0, abs=0.4)
    assert balance(labels)[labels].sum() == pytest.approx(0.5)


def test_one_class_alone_is_refused():
    with pytest.raises(ValueError, match="3 of 3 are positive"):
        fit(np.ones((3, 4)), np.ones(3, bool), (4,))


def test_scores_that_are_often_wrong_make_probabilities_less_sure():
    labels = np.array([True] * 10 + [False] * 10)
    signed = np.ones(20)
    sure = fit_slope(np.where(labels, signed, -signed), labels)
    signed[[0, 1, 2, 10, 11, 12]] = -1.0  # 14 of 20 are right
    unsure = fit_slope(np.where(labels, signed, -signed), labels)
    assert sure > 3.0 > unsure
    assert probabilities(np.array([1.0]), unsure, 0.0)[0] == pytest.approx(0.73, abs=0.05)


def test_no_probability_is_surer_than_the_number_of_contacts_allows():
    p = probabilities(np.array([-1e6, 0.0, 1e6]), 5.0, floor_of(8))
    assert p == pytest.approx([0.05, 0.5, 0.95])
