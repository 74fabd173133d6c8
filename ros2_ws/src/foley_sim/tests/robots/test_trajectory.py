import numpy as np
import pytest

from foley_sim.robots.trajectory import ProfileBuilder, Trajectory, quintic


def test_quintic_meets_both_ends():
    c = quintic(0.7, (1.0, -0.5, 2.0), (3.0, 0.25, -1.0))
    p = np.polynomial.Polynomial(c)
    for t, expected in ((0.0, (1.0, -0.5, 2.0)), (0.7, (3.0, 0.25, -1.0))):
        assert [p(t), p.deriv()(t), p.deriv(2)(t)] == pytest.approx(expected)


def test_profile_is_continuous_and_its_derivatives_belong_together():
    profile = ProfileBuilder(0.3).hold(0.1).move(0.4, 0.0, -0.5).push(0.05, 20.0).move(0.3, 0.3).build()
    t = np.linspace(0, profile.duration_s, 20001)
    position, velocity, acceleration = profile.sample(t)
    step = t[1] - t[0]
    assert np.abs(np.diff(position)).max() < 1.2 * np.abs(velocity).max() * step
    assert np.allclose(np.gradient(position, t), velocity, atol=2e-3)
    assert np.abs(np.diff(velocity)).max() < 1.2 * np.abs(acceleration).max() * step


def test_rest_outside_of_the_profile():
    profile = ProfileBuilder(1.0).move(0.5, 2.0).build()
    position, velocity, acceleration = profile.sample(np.array([-1.0, 0.0, 0.5, 9.0]))
    assert position.tolist() == pytest.approx([1, 1, 2, 2])
    assert velocity.tolist() == pytest.approx([0, 0, 0, 0])
    assert acceleration[[0, 3]].tolist() == [0, 0]


def test_trajectory_times_include_the_end():
    trajectory = Trajectory(
        (ProfileBuilder(0.0).move(0.333, 1.0).build(), ProfileBuilder(0.0).hold(0.2).build())
    )
    times = trajectory.times(100.0)
    assert times[0] == 0 and times[-1] == pytest.approx(0.333) and np.all(np.diff(times) > 0)
    assert trajectory.sample(times)[0].shape == (len(times), 2)


@pytest.mark.parametrize("duration", [0.0, -1.0, float("nan")])
def test_impossible_duration_is_refused(duration):
    with pytest.raises(ValueError, match="duration"):
        ProfileBuilder(0.0).move(duration, 1.0)
