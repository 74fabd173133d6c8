"""Temperature, abstention threshold and spread."""

import math

import numpy as np
import pytest

from foley_synthesis.beliefs.calibration import (
    Calibration,
    calibrate,
    choose_threshold,
    entropies,
    fit_temperature,
    risk_coverage,
    softmax,
)


def overconfident(n: int = 4000, factor: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are `factor` times those the labels were drawn from."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(n, 4)) * 1.5
    labels = np.array([rng.choice(4, p=row) for row in softmax(logits)])
    return logits * factor, labels


def test_temperature_undoes_overconfidence() -> None:
    logits, labels = overconfident(factor=3.0)
    assert fit_temperature(logits, labels) == pytest.approx(3.0, rel=0.1)


def test_risk_coverage_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2]])
    coverage, risk, entropy = risk_coverage(probabilities, np.array([0, 1, 1]))
    assert coverage.tolist() == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert risk.tolist() == pytest.approx([0.0, 0.5, 2 / 3])
    assert (np.diff(entropy) > 0).all()


def test_threshold_keeps_the_most_at_the_target_risk() -> None:
    logits, labels = overconfident(factor=1.0)
    probabilities = softmax(logits)
    threshold = choose_threshold(probabilities, labels, target_risk=0.2, least_coverage=0.2)
    kept = entropies(probabilities) <= threshold
    risk = (probabilities.argmax(1) != labels)[kept].mean()
    assert 0.2 < kept.mean() < 1.0 and risk == pytest.approx(0.2, abs=0.01)


def test_spread_is_scaled_to_what_was_seen() -> None:
    rng = np.random.default_rng(1)
    logits, labels = overconfident(n=1000)
    truth = rng.normal(10.0, 0.6, 1000)
    mean, std = np.full(1000, 10.0), np.full(1000, 0.3)
    calibration = calibrate(logits, labels, (mean, std, truth), "sim: test")
    assert calibration.std_scale == pytest.approx(2.0, rel=0.1)
    assert Calibration.from_dict(calibration.to_dict()) == calibration


def test_too_few_labels_leave_it_uncalibrated() -> None:
    calibration = calibrate(np.zeros((3, 2)), np.array([0, 1, -1]), (np.zeros(3),) * 3, "x")
    assert calibration.calibrated_for == "" and math.isinf(calibration.entropy_threshold)
