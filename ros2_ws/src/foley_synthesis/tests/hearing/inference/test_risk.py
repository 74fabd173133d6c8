"""Abstention: bounds by hand, what is promised, and when nothing is said at all."""

import json
import math

import numpy as np
import pytest

from foley_synthesis.hearing.inference.risk import (
    Abstention,
    accuracy_among_kept,
    choose_abstention,
    choose_abstentions,
    interval,
    upper_bound,
)


def contacts(n: int, seed: int, least: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probabilities of two labels between `least` and 1, and labels."""
    rng = np.random.default_rng(seed)
    first = rng.uniform(least, 1.0, n)
    return np.stack([first, 1.0 - first], 1), np.where(rng.random(n) < first, 0, 1)


def test_bounds_by_hand() -> None:
    assert upper_bound(0, 10, 0.95) == pytest.approx(1 - 0.05 ** (1 / 10))
    assert upper_bound(3, 3) == 1.0 and upper_bound(0, 0) == 1.0
    # The table of Clopper and Pearson: 5 of 10, 95 %.
    assert interval(5, 10) == pytest.approx((0.1871, 0.8129), abs=1e-4)
    assert interval(0, 10)[0] == 0.0 and interval(10, 10)[1] == 1.0


def test_the_risk_among_the_kept_is_bounded_in_nearly_all_validation_sets() -> None:
    others, truth = contacts(100_000, 999)
    broken, coverages = 0, []
    for seed in range(60):
        p, y = contacts(400, seed)
        chosen = choose_abstention(p, y, 0.15, fitted_on="made up")
        kept = accuracy_among_kept(others, truth, chosen.threshold)
        coverages.append(kept.coverage)
        broken += kept.kept > 0 and kept.accuracy < 0.85
    assert broken <= 8  # 5 % of 60, and three standard deviations
    assert np.mean(coverages) > 0.3  # at confidence 0.7 the risk among the kept is 15 %: 0.6 is all there is


def test_more_validation_and_a_milder_target_keep_more() -> None:
    p, y = contacts(5000, 1)
    by_target = choose_abstentions(p, y, (0.05, 0.1, 0.2), fitted_on="made up")
    assert by_target[0].coverage < by_target[1].coverage < by_target[2].coverage
    assert all(a.bound <= a.target_risk for a in by_target)
    few = choose_abstention(p[:300], y[:300], 0.1, fitted_on="made up")
    assert few.coverage < by_target[1].coverage


def test_a_target_out_of_reach_abstains_always_and_says_why() -> None:
    rng = np.random.default_rng(0)
    p = np.stack([rng.uniform(0.9, 1.0, 500)] * 2, 1) * (1.0, 0.0)
    p[:, 1] = 1 - p[:, 0]
    chosen = choose_abstention(p, rng.integers(0, 2, 500), 0.2, fitted_on="coin")
    assert chosen.always and chosen.kept == 0 and chosen.bound == 1.0
    assert "surest contacts of validation are wrong" in chosen.reason
    assert chosen.why(1.0) == chosen.reason
    assert accuracy_among_kept(p, np.zeros(500), chosen.threshold).kept == 0


def test_too_few_contacts_abstain_always_and_say_how_many_are_needed() -> None:
    p, y = np.tile([[0.99, 0.01]], (13, 1)), np.zeros(13, int)
    assert "14 are needed" in choose_abstention(p, y, 0.2, fitted_on="few").reason
    enough = choose_abstention(np.tile(p[:1], (14, 1)), np.zeros(14, int), 0.2, fitted_on="few")
    assert enough.kept == 14 and enough.bound == pytest.approx(1 - 0.05 ** (1 / 14))


def test_one_unlucky_error_among_the_surest_is_survived() -> None:
    p, y = contacts(2000, 3, least=0.9)
    y[np.argmax(p[:, 0])] = 1
    assert choose_abstention(p, y, 0.2, fitted_on="made up").coverage == pytest.approx(1.0)


def test_equal_confidences_are_kept_together() -> None:
    p = np.tile([[0.8, 0.2]], (200, 1))
    y = np.zeros(200, int)
    y[150:] = 1  # were they split by their order, the first 150 would pass
    assert choose_abstention(p, y, 0.1, fitted_on="ties").always


def test_what_is_no_contact_is_never_right() -> None:
    p, y = contacts(1000, 4, least=0.95)
    assert not choose_abstention(p, y, 0.1, fitted_on="").always
    y[::2] = -1
    assert choose_abstention(p, y, 0.1, fitted_on="").always


def test_kept_by_hand_and_through_json() -> None:
    p = np.array([[0.9, 0.1], [0.7, 0.3], [0.4, 0.6], [0.45, 0.55]])
    kept = accuracy_among_kept(p, np.array([0, 1, 1, 0]), 0.6)
    assert (kept.contacts, kept.kept, kept.right) == (4, 3, 2)
    assert kept.coverage == 0.75 and kept.accuracy == pytest.approx(2 / 3)
    assert (kept.low, kept.high) == pytest.approx(interval(2, 3))
    assert math.isnan(accuracy_among_kept(p, np.zeros(4), 2.0).accuracy)
    for chosen in choose_abstentions(*contacts(500, 5), (0.01, 0.3), fitted_on="made up"):
        assert Abstention.from_dict(json.loads(json.dumps(chosen.to_dict()))) == chosen
    assert "is under" in chosen.why(0.1) and chosen.why(1.0) == ""


def test_the_very_surest_may_be_odd_ones() -> None:
    sure = np.linspace(1.0, 0.5, 200)
    p = np.stack([sure, 1.0 - sure], axis=1)
    labels = np.zeros(200, np.int64)
    labels[:8] = 1  # the surest eight are wrong, and no others
    assert choose_abstention(p, labels, 0.3, fitted_on="made").always
    found = choose_abstention(p, labels, 0.3, fitted_on="made", least_share=0.25)
    assert found.kept == 200 and found.errors == 8
