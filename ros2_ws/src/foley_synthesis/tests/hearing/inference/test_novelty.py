"""Distance of what is not known: by hand, and on made embeddings."""

import dataclasses

import numpy as np
import pytest
from safetensors.numpy import load, save

from foley_synthesis.hearing.inference.novelty import (
    Novelty,
    auroc,
    energy,
    fit_novelty,
    score_novelty,
    whitening,
)

CLASSES, DIMS, NOISE = 5, 12, np.r_[np.full(6, 0.3), np.full(6, 5.0)]  # half of the directions tell nothing
CENTRES = np.random.default_rng(7).normal(size=(CLASSES, DIMS)) * np.r_[np.full(6, 3.0), np.zeros(6)] + 10.0


def contacts(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, CLASSES, n)
    x = CENTRES[y] + rng.normal(size=(n, DIMS)) * NOISE
    return x, logits_of(x), y


def logits_of(x: np.ndarray) -> np.ndarray:
    """A head that fires near a class."""
    return 5.0 - np.square((x[:, None, :6] - CENTRES[None, :, :6]) / 1.5).sum(axis=2)


def fitted() -> Novelty:
    x, _, y = contacts(2000, 0)
    return fit_novelty(x, y, contacts(2000, 1)[:2])


def test_energy_by_hand() -> None:
    assert energy(np.log([[1.0, 2.0, 5.0]])) == pytest.approx([-np.log(8.0)])
    assert np.isfinite(energy(np.array([[1e4, -1e4]]))).all()


def test_auroc_by_hand() -> None:
    assert auroc(np.array([0.0, 1.0]), np.array([1.0, 2.0])) == pytest.approx((0.75 + 1.0) / 2)
    assert auroc(np.arange(5.0), np.arange(5.0)) == 0.5


def test_whitening_undoes_a_known_covariance() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(4, 4)) * (1.0, 10.0, 0.1, 3.0)
    x = rng.normal(size=(20_000, 4)) @ mixing
    white = (x - x.mean(axis=0)) @ whitening(x - x.mean(axis=0))
    assert np.cov(white.T) == pytest.approx(np.eye(4), abs=0.05)


def test_the_threshold_refuses_one_in_twenty_contacts() -> None:
    novelty = fitted()
    x, z, _ = contacts(4000, 2)
    percentiles = novelty.percentiles(x, z)
    assert novelty.refused(percentiles).mean() == pytest.approx(0.05, abs=0.015)
    assert np.median(percentiles) == pytest.approx(50.0, abs=3.0)


def test_what_is_between_the_classes_is_refused_and_mere_noise_is_not() -> None:
    novelty = fitted()
    rng = np.random.default_rng(3)
    between = CENTRES.mean(axis=0) + rng.normal(size=(500, DIMS)) * NOISE
    score = score_novelty(novelty, contacts(1000, 4)[:2], (between, logits_of(between)))
    assert score.refused > 0.99 and score.auroc > 0.99 and score.false_alarms < 0.08
    # Twice as far out in a direction that tells nothing: the relative distance forgives it.
    x, _, _ = contacts(500, 5)
    x[:, 6:] = 10.0 + 2.0 * (x[:, 6:] - 10.0)
    assert novelty.refused(novelty.percentiles(x, logits_of(x))).mean() < 0.3
    plain = (
        np.square(novelty.whitened(x)[:, None] - (novelty.means @ novelty.within)[None])
        .sum(axis=2)
        .min(axis=1)
    )
    known = contacts(2000, 1)[0]
    at_home = np.square(novelty.whitened(known)[:, None] - (novelty.means @ novelty.within)[None]).sum(axis=2)
    assert (plain > np.quantile(at_home.min(axis=1), 0.95)).mean() > 0.7  # which a plain distance would not


def test_it_does_not_need_every_class_and_leaves_out_what_is_no_contact() -> None:
    x, z, y = contacts(500, 0)
    labels = np.where(y == 3, -1, y)
    novelty = fit_novelty(x, labels, (x[labels >= 0], z[labels >= 0]))
    assert novelty.means.shape == (CLASSES - 1, DIMS)
    assert novelty.scores(x[y == 3], z[y == 3]).mean() > novelty.scores(x[y == 2], z[y == 2]).mean() + 5.0


def test_a_constant_direction_and_few_clips_do_no_harm() -> None:
    x, z, y = contacts(40, 0)
    x[:, 0] = 1.0
    novelty = fit_novelty(x, y, (x, z))
    assert np.isfinite(novelty.percentiles(x, z)).all()


def test_saved_and_read_again() -> None:
    novelty = dataclasses.replace(fitted(), threshold=90.0)
    again = Novelty.from_tensors(load(save(novelty.to_tensors())))
    x, z, _ = contacts(100, 6)
    assert again.threshold == 90.0
    assert again.percentiles(x, z) == pytest.approx(novelty.percentiles(x, z), abs=0.5)


def test_what_cannot_be_is_refused() -> None:
    x, z, y = contacts(20, 0)
    with pytest.raises(ValueError, match="1 classes"):
        fit_novelty(x, np.zeros_like(y), (x, z))
    with pytest.raises(ValueError, match="false_alarms"):
        fit_novelty(x, y, (x, z), false_alarms=0.0)
