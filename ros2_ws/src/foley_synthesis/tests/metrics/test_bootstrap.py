"""Intervals over scenes, objects and contacts."""

import numpy as np
import pytest

from foley_synthesis.metrics.bootstrap import hierarchical_weights, mean_interval


def test_flat_bootstrap_has_the_width_of_theory() -> None:
    """One contact per object and scene: the interval of a mean is +-1.96 sigma / sqrt(n)."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=400)
    names = [str(i) for i in range(400)]
    found = mean_interval(values, hierarchical_weights(names, names, 800, seed=1))
    assert found.value == pytest.approx(values.mean())
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.12)


def test_contacts_of_one_scene_hang_together() -> None:
    """Ten scenes of identical contacts know as much as ten contacts, however many there are."""
    values = np.repeat(np.random.default_rng(0).normal(size=10), 40)
    scenes = [str(i // 40) for i in range(400)]
    objects = [f"{i // 10}" for i in range(400)]
    nested = mean_interval(values, hierarchical_weights(scenes, objects, 600, seed=1))
    flat = mean_interval(values, hierarchical_weights(*[[str(i) for i in range(400)]] * 2, 600, seed=1))
    assert nested.high - nested.low > 4 * (flat.high - flat.low)


def test_weights_draw_as_many_contacts_as_there_are_on_average_and_repeat() -> None:
    scenes, objects = list("aaaabbbb"), list("xxyyzzww")
    weights = hierarchical_weights(scenes, objects, 500, seed=3)
    assert weights.shape == (500, 8) and weights.sum(axis=1).mean() == pytest.approx(8.0)
    assert np.array_equal(weights, hierarchical_weights(scenes, objects, 500, seed=3))
    assert weights.mean(axis=0) == pytest.approx(np.ones(8), abs=0.2)


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(60):
        centre = rng.normal(0.0, 1.0, 30)
        values = (centre[:, None] + rng.normal(0.0, 0.5, (30, 4))).reshape(-1)
        scenes = [str(i // 4) for i in range(120)]
        names = [str(i) for i in range(120)]
        found = mean_interval(values, hierarchical_weights(scenes, names, 150, seed=trial))
        hits += found.low <= 0.0 <= found.high
    assert 50 <= hits <= 60
