"""Scores of labels and of probabilities, by hand."""

import numpy as np
import pytest

from foley_synthesis.metrics import classification
from foley_synthesis.metrics.bootstrap import interval


def test_balanced_accuracy_by_hand() -> None:
    truth, said = np.array([0, 0, 0, 1, -1]), np.array([0, 0, 1, 1, 0])
    assert classification.balanced_accuracy(truth, said, 3) == pytest.approx((2 / 3 + 1) / 2)
    weights = np.array([1.0, 1.0, 0.0, 1.0, 5.0])
    assert classification.balanced_accuracy(truth, said, 3, weights) == 1.0
    assert np.isnan(classification.balanced_accuracy(np.array([-1]), np.array([0]), 3))
    found = interval(lambda w: classification.balanced_accuracy(truth, said, 3, w), np.ones((3, 5)))
    assert found.low == found.high == found.value


def test_scores_of_certainty_and_of_ignorance() -> None:
    truth = np.array([0, 1, 2, 3])
    perfect, uniform = np.eye(4), np.full((4, 4), 0.25)
    assert classification.brier_score(perfect, truth) == 0.0
    assert classification.brier_score(uniform, truth) == pytest.approx(0.75)
    assert classification.log_loss(uniform, truth) == pytest.approx(np.log(4))
    assert classification.expected_calibration_error(perfect, truth) == 0.0
    assert classification.expected_calibration_error(np.roll(perfect, 1, axis=1), truth) == pytest.approx(1.0)
