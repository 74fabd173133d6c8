"""How unsure a distribution is."""

import math

import numpy as np
import pytest

from foley_synthesis.beliefs.entropy import entropy


@pytest.mark.parametrize(
    ("p", "expected"),
    [((), math.nan), ((1.0, 0.0), 0.0), ((0.5, 0.5), math.log(2)), ((0.25,) * 4, math.log(4))],
)
def test_entropy(p: tuple[float, ...], expected: float) -> None:
    assert entropy(p) == pytest.approx(expected, nan_ok=True)


def test_each_row_has_its_own() -> None:
    rows = np.array([[1.0, 0.0], [0.5, 0.5]])
    assert entropy(rows) == pytest.approx([0.0, math.log(2)]) and entropy(np.zeros((0, 3))).shape == (0,)
