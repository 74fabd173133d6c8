"""The expression language: values, unknowns, and what is refused."""

from __future__ import annotations

import math

import pytest

from foley_synthesis.beliefs.expressions import Expression, ExpressionError, Facts, Source, Use

LABELS = ("wood", "metal")
NUMBERS = {
    "log10_youngs_modulus_pa_mean": 10.0,
    "log10_youngs_modulus_pa_std": 0.5,
    "roughness": 0.4,
    "abstain": 0.0,
    "contacts_heard": 3.0,
}
FACTS = Facts(
    NUMBERS, {"wood": 0.8, "metal": 0.2}, {"tap": 0.5, "hit": 0.5, "scratch": 0.1}, {"lid_is_tight": 0.9}
)
OTHER = Facts(
    {**NUMBERS, "roughness": 0.1, "log10_youngs_modulus_pa_mean": 9.0},
    {"wood": 0.1, "metal": 0.9},
    {"tap": 1.0},
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1", 1.0),
        ("-2 + 3 * 4 / 2", 4.0),
        ("1 / 0", math.nan),
        ("roughness", 0.4),
        ("hollowness", math.nan),
        ('probability("wood")', 0.8),
        ('probability("wood") and probability("metal")', 0.16),
        ('probability("wood") or probability("metal")', 1 - 0.2 * 0.8),
        ('not probability("wood")', 0.2),
        ("above(log10_youngs_modulus_pa_mean, 10, log10_youngs_modulus_pa_std)", 0.5),
        ("above(log10_youngs_modulus_pa_mean, 9.5, log10_youngs_modulus_pa_std)", 0.841345),
        ("below(log10_youngs_modulus_pa_mean, 9.5, log10_youngs_modulus_pa_std)", 0.158655),
        ("above(roughness, 0.3, 0)", 1.0),
        ("above(hollowness, 0.3, 0.1)", math.nan),
        ("contacts_heard >= 3", 1.0),
        ("1 < contacts_heard < 3", 0.0),
        ("hollowness > 0.5", math.nan),
        ("hollowness > 0.5 or 1", math.nan),
        ("min(roughness, 0.1, 7)", 0.1),
        ("max(roughness, hollowness)", math.nan),
        ("clip(3 * roughness)", 1.0),
        ('happened("tap", "hit")', 0.75),
        ('happened("press")', 0.0),
        ("True", 1.0),
        ("x.roughness", 0.4),
        ('probability("wood", x)', 0.8),
        ('taught("lid_is_tight")', 0.9),
        ('taught("is_full")', math.nan),
        ("hypot(3, 4)", 5.0),
        ("hypot(3, hollowness)", math.nan),
    ],
)
def test_value(source: str, expected: float) -> None:
    expression = Expression(source, LABELS, taught=("lid_is_tight", "is_full"))
    assert expression(FACTS) == pytest.approx(expected, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a.roughness - b.roughness", 0.3),
        ('probability("wood", b)', 0.1),
        ('probability("metal", a) and not probability("metal", b)', 0.2 * 0.1),
        ('happened("tap", "hit", a)', 0.75),
        ('happened("tap", "hit", b)', 1.0),
        ('taught("lid_is_tight", a)', 0.9),
        ('taught("lid_is_tight", b)', math.nan),
        ("same_material(a, b)", 0.8 * 0.1 + 0.2 * 0.9),
        (
            "above(a.log10_youngs_modulus_pa_mean - b.log10_youngs_modulus_pa_mean, 0, hypot(0.6, 0.8))",
            0.841345,
        ),
    ],
)
def test_two_objects(source: str, expected: float) -> None:
    expression = Expression(source, LABELS, parameters=("a", "b"), taught=("lid_is_tight",))
    assert expression(FACTS, OTHER) == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_uses_say_what_it_rests_on() -> None:
    source = 'probability("wood", a) * b.roughness * happened("tap", b) + taught("full", a) + a.surprise_percentile'
    assert Expression(source, LABELS, parameters=("a", "b"), taught=("full",)).uses == {
        Use(0, Source.PROBABILITIES),
        Use(1, Source.NUMBERS),
        Use(1, Source.ACTIONS, "tap"),
        Use(0, Source.TAUGHT, "full"),
        Use(0, Source.SURPRISE),
    }


def test_nothing_known_is_nan() -> None:
    nothing = Facts({}, {}, {})
    for source in ('probability("wood")', 'happened("tap")', "roughness", "contacts_heard > 2"):
        assert math.isnan(Expression(source, LABELS)(nothing))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "invalid syntax"),
        ("1 +", "invalid syntax"),
        ("x = 1", "invalid syntax"),
        ("stiffness", "`stiffness` is not known"),
        ("__import__('os')", "function `__import__` is not known"),
        ("roughness.__class__", "`roughness` of `roughness.__class__` is no parameter: it has x"),
        ("x.__class__", "`__class__` is not known"),
        ("x", "`x` is an object: name a field of it"),
        ("x.x", "`x` is not known"),
        ("x.roughness.real", "Attribute"),
        ("roughnes", "did you mean `roughness`"),
        ('probability("metl")', "did you mean `metal`"),
        ("log10_youngs_modulus_mean", "is called `log10_youngs_modulus_pa_mean` now"),
        ("x.entropy", "is called `entropy_nat` now"),
        ('taught("lid")', "`lid` is not known to `taught`; it has none"),
        ("same_material(x)", "takes two objects"),
        ('happened("tap", y)', "quoted"),
        ("(1).bit_length()", "Call"),
        ("[1][0]", "Subscript"),
        ("lambda: 1", "Lambda"),
        ("1 if roughness else 0", "IfExp"),
        ("'text'", "Constant"),
        ("2 ** 99999", "BinOp"),
        ("1e999", "finite"),
        ("roughness in roughness", "In is not allowed"),
        ("(roughness := 1)", "NamedExpr"),
        ('probability("tin")', "`tin` is not known"),
        ("probability(wood)", "quoted"),
        ("probability()", "takes 1 to 1"),
        ("probability('wood', 'metal')", "takes 1 to 1"),
        ("above(1, 2)", "takes 3 arguments"),
        ("above(1, 2, std=3)", "Call"),
        ("min(*roughness)", "Starred"),
        ('happened("kick")', "`kick` is not known"),
        ("-" * 5000 + "1", "at most"),
        ("(" * 400 + "1" + ")" * 400, "nested|parenthes"),
    ],
)
def test_refused(source: str, said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        Expression(source, LABELS)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("roughness", "`roughness` of which object"),
        ('probability("wood")', "`probability` of which object"),
        ('happened("tap")', "of which object"),
        ("z.roughness", "`z` of `z.roughness` is no parameter: it has x, y"),
        ("same_material(x, roughness)", "two objects"),
        ("above(x, y, 1)", "`x` is an object"),
    ],
)
def test_refused_of_two_objects(source: str, said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        Expression(source, LABELS, parameters=("x", "y"))
