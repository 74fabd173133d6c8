import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foley_perception.own_noise.bands import band_edges, decibels, densities, window_of
from foley_perception.own_noise.file import (
    OwnNoiseError,
    check_use,
    digest_of,
    read_own_noise,
    write_own_noise,
)
from foley_perception.own_noise.fit import knots_of
from foley_perception.own_noise.learn import Learnt, learn, stationary
from foley_perception.own_noise.model import BEYOND_DB, basis
from foley_perception.own_noise.sweep import SweepError


def test_bands_tell_the_density_of_white_noise_at_any_rate() -> None:
    for rate in (8_000, 44_100, 48_000):
        sound = 0.1 * np.random.default_rng(0).standard_normal((400, window_of(rate)))
        level = decibels(densities(sound, rate, band_edges(8_000)).mean(axis=0))
        np.testing.assert_allclose(level, 10 * np.log10(0.01 / (rate / 2)), atol=0.8)
    with pytest.raises(ValueError, match="sample_rate is 2000 Hz"):
        band_edges(2_000)


def test_knots_share_a_speed_between_neighbours() -> None:
    knots = np.array([[1.0, 2.0, 4.0]])
    speeds = np.array([[0.0], [0.5], [-1.0], [3.0], [9.0]])
    expected = [[0, 0, 0], [0.5, 0, 0], [1, 0, 0], [0, 0.5, 0.5], [0, 0, 1]]
    np.testing.assert_allclose(basis(speeds, knots, signed=False), expected)
    both = basis(speeds, knots, signed=True)
    np.testing.assert_allclose(both[2], [0, 0, 0, 1, 0, 0])
    np.testing.assert_allclose(both[3], [0, 0.5, 0.5, 0, 0, 0])


def test_noise_of_a_known_formula_is_foretold(made: Any, learnt: Learnt) -> None:
    speeds = np.array([[0, 0], [1, 0], [-2, 0], [0, 1.5], [1, 1], [0.3, 0.3]], float)
    told = learnt.model.expect(speeds).density.mean(axis=1) * made.rate / 2
    np.testing.assert_allclose(decibels(told), decibels(made.power(speeds)), atol=0.8)
    # Levels over ten windows of one bin each scatter by 1.4 dB whatever foretells them.
    assert learnt.error_db.mean() < 1.8 and learnt.floor_error_db.mean() > 6.0
    assert not learnt.model.signed and learnt.explained_db.mean() > 4.0


def test_speeds_beyond_the_sweep_and_unknown_ones_are_told(learnt: Learnt) -> None:
    found = learnt.model.expect(np.array([[1.0, 0.5], [9.0, 0.0], [np.nan, 0.5]]))
    assert found.known.tolist() == [True, True, False]
    assert found.wider_db.tolist() == [0.0, BEYOND_DB, 0.0]
    assert not found.density[2].any()
    levels = learnt.model.levels(found, learnt.model.into_bands(np.array([100.0, 1000.0, 2000.0])))
    assert np.isfinite(levels[:2]).all() and np.isneginf(levels[2]).all()


def test_a_direction_that_is_louder_is_learnt_apart(made: Any) -> None:
    sweep = made.sweep()
    louder = np.where(sweep.speeds[:, :1] > 0, 8.0, 1.0)
    found = learn(dataclasses.replace(sweep, power=sweep.power * louder)).model
    assert found.signed
    forth, back = found.expect(np.array([[1.5, 0.0], [-1.5, 0.0]])).density.mean(axis=1)
    assert 10 * np.log10(forth / back) == pytest.approx(9.0, abs=1.5)


def test_a_knock_is_left_out_and_many_refuse_the_sweep(made: Any) -> None:
    sweep = made.sweep()
    power = sweep.power.copy()
    power[800:803] *= 1000.0
    found = learn(dataclasses.replace(sweep, power=power))
    assert found.events_s == (8.0,) and "1 sounds that no motion explains" in found.notes[0]
    for i in range(400, 3000, 200):
        power[i : i + 3] *= 1000.0
    with pytest.raises(SweepError, match=r"sounds that no motion explains.*\(at 4\.0 s, 6\.0 s"):
        learn(dataclasses.replace(sweep, power=power))


def test_sweeps_that_say_too_little_are_refused(made: Any) -> None:
    with pytest.raises(SweepError, match=r"8\.0 s of sound with joints, 20 s are needed"):
        learn(made.sweep(8.0))
    sweep = made.sweep()
    with pytest.raises(SweepError, match=r"the joints move for 0\.0 s"):
        learn(dataclasses.replace(sweep, speeds=0 * sweep.speeds))
    still = dataclasses.replace(sweep, speeds=sweep.speeds * [1.0, 0.0])
    with pytest.raises(SweepError, match="elbow did not move, 1 of 2 joints did"):
        learn(still, named=True)
    found = learn(still)
    assert found.model.joints == ("shoulder",) and "elbow did not move" in found.notes[0]


def test_a_joint_that_moves_for_a_moment_is_learnt_at_the_speed_of_that_moment() -> None:
    speeds = np.zeros((18_000, 2))  # three minutes
    speeds[:, 0] = 1.0
    speeds[1000:1080, 1] = 0.5
    np.testing.assert_allclose(knots_of(speeds, 0.01)[:, -1], [1.0, 0.5])


def test_noise_that_does_not_follow_the_joints_is_told(made: Any) -> None:
    sweep = made.sweep()
    flat = np.random.default_rng(1).exponential(size=sweep.power.shape)
    found = learn(dataclasses.replace(sweep, power=1e-9 * flat))
    assert "hardly more than a stationary floor" in found.notes[-1]
    assert abs(found.explained_db.mean()) < 0.3
    floor = stationary(dataclasses.replace(sweep, power=1e-9 * flat))
    np.testing.assert_allclose(
        decibels(floor.expect(sweep.speeds[:3]).density), decibels(np.array(1e-9)), atol=0.5
    )


def test_the_file_gives_the_model_back_and_refuses_another_robot(learnt: Learnt, tmp_path: Path) -> None:
    path = write_own_noise(tmp_path, learnt.model)
    again = read_own_noise(tmp_path, microphone="USB Audio", sample_rate=8_000)
    for name in ("knots", "floor", "rise", "spread_db", "edges_hz"):
        np.testing.assert_array_equal(getattr(again, name), getattr(learnt.model, name))
    assert (again.joints, again.facts) == (learnt.model.joints, learnt.model.facts)
    assert digest_of(tmp_path) == digest_of(path)
    with pytest.raises(OwnNoiseError, match="learnt at 8000 Hz, the microphone gives 48000 Hz"):
        check_use(again, "f", sample_rate=48_000)
    with pytest.raises(OwnNoiseError, match="learnt of the microphone `USB Audio`, this is `Other`"):
        read_own_noise(path, microphone="Other")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(OwnNoiseError, match="no file of own noise"):
        read_own_noise(path)
    with pytest.raises(OwnNoiseError, match="cannot be read"):
        read_own_noise(tmp_path / "nothing.npz")
