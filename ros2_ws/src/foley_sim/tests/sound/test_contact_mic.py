import dataclasses

import numpy as np
import pytest

from foley_sim.sound import Sliding
from foley_sim.sound.contact_mic import stick_modes
from foley_sim.sound.examples import OAK, QUIET, RATE, RUBBER, STEEL, body, scene, tap
from foley_sim.sound.renderer import SoundRenderer
from foley_sim.spec import ContactMicrophoneSpec, MicrophoneSpec, RoomSpec, StrikerSpec

SILENT = ContactMicrophoneSpec(noise_dbfs=-400.0)


def equipped(*objects, contact=SILENT, room=QUIET, **changes):
    return dataclasses.replace(scene(*objects, room=room), contact_microphone=contact, **changes)


def felt(spec, *events, cuts=(0.5,), scene_=None):
    renderer = SoundRenderer(scene_ or equipped(spec), seed=1)
    for event in events:
        renderer.add(event)
    parts = []
    for t in cuts:
        heard = renderer.render(float(t))
        assert renderer.contact_samples.shape == heard.shape
        parts.append(renderer.contact_samples)
    return np.concatenate(parts)


def test_a_scene_without_one_has_no_samples():
    renderer = SoundRenderer(scene(body()), seed=1)
    renderer.render(0.1)
    assert renderer.contact_samples is None


def test_it_hears_a_tap_at_once_and_nothing_of_the_room():
    spec = body(STEEL)
    near = felt(spec, tap(spec, time_s=0.1))
    assert np.abs(near[: round(0.1 * RATE) - 1]).max() < 1e-15
    onset = np.flatnonzero(np.abs(near) > 0.02 * np.abs(near).max())[0] / RATE
    assert onset == pytest.approx(0.1, abs=2e-4)
    elsewhere = equipped(spec, microphone=MicrophoneSpec(position=(0.5, 0.5, 0.9)))
    np.testing.assert_array_equal(near, felt(spec, tap(spec, time_s=0.1), scene_=elsewhere))
    assert np.abs(near[round(0.4 * RATE) :]).max() < 1e-3 * np.abs(near).max()


def test_levels_follow_speed_and_fit_the_range():
    spec = body(STEEL)
    renderer = SoundRenderer(equipped(spec), seed=1)
    peaks = []
    for k, speed in enumerate((0.1, 0.2, 0.4, 0.8)):
        renderer.add(tap(spec, time_s=0.05 + 0.5 * k, speed=speed))
        renderer.render(0.5 * (k + 1))
        peaks.append(float(np.abs(renderer.contact_samples).max()))
    assert peaks == sorted(peaks)
    assert peaks[0] > 0.03 and peaks[-1] < 0.8  # a tap at 0.1 m/s stands out, a hit at 0.8 m/s is not bent


def test_softer_things_excite_less_of_the_stick():
    hard, soft = (felt(body(m), tap(body(m))) for m in (STEEL, RUBBER))
    assert np.abs(soft).max() < 0.7 * np.abs(hard).max()


def test_friction_and_grains_do_not_need_the_air():
    spec = body(OAK)
    slides = [
        Sliding(0.1 + 0.004 * k, 0.104 + 0.004 * k, "thing", (0.0, 0.0, spec.top), v, 2.0)
        for k, v in enumerate([0.1] * 50)
    ]
    assert felt(spec, *slides)[7200:12000].std() > 1e-3


def test_cutting_the_time_line_changes_nothing():
    spec = body(OAK)
    events = [tap(spec, time_s=0.03), tap(spec, time_s=0.31)]
    events += [
        Sliding(0.1 + 0.004 * k, 0.104 + 0.004 * k, "thing", (0, 0, spec.top), 0.1, 2.0) for k in range(20)
    ]
    noisy = equipped(spec, contact=ContactMicrophoneSpec(), room=RoomSpec())
    whole = felt(spec, *events, scene_=noisy)
    rng = np.random.default_rng(0)
    for cuts in ([*np.sort(rng.uniform(0, 0.5, 100)), 0.5], np.arange(1, 51) / 100):
        np.testing.assert_allclose(felt(spec, *events, cuts=cuts, scene_=noisy), whole, atol=1e-7, rtol=0)


def test_motors_are_louder_here_by_what_the_scene_says():
    room = RoomSpec(noise_dbfs=-400.0, motor_dbfs=-50.0)
    renderer = SoundRenderer(
        equipped(
            body(), contact=dataclasses.replace(SILENT, motor_db=14.0, resonance_hz=20_000.0), room=room
        ),
        seed=1,
    )
    renderer.set_joint_speed(0.0, 1.0)
    heard = renderer.render(1.0)[RATE // 2 :]
    louder = 20 * np.log10(renderer.contact_samples[RATE // 2 :].std() / heard.std())
    assert louder == pytest.approx(14.0, abs=1.0)


def test_modes_of_the_stick_follow_its_length():
    hz, drive, gain = stick_modes(StrikerSpec(), RATE)
    longer, *_ = stick_modes(StrikerSpec(length=0.32), RATE)
    assert hz.shape == drive.shape == gain.shape
    assert hz[0] == pytest.approx(np.sqrt(1.0e10 / 1400.0) / (4 * 0.16))
    assert longer[0] == pytest.approx(hz[0] / 2)
    assert longer[3] == pytest.approx(hz[3] / 4)
