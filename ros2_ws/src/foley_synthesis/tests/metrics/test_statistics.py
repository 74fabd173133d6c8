"""Weighted statistics: a weight says how often an item is there."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from foley_synthesis.metrics.statistics import median, rank_correlation, ratio_of_sums


def repeated(pairs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.repeat(pairs, weights.astype(int), axis=0)


def test_rank_correlation_is_spearmans_with_ties_and_weights() -> None:
    rng = np.random.default_rng(0)
    pairs = np.round(rng.normal(size=(40, 2)) + np.linspace(0, 2, 40)[:, None], 1)  # rounded: there are ties
    weights = rng.integers(0, 4, 40).astype(float)
    assert rank_correlation(pairs) == pytest.approx(spearmanr(*pairs.T).statistic)
    assert rank_correlation(pairs, weights) == pytest.approx(spearmanr(*repeated(pairs, weights).T).statistic)
    assert rank_correlation(np.stack([pairs[:, 0], np.exp(pairs[:, 0])], axis=1)) == pytest.approx(1.0)
    unknown = np.concatenate([pairs, [[np.nan, 5.0]]])
    assert rank_correlation(unknown) == rank_correlation(pairs)
    assert rank_correlation(np.stack([np.ones(4), np.arange(4.0)], axis=1)) == 0.0, "one column is constant"
    assert np.isnan(rank_correlation(pairs, np.zeros(40)))


def test_the_median_is_that_of_the_repeated_values() -> None:
    values, weights = np.array([5.0, 1.0, 3.0, np.nan, 9.0]), np.array([0.0, 2.0, 2.0, 7.0, 1.0])
    assert median(values) == 3.0, "the lower of 3 and 5"
    assert median(values, weights) == 3.0
    assert median(values, np.array([0.0, 4.0, 1.0, 0.0, 1.0])) == 1.0
    assert np.isnan(median(values, np.array([0.0, 0.0, 0.0, 1.0, 0.0])))


def test_a_ratio_of_sums_is_none_of_ratios() -> None:
    pairs = np.array([[1.0, 1.0], [6.0, 2.0]])
    assert ratio_of_sums(pairs) == pytest.approx(7 / 3)
    assert ratio_of_sums(pairs, np.array([2.0, 1.0])) == pytest.approx(2.0)
    assert np.isnan(ratio_of_sums(pairs, np.zeros(2)))
