"""The expression language: values, unknowns, and what is refused."""

from __future__ import annotations

import math

import pytest

from foley_synthesis.beliefs.expressions import Expression, ExpressionError, Facts

LABELS = ("wood", "metal")
NUMBERS = {
    "log10_youngs_modulus_mean": 10.0,
    "log10_youngs_modulus_std": 0.5,
    "roughness": 0.4,
    "abstain": 0.0,
    "contacts_heard": 3.0,
}
FACTS = Facts(NUMBERS, {"wood": 0.8, "metal": 0.2}, {"tap": 0.5, "hit": 0.5, "scratch": 0.1})


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
        ("above(log10_youngs_modulus_mean, 10, log10_youngs_modulus_std)", 0.5),
        ("above(log10_youngs_modulus_mean, 9.5, log10_youngs_modulus_std)", 0.841345),
        ("below(log10_youngs_modulus_mean, 9.5, log10_youngs_modulus_std)", 0.158655),
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
    ],
)
def test_value(source: str, expected: float) -> None:
    assert Expression(source, LABELS)(FACTS) == pytest.approx(expected, abs=1e-6, nan_ok=True)


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
        ("roughness.__class__", "Attribute"),
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
