import dataclasses

import numpy as np
import pytest

from foley_sim.sound.examples import RATE, STEEL, body, scene, tap
from foley_sim.sound.microphone import Microphone, MotorHum
from foley_sim.sound.renderer import SoundRenderer
from foley_sim.spec import MicrophoneSpec


def microphone(response=(), noise_dbfs=-400.0):
    return Microphone(sample_rate=RATE, gain_db=0.0, noise_dbfs=noise_dbfs, seed=[1], response=response)


def spectrum(response, noise_dbfs=-400.0, pressure=0.1):
    impulse = np.zeros(RATE)
    impulse[0] = pressure
    heard = microphone(response, noise_dbfs).record(impulse, np.zeros(RATE))
    return 20 * np.log10(np.abs(np.fft.rfft(heard.astype(float))) + 1e-30)


def test_a_peak_of_the_response_is_where_and_as_high_as_named():
    change = spectrum(((3000.0, 6.0, 2.0), (9000.0, -4.0, 3.0))) - spectrum(())
    assert change[3000] == pytest.approx(6.0, abs=0.3)
    assert change[9000] == pytest.approx(-4.0, abs=0.3)
    assert abs(change[100]) < 0.2 and abs(change[20_000]) < 0.2


def test_the_response_does_not_colour_the_noise_of_the_microphone():
    flat, peaked = (
        microphone(r, -40.0).record(np.zeros(RATE), np.zeros(RATE)) for r in ((), ((3000.0, 12.0, 1.0),))
    )
    np.testing.assert_array_equal(flat, peaked)


def test_cutting_the_time_line_changes_nothing():
    rng = np.random.default_rng(0)
    pressure = rng.standard_normal(RATE // 4)
    response = ((3000.0, 6.0, 2.0), (9000.0, -4.0, 3.0))
    whole = microphone(response, -60.0).record(pressure, np.zeros(pressure.size))
    again = microphone(response, -60.0)
    parts = [again.record(p, np.zeros(p.size)) for p in np.array_split(pressure, 37)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-7, rtol=0)


@pytest.mark.parametrize(
    "peak", [(0.0, 3.0, 1.0), (3e4, 3.0, 1.0), (3000.0, 3.0, 0.0), (3000.0, float("nan"), 1.0)]
)
def test_impossible_peaks_are_refused(peak):
    with pytest.raises(ValueError, match="response has a peak"):
        microphone((peak,))


def test_a_cardioid_is_quieter_from_behind():
    spec = body(STEEL)

    def loudness(axis, pattern="cardioid"):
        where = MicrophoneSpec(pattern=pattern, axis=axis)
        renderer = SoundRenderer(dataclasses.replace(scene(spec), microphone=where), seed=1)
        renderer.add(tap(spec))
        return float(np.abs(renderer.render(0.3)).max())

    towards = (0.0, 0.35, -0.3)
    away = (0.0, -0.35, 0.3)
    assert loudness(away) < 0.5 * loudness(towards)  # what is left came off the walls
    assert loudness(towards) == pytest.approx(loudness(towards, "omni"), rel=0.15)


def test_a_cardioid_needs_a_direction():
    where = MicrophoneSpec(pattern="cardioid", axis=(0.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="axis is"):
        SoundRenderer(dataclasses.replace(scene(body()), microphone=where), seed=1)


def test_speeds_told_early_and_out_of_order_give_the_same_hum():
    changes = [(100, 0.2), (5000, 0.9), (20_000, 0.4), (40_000, 0.0)]
    early, shuffled, live = (MotorHum([2], RATE) for _ in range(3))
    for change in changes:
        early.set_speed(*change)
    for change in (changes[2], changes[0], changes[3], changes[1]):
        shuffled.set_speed(*change)
    parts = []
    for start in range(0, RATE, 480):
        for change in changes:
            if start <= change[0] < start + 480:
                live.set_speed(*change)
        parts.append(live.run(start, 480))
    whole = early.run(0, RATE)
    assert whole.std() > 0.1
    np.testing.assert_allclose(shuffled.run(0, RATE), whole, atol=1e-12)
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-9)
