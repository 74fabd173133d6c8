"""What a plan leaves alone stays where it was when the plan came, in a recording as live."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from foley_perception.episodes.planned_path import _measured
from foley_perception.episodes.tracks import Series


@pytest.mark.parametrize(
    ("received_ns", "width"),
    [(501_000_000, 0.5), (503_999_999, 0.5), (504_000_000, 0.504), (-5, 0.0), (2_000_000_000, 0.996)],
)
def test_the_newest_joints_before_a_plan_are_its_own(received_ns: int, width: float) -> None:
    times = np.arange(0, 1_000_000_000, 4_000_000)
    joints = Series(times, (times / 1e9)[:, None], ("gripper_width",))
    episode, plan = SimpleNamespace(joints=joints), SimpleNamespace(received_ns=received_ns)
    found = _measured(cast(Any, episode), cast(Any, plan))
    assert found == {"gripper_width": pytest.approx(width)}


def test_without_joints_nothing_is_known() -> None:
    nothing = Series(np.zeros(0, np.int64), np.zeros((0, 1)), ("gripper_width",))
    for joints in (None, nothing):
        episode, plan = SimpleNamespace(joints=joints), SimpleNamespace(received_ns=1)
        assert _measured(cast(Any, episode), cast(Any, plan)) == {}
