"""The inner loops against what they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from foley_sim.hearing import kernels


def _f(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_modes_ring_as_decaying_sines() -> None:
    omega, rate, gain = _f(0.05, 0.7, *[0.3] * 20), _f(0.001, 0.02, *[0.5] * 20), _f(1.0, -0.5, *[0.1] * 20)
    out = np.zeros(3000, np.float32)
    kernels.ring(omega, rate, gain, np.zeros(22, np.float32), out)
    i = np.arange(3000)[:, None]
    expected = (gain * np.exp(-rate * i) * np.sin(omega * i)).sum(1)
    np.testing.assert_allclose(out, expected, atol=2e-3)


def test_a_mode_begins_at_its_phase() -> None:
    out = np.zeros(10, np.float32)
    kernels.ring(_f(0.1), _f(0.01), _f(2.0), _f(np.pi / 2), out)
    assert out[0] == pytest.approx(2.0)


@pytest.mark.parametrize("width", [0.1, 3.0, 40.0])
def test_the_area_of_a_pulse_is_its_impulse(width: float) -> None:
    out = np.zeros(100, np.float32)
    kernels.add_pulses(_f(10.3), _f(0.7), _f(width), out)
    assert out.sum() == pytest.approx(0.7, rel=1e-5)
    assert not out[:10].any()
    assert not out[10 + int(max(width, 2)) + 2 :].any()


def test_a_pulse_is_highest_in_its_middle() -> None:
    out = np.zeros(100, np.float32)
    kernels.add_pulses(_f(20.0), _f(1.0), _f(40.0), out)
    assert np.argmax(out) == 40


def test_grains_begin_between_samples() -> None:
    out = np.zeros(400, np.float32)
    kernels.add_grains(_f(50.5), _f(2.0), _f(0.4), _f(0.05), out)
    t = np.arange(51, 150) - 50.5
    np.testing.assert_allclose(out[51:150], 2 * np.exp(-0.05 * t) * np.sin(0.4 * t), atol=1e-4)
    assert not out[:51].any()


def test_a_compressor_lowers_what_is_above_its_threshold_only() -> None:
    loud, soft = np.full(2000, 0.8, np.float32), np.full(2000, 0.05, np.float32)
    for x in (loud, soft):
        kernels.compress(x, 0.1, 1.0, 0.1, 0.01)
    assert loud[-1] == pytest.approx(0.1, rel=0.02)
    assert soft[-1] == pytest.approx(0.05)


def test_a_formant_lets_its_own_frequency_through() -> None:
    t = np.arange(8000) / 8000
    levels = []
    for hz in (500.0, 1500.0):
        out = np.zeros(8000, np.float32)
        source = np.sin(2 * np.pi * hz * t).astype(np.float32)
        kernels.formants(source, np.full((1, 3), 500, np.float32), _f(80), 8000.0, out)
        levels.append(float(np.abs(out[4000:]).max()))
    assert levels[0] > 10 * levels[1]


def test_energy_between_edges() -> None:
    out = np.zeros(2)
    kernels.octave_energy(np.array([1, 2j, 3, 1 + 1j], np.complex64), np.array([0, 2, 4]), out)
    assert out.tolist() == [5.0, 11.0]
