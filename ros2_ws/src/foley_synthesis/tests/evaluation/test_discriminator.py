"""Which of two sounds belongs to a touch?"""

import numpy as np
import pytest

from foley_synthesis.evaluation.discriminator import Expectation, fooled


def test_it_finds_what_is_wrong_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    context = rng.normal(size=(400, 5))
    sound = context @ rng.normal(size=(5, 8)) + 0.3 * rng.normal(size=(400, 8))
    expectation = Expectation.fit(context[:200], sound[:200])
    asked, real = context[200:], expectation.evidence(context[200:], sound[200:])
    scenes = [f"s{i // 10}" for i in range(200)]
    wrong = expectation.evidence(asked, np.roll(sound[200:], 7, axis=0))
    assert fooled(real, wrong, scenes).mean() < 0.1, "another touch's sound"
    dull = expectation.evidence(asked, sound[200:] * 0.5)
    assert fooled(real, dull, scenes).mean() < 0.25, "a sound that is too small"
    assert (fooled(real, real, scenes) == 0.5).all()
    twin = expectation.evidence(asked, asked @ (expectation.weights * 0) + sound[200:])
    assert fooled(real, twin, scenes).mean() == pytest.approx(0.5)
    as_real = context[200:] @ np.linalg.lstsq(context, sound, rcond=None)[0] + 0.3 * rng.normal(size=(200, 8))
    share = fooled(real, expectation.evidence(asked, as_real), scenes).mean()
    assert 0.3 < share < 0.7, "drawn from the same distribution: a coin"
    assert (fooled(real[:10], wrong[:10], ["one"] * 10) == 0.5).all(), "one scene cannot teach about another"


@pytest.mark.parametrize("count", [12, 40])
def test_the_weights_are_those_of_ridge_regression_whichever_matrix_is_smaller(count: int) -> None:
    rng = np.random.default_rng(1)
    context, sound = rng.normal(size=(count, 25)), rng.normal(size=(count, 3))
    x, y = ((v - v.mean(axis=0)) / (v.std(axis=0) + 1e-6) for v in (context, sound))
    by_definition = np.linalg.solve(x.T @ x + 30.0 * np.eye(25), x.T @ y)
    np.testing.assert_allclose(Expectation.fit(context, sound).weights, by_definition, atol=1e-12)
