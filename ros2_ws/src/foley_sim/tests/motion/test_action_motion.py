import numpy as np
import pytest

from foley_sim.motion.action_motion import plan_motion, stroke_s
from foley_sim.robots.actions import ACTIONS, LANDED, Target

HOVER, LENGTH, TIP, TOP = 0.35, 0.16, 0.006, 0.05
JOINTS = np.array([0.0, 0.1, HOVER, 0.0])
MORE = {
    "scratch": {"stroke": (0.04, 0.0), "landing_speed": 0.06},
    "rub": {"stroke": (0.0, 0.03), "landing_speed": 0.06, "repeats": 4},
    "knock": {"repeats": 3, "interval_s": 0.2, "depth": 0.003},
    "pat": {"repeats": 2, "hold_s": 0.1, "depth": 0.004},
    "press": {"landing_speed": 0.06, "depth": 0.015, "hold_s": 0.7},
}


def _motion(action, **changes):
    """Target, time [n] from contact [s], tip position [n, 3] and velocity [n, 3]."""
    given = {"speed": 0.2, "depth": 0.002, **MORE.get(action, {}), **changes}
    target = Target("a", action, (0.1, -0.05, TOP), **given)
    trajectory, contact_s = plan_motion(JOINTS, target, 1.0, HOVER, LENGTH, TIP)
    times = trajectory.times(2000.0)
    position, velocity, _ = trajectory.sample(times)
    return target, times - contact_s, position[:, :3] - [0, 0, LENGTH], velocity[:, :3]


@pytest.mark.parametrize("action", ACTIONS)
def test_the_tip_comes_from_above_meets_the_face_in_time_and_ends_where_it_began(action):
    target, t, tip, velocity = _motion(action)
    at = np.argmin(np.abs(t))
    assert tip[at] == pytest.approx(target.point, abs=2e-4)
    assert -velocity[at, 2] == pytest.approx(target.approach, abs=0.03)
    assert np.all(tip[t < -0.002][:, 2] > TOP)
    assert tip[:, 2].min() == pytest.approx(TOP - target.depth, abs=2e-4)
    assert tip[-1, 2] == pytest.approx(HOVER - LENGTH) and velocity[-1] == pytest.approx(0, abs=1e-9)
    assert target.head == ("pad" if action in ("rub", "pat", "press") else "tip")
    assert (target.approach == target.landing_speed) == (action in LANDED)


@pytest.mark.parametrize(("action", "blows"), [("tap", 1), ("hit", 1), ("knock", 3), ("pat", 2)])
def test_blows_come_down_on_the_face_at_their_speed(action, blows):
    target, t, tip, velocity = _motion(action)
    below = tip[:, 2] < TOP - 1e-6
    starts = np.flatnonzero(~below[:-1] & below[1:])
    assert len(starts) == blows
    assert -velocity[starts, 2] == pytest.approx(target.speed, abs=0.02)
    if action == "knock":
        assert np.diff(t[starts]) == pytest.approx(target.interval_s, abs=2e-3)
        assert tip[(t > 0) & (t < 0.2)][:, 2].max() > TOP + 0.005, "it leaves the face between the blows"


def test_a_pat_rests_and_a_press_lasts():
    _, t, tip, _ = _motion("pat", repeats=1)
    deepest = t[tip[:, 2] < TOP - 0.004 + 1e-5]
    assert np.ptp(deepest) == pytest.approx(0.1, abs=0.02)
    target, t, tip, _ = _motion("press")
    assert np.ptp(t[tip[:, 2] < TOP]) == pytest.approx(target.hold_s, abs=0.2)


def test_a_rub_goes_to_and_fro():
    target, t, tip, velocity = _motion("rub")
    moving = np.sign(velocity[(t > 0.02) & (np.abs(velocity[:, 1]) > 0.01), 1])
    assert np.count_nonzero(np.diff(moving)) == target.repeats - 1
    assert np.abs(velocity[t > 0, 1]).max() == pytest.approx(target.speed, rel=0.01)
    assert np.ptp(tip[t > 0, 1]) == pytest.approx(0.03, abs=1e-4)
    assert stroke_s(target) == pytest.approx(1.875 * 0.03 / 0.2)


def test_on_an_incline_the_stick_stands_beside_the_point_it_touches():
    normal = (0.6, 0.0, 0.8)
    _, t, tip, _ = _motion("tap", normal=normal)
    at = np.argmin(np.abs(t))
    centre = tip[at] + [0, 0, TIP]
    assert centre == pytest.approx(np.add((0.1, -0.05, TOP), TIP * np.array(normal)), abs=2e-4)
