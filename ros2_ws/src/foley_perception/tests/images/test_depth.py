from __future__ import annotations

import re

import numpy as np
import pytest

from foley_perception.images import DepthScale


@pytest.mark.parametrize(
    ("values", "metres", "told"),
    [
        (np.array([[0, 800, 1200]], np.uint16), 1.2, ""),
        (np.array([[np.nan, 0.8, 1.2]], np.float32), 1.2, ""),
        (
            np.array([[np.nan, 800, 1200]], np.float32),
            1.2,
            "above 1000; 32FC1 means metres, .* for millimetres",
        ),
        (
            np.array([[0, 11000, 12000]], np.uint16),
            1.2,
            "above 1.15e.04; 16UC1 means .* for tenths of a millimetre",
        ),
        (np.array([[0, 40, 50]], np.uint16), 0.5, "above 45; .* for centimetres"),
    ],
)
def test_unit_by_the_values(values: np.ndarray, metres: float, told: str) -> None:
    scale = DepthScale()
    scale.look(values)
    seen = scale.metres(values)
    assert seen.dtype == np.float32 and np.isnan(seen[0, 0])
    assert seen[0, 2] == pytest.approx(metres) and scale.usable
    assert re.search(told, scale.problem) if told else scale.problem == ""


@pytest.mark.parametrize("value", [np.uint16(2), np.float32(0.001), np.float32(1e9)])
def test_depth_in_no_unit_is_left_out(value: np.generic) -> None:
    scale = DepthScale()
    scale.look(np.full((2, 2), value))
    assert np.isnan(scale.metres(np.full((2, 2), value))).all()
    assert not scale.usable and "depth is left out" in scale.problem


def test_an_image_without_readings_decides_nothing() -> None:
    scale = DepthScale()
    scale.look(np.zeros((2, 2), np.float32))
    assert np.isnan(scale.metres(np.zeros((2, 2), np.float32))).all() and scale.usable
    assert scale.metres(np.full((2, 2), 0.7, np.float32))[0, 0] == pytest.approx(0.7)
    scale.look(np.full((2, 2), 700, np.float32))
    assert scale.metres(np.full((2, 2), 700, np.float32))[0, 0] == pytest.approx(0.7)


def test_one_odd_image_among_the_first_is_outvoted() -> None:
    scale = DepthScale()
    for value in (20, 900, 900, 900):
        scale.look(np.full((2, 2), value, np.uint16))
    assert scale.metres(np.full((2, 2), 900, np.uint16))[0, 0] == pytest.approx(0.9) and scale.problem == ""
