"""The mean contact sound, where the tip is to touch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from foley_synthesis.flow.regression.template import LEAD, Template, touches_of

RATE = 125


def taps(at_s: list[float], speeds: list[float], seconds: float) -> np.ndarray:
    """Heights of a tip that comes down at these speeds and goes up again."""
    times = np.arange(round(seconds * RATE)) / RATE
    height = np.full(len(times), 0.03)
    for at, speed in zip(at_s, speeds, strict=True):
        height = np.minimum(height, np.abs(times - at) * speed - 0.0005)
    return height


def levels(at_s: list[float], loud: list[float], seconds: float, late_s: float = 0.016) -> torch.Tensor:
    """Each contact rings for half a second from a little after it."""
    over = torch.zeros(80, round(seconds * RATE))
    for at, level in zip(at_s, loud, strict=True):
        row = round((at + late_s) * RATE)
        over[:, row : row + 60] = level - 0.4 * torch.arange(60)
    return over


def test_touches_are_where_the_tip_comes_down_and_how_fast() -> None:
    found = touches_of(taps([1.0, 2.4], [0.1, 0.4], 4.0), 0.0)
    np.testing.assert_allclose(found.rows / RATE, [1.0 - 0.005, 2.4 - 0.00125], atol=1e-6)
    np.testing.assert_allclose(found.speeds, [0.1, 0.4], rtol=1e-6)
    assert len(touches_of(np.full(100, -0.001), 0.0).rows) == 0  # it rests on it


def test_lag_shape_and_level_are_learned_and_put_where_a_new_plan_touches() -> None:
    # 6 dB louder for each doubling of speed.
    speeds = [0.05, 0.1, 0.2, 0.4, 0.1, 0.2]
    at = [1.0, 3.0, 5.0, 7.0, 9.0, 11.0]
    loud = [40.0 + 20.0 * np.log10(speed / 0.1) for speed in speeds]
    heights, over = taps(at, speeds, 13.0), levels(at, loud, 13.0)
    template = Template.fit([(heights, (np.array(at) + 0.016) * RATE, over)])
    assert template.db_per_decade == pytest.approx(20.0, abs=3.0)
    made = template.levels_of(taps([0.8], [0.4], 2.5))
    first = int(torch.nonzero(made.mean(dim=0) > 10.0)[0])
    assert abs(first - (0.8 + 0.016) * RATE) <= 1
    assert float(made[:, first : first + 4].mean(dim=0).max()) == pytest.approx(
        40.0 + 20.0 * np.log10(4.0), abs=3.0
    )
    assert float(made[:, : first - LEAD].abs().max()) == 0.0
    assert made.shape == (80, round(2.5 * RATE))


def test_nothing_to_learn_from_is_said() -> None:
    with pytest.raises(ValueError, match="no tip comes down"):
        Template.fit([(np.full(500, 0.03), np.array([200.0]), torch.zeros(80, 500))])
