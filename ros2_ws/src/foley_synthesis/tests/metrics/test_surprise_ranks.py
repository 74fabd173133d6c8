"""Ranks of surprise: exact, by action, and their file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.checkpoint import CorruptCheckpoint
from foley_synthesis.metrics.surprise_ranks import (
    FILE,
    CalibratedRule,
    SurpriseTest,
    load_tests,
    p_value,
    save_test,
)
from foley_synthesis.metrics.surprise_scores import Differences, Rule

RULE = Rule(("spectrum",), (1.0,), (0.0,), (1.0,))


@pytest.mark.parametrize(
    ("score", "expected", "p"),
    [(9.0, [1, 2, 3], 0.25), (2.0, [1, 2, 3], 0.75), (0.0, [1, 2, 3], 1.0), (1.0, [], math.nan),
     (math.nan, [1.0], math.nan)],
)  # fmt: skip
def test_p_value(score: float, expected: list[float], p: float) -> None:
    assert p_value(score, expected) == pytest.approx(p, nan_ok=True)


def made(hits: int = 99, taps: int = 99) -> CalibratedRule:
    rng = np.random.default_rng(0)
    return CalibratedRule(RULE, {"hit": rng.normal(3.0, 1.0, hits), "tap": rng.normal(0.0, 1.0, taps)})


def test_each_action_has_the_nominal_rate_of_false_alarms() -> None:
    rng, rule = np.random.default_rng(1), made(1999, 1999)
    for action, mean in (("hit", 3.0), ("tap", 0.0)):
        p = np.array([rule.p_value(score, action) for score in rng.normal(mean, 1.0, 2000)])
        for level in (0.01, 0.05, 0.2):
            spread = 3 * math.sqrt(level * (1 - level) * (1 / 2000 + 1 / 1999))
            assert np.mean(p <= level) == pytest.approx(level, abs=spread), (action, level)


def test_an_action_with_few_contacts_is_ranked_among_all() -> None:
    rule = made(99, 30)
    assert rule.among("hit").size == 99
    assert rule.among("tap").size == rule.among("rub").size == 129
    assert rule.p_value(2.5, "tap") > 0.3, "common among hits, which are most of them"
    assert math.isnan(CalibratedRule(RULE, {}).p_value(1.0, "tap"))


def test_the_file_holds_one_test_for_each_two_models(tmp_path: Path) -> None:
    prior = FusionConfig(heard_weight=0.5, place_correlation=0.25)
    first = SurpriseTest({"sound": made()}, prior, "ear", "eye", {"datasets": ["a"]})
    save_test(first, tmp_path)
    save_test(SurpriseTest({"sound": made()}, prior, "other ear", "eye"), tmp_path)
    save_test(SurpriseTest({"sound": made(40, 50)}, prior, "ear", "eye", {"datasets": ["b"]}), tmp_path)
    other, test = load_tests(tmp_path)
    assert other.is_for("other ear", "eye") and test.is_for("ear", "eye") and not test.is_for("eye", "ear")
    assert test.fitted_on == {"datasets": ["b"]} and test.prior == prior
    verdict = test.verdict(Differences(9.0), "hit")
    assert verdict is not None and verdict.situation == "sound"
    assert verdict.p_value == pytest.approx(1 / 41) and verdict.percentile == pytest.approx(40 / 41)
    assert test.verdict(Differences(belief=1.0), "hit") is None
    assert load_tests(tmp_path / "nowhere") == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [("foley-surprise-1", "foley-surprise-9"), ("sound:", "smell:"), ("spectrum:", "colour:"), ("hit: ", "hit: x ")],
)  # fmt: skip
def test_a_damaged_file_is_named(tmp_path: Path, old: str, new: str) -> None:
    save_test(SurpriseTest({"sound": made()}, FusionConfig(), "ear", "eye"), tmp_path)
    path = tmp_path / FILE
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(CorruptCheckpoint, match=r"surprise\.yaml"):
        load_tests(tmp_path)
