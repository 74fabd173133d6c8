"""What contacts differ by, and rules that weigh it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from foley_synthesis.metrics.surprise import ContactSound
from foley_synthesis.metrics.surprise_scores import (
    SITUATIONS,
    Differences,
    Rule,
    disagreement,
    fit_rule,
    sound_difference,
)

RATE = 48_000


def tap(pitch_hz: float, amplitude: float = 0.5, rate: int = RATE) -> ContactSound:
    t = np.arange(round(0.9 * rate)) / rate - 0.25
    rng = np.random.default_rng(round(pitch_hz))
    tone = np.where(t >= 0, np.sin(2 * np.pi * pitch_hz * t) * np.exp(-15 * np.maximum(t, 0)), 0.0)
    noise = 1e-3 * rng.standard_normal(t.size)
    return ContactSound((amplitude * (tone + noise)).astype(np.float32), 0.25, rate)


def test_spectra_differ_by_what_rings_not_by_how_loud() -> None:
    louder, other = (sound_difference(tap(900.0), b) for b in (tap(900.0, 0.05), tap(4000.0)))
    assert louder < 0.05 and other > 1.0
    assert sound_difference(tap(900.0), tap(900.0, rate=16_000)) < 0.3 * other, "at the lower rate of the two"
    short = ContactSound(tap(900.0).samples[:20_000], 0.25, RATE)
    assert math.isnan(sound_difference(short, tap(900.0)))


def test_beliefs_disagree_as_little_as_one_material_is_probable_in_both() -> None:
    assert disagreement((0.9, 0.1), (0.8, 0.2)) == pytest.approx(-math.log(0.9 * 0.8 + 0.1 * 0.2))
    assert disagreement((1.0, 0.0), (0.0, 1.0)) == pytest.approx(-math.log(1e-6)), "never infinite"
    assert math.isnan(disagreement((), (0.5, 0.5))) and math.isnan(disagreement((1.0,), (0.5, 0.5)))


@pytest.mark.parametrize(
    ("differences", "first"),
    [
        (Differences(0.5, 1.0, 0.2, True), "again"),
        (Differences(0.5, 1.0, 0.2, False), "touched"),
        (Differences(0.5, 1.0), "belief"),
        (Differences(belief=1.0, before=0.2, same_action=True), "unplanned"),
        (Differences(belief=1.0, before=0.2), ""),
        (Differences(0.5), "sound"),
        (Differences(), ""),
    ],
)
def test_the_situation_in_which_most_is_known(differences: Differences, first: str) -> None:
    assert next((name for name, s in SITUATIONS.items() if s.holds(differences)), "") == first


def test_a_rule_weighs_what_tells_and_no_noise() -> None:
    rng = np.random.default_rng(0)
    expected = [Differences(a, b) for a, b in rng.normal((1.0, 1.0), 0.2, (400, 2))]
    other = [Differences(a, b) for a, b in rng.normal((1.0, 1.6), 0.2, (400, 2))]
    rule = fit_rule(("spectrum", "belief"), expected, other)
    spectrum, belief = rule.weights
    assert belief > 1.0 and 0.0 <= spectrum < 0.15 * belief
    assert rule.score(Differences(1.0, 1.0)) == pytest.approx(0.0, abs=0.2), "what is expected is about 0"
    assert rule.score(Differences(1.0, 2.0)) > rule.score(Differences(1.0, 1.5)) > 1.0
    assert math.isnan(rule.score(Differences(1.0)))
    assert Rule.from_dict(rule.to_dict()).weights == pytest.approx(rule.weights, abs=1e-5)
    with pytest.raises(ValueError, match="a rule needs two of each"):
        fit_rule(("spectrum",), expected[:1], other)


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"features": ("loudness",)}, "features"), ({"weights": (-1.0,)}, "weights"), ({"scales": (0.0,)}, "scales"),
     ({"means": (1.0, 2.0)}, "means")],
)  # fmt: skip
def test_a_rule_that_cannot_be(changed: dict[str, tuple[object, ...]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Rule(**{"features": ("spectrum",), "weights": (1.0,), "means": (0.0,), "scales": (1.0,), **changed})  # type: ignore[arg-type]
