"""Conformal sets: by hand, and the coverage that they promise."""

import json
import math

import numpy as np
import pytest

from foley_synthesis.beliefs.calibration import softmax
from foley_synthesis.hearing.inference.conformal import (
    ConformalSets,
    conformal_quantile,
    fit_sets,
    leaf_scores,
    node_scores,
    score_sets,
)
from foley_synthesis.hearing.inference.families import MATERIALS, Hierarchy

FOUR = ("wood", "metal", "stone", "glass")


def contacts(n: int, seed: int, names: tuple[str, ...] = MATERIALS) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are three times too sure, and labels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, len(names))) * 1.5
    p = softmax(logits)
    labels = (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return softmax(logits * 3.0), labels


def test_quantile_is_that_of_a_finite_sample() -> None:
    scores = np.arange(1.0, 10.0)  # nine
    assert conformal_quantile(scores, 0.8) == 8.0  # ceil(10 * 0.8)
    assert conformal_quantile(scores, 0.9) == 9.0
    assert conformal_quantile(scores, 0.91) == math.inf  # nine cannot promise more


def test_weighted_quantile_is_the_plain_one_for_equal_weights() -> None:
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 40.0))
    for coverage in (0.5, 0.8, 0.9, 0.99):
        equal = conformal_quantile(scores, coverage, np.full(39, 7.0))
        assert equal == conformal_quantile(scores, coverage)
    # Only the half that is meant counts: nine of weight one, and the rest of none.
    weights = np.where(scores >= 31, 1.0, 0.0)
    assert conformal_quantile(scores, 0.8, weights) == 38.0


def test_scores_by_hand() -> None:
    p = np.array([[0.1, 0.5, 0.15, 0.25]])
    assert leaf_scores(p)[0].tolist() == pytest.approx([0.9, 0.0, 0.75, 0.5])
    assert leaf_scores(p, penalty=0.1)[0].tolist() == pytest.approx([1.2, 0.0, 0.95, 0.6])
    # Metal is likeliest. Glass is not named while metal alone is likely enough, stone while what rings is, and wood
    # while what is hard is.
    assert node_scores(p, Hierarchy.over(FOUR))[0].tolist() == pytest.approx([0.9, 0.0, 0.75, 0.5])
    p = np.array([[0.2, 0.5, 0.1, 0.2]])
    assert node_scores(p, Hierarchy.over(FOUR))[0].tolist() == pytest.approx([0.8, 0.0, 0.7, 0.5])


@pytest.mark.parametrize(
    "options", [{}, {"nodes": True}, {"penalty": 0.05, "free_ranks": 3}, {"per_class": True}]
)
def test_coverage_holds_on_other_contacts_though_the_model_is_too_sure(options: dict) -> None:
    p, y = contacts(3000, 0)
    others, truth = contacts(6000, 1)
    fitted = fit_sets(p, y, MATERIALS, coverage=0.9, fitted_on="made up", **options)
    score = score_sets(fitted.sets(others), truth, MATERIALS)
    assert score is not None
    # A node may be larger than what is needed, so it may cover more.
    assert 0.885 < score.coverage < (0.95 if options.get("nodes") else 0.915)
    assert 1.0 < score.mean_size < 13.0
    naive = (others.max(axis=1) > 0.9) & (others.argmax(axis=1) != truth)
    assert naive.sum() > 0.1 * (others.max(axis=1) > 0.9).sum()  # its own 0.9 promises nothing
    if options.get("per_class"):
        assert min(score.by_class.values()) > 0.83


def test_a_node_holds_the_set() -> None:
    p, y = contacts(500, 2)
    fitted = fit_sets(p, y, MATERIALS, coverage=0.7, fitted_on="made up")
    for row in p[:50]:
        assert set(fitted.names(row)) <= set(fitted.node(row).materials)
        assert fitted.names(row)[0] == MATERIALS[row.argmax()]


def test_weights_move_the_sets_to_another_domain() -> None:
    """Twice as many contacts as were seen are of the sort on which the model does badly."""
    rng = np.random.default_rng(3)
    n = 20_000
    hard = rng.random(n) < 0.1
    y = rng.integers(0, 4, n)
    right = rng.random(n) < np.where(hard, 0.3, 0.95)
    guess = np.where(right, y, (y + rng.integers(1, 4, n)) % 4)
    p = np.full((n, 4), 0.05)
    p[np.arange(n), guess] = 0.85
    weights = np.where(hard, 0.9 / 0.1, 0.1 / 0.9)
    half = np.arange(n) < n // 2
    plain = fit_sets(p[half], y[half], FOUR, coverage=0.8, fitted_on="few hard ones")
    moved = fit_sets(p[half], y[half], FOUR, coverage=0.8, fitted_on="many hard ones", weights=weights[half])
    judged = ~half & (hard | (rng.random(n) < 1 / 81))  # nine tenths of them hard

    def covered(fitted: ConformalSets) -> float:
        score = score_sets(fitted.sets(p[judged]), y[judged], FOUR)
        assert score is not None
        return score.coverage

    assert covered(plain) < 0.5
    assert covered(moved) >= 0.79


def test_too_few_contacts_leave_nothing_out() -> None:
    fitted = fit_sets(np.eye(4)[:3], np.arange(3), FOUR, coverage=0.9, fitted_on="three")
    assert fitted.sets(np.eye(4)).all()
    assert str(fitted.node(np.eye(4)[0])) == "anything: wood, metal, stone or glass"


def test_no_contacts_are_left_out_and_the_rest_survives_json() -> None:
    p, y = contacts(200, 4)
    y[:50] = -1
    fitted = fit_sets(p, y, MATERIALS, coverage=0.8, fitted_on="made up", per_class=True)
    assert fitted.contacts == 150
    assert ConformalSets.from_dict(json.loads(json.dumps(fitted.to_dict()))) == fitted


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="coverage is 1"):
        fit_sets(np.eye(4), np.arange(4), FOUR, coverage=1.0, fitted_on="")
    with pytest.raises(ValueError, match="shape"):
        fit_sets(np.eye(3), np.arange(3), FOUR, fitted_on="")
