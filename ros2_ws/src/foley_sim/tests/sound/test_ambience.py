import numpy as np
import pytest

from foley_sim.sound.ambience import AmbientSound, Hum
from foley_sim.sound.examples import RATE, body, scene
from foley_sim.sound.renderer import SoundRenderer
from foley_sim.spec import RoomSpec

KINDS = ("fan", "mains", "street")


def share(samples, low, high):
    power = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.fft.rfftfreq(samples.size, 1 / RATE)
    return float(power[(hz >= low) & (hz < high)].sum() / power.sum())


@pytest.mark.parametrize("kind", KINDS)
def test_it_has_unit_rms(kind):
    samples = AmbientSound(kind, [3], RATE).take(20 * RATE)
    assert 20 * np.log10(samples.std()) == pytest.approx(0.0, abs=1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_it_does_not_depend_on_how_it_is_read(kind):
    whole = AmbientSound(kind, [3], RATE).take(30_000)
    again, rng = AmbientSound(kind, [3], RATE), np.random.default_rng(0)
    parts = [again.take(int(n)) for n in rng.integers(1, 600, 90)]
    joined = np.concatenate(parts)
    assert joined.size > 20_000
    np.testing.assert_array_equal(joined[:30_000], whole[: joined.size])
    assert not np.array_equal(whole, AmbientSound(kind, [4], RATE).take(30_000))


def test_every_kind_sounds_like_itself():
    fan, mains, street = (AmbientSound(kind, [1], RATE).take(4 * RATE) for kind in KINDS)
    assert share(fan, 100, 2000) > 0.7
    assert share(street, 0, 400) > 0.7
    lines = sum(share(mains, hz - 1, hz + 1) for hz in (50, 100, 150))
    assert lines > 0.99


@pytest.mark.parametrize("kind", KINDS)
def test_the_room_has_it_at_the_level_that_the_scene_names(kind):
    room = RoomSpec(noise_dbfs=-400.0, motor_dbfs=-400.0, ambience=kind, ambience_dbfs=-55.0)
    samples = SoundRenderer(scene(body(), room=room), seed=1).render(12.0)
    assert 20 * np.log10(samples.std()) == pytest.approx(-55.0, abs=1.5)


def test_none_is_refused():
    with pytest.raises(ValueError, match="nothing to hear"):
        AmbientSound("none", [1], RATE)


def test_mains_and_motors_hum_at_the_place_s_own_pitch():
    samples = AmbientSound("mains", [1], RATE, mains_hz=60.05).take(20 * RATE)
    power = np.abs(np.fft.rfft(samples)) ** 2
    assert np.fft.rfftfreq(samples.size, 1 / RATE)[power.argmax()] == pytest.approx(60.05, abs=0.001)
    quiet = scene(body(), room=RoomSpec(noise_dbfs=-400.0, motor_dbfs=-50.0))
    peaks = []
    for motor_hz in (80.0, 120.0):
        sound = SoundRenderer(quiet, seed=1, hum=Hum(mains_hz=50.0, motor_hz=motor_hz))
        sound.set_joint_speed(0.0, 1.0)
        power = np.abs(np.fft.rfft(sound.render(4.0))) ** 2
        peaks.append(np.fft.rfftfreq(4 * RATE, 1 / RATE)[power.argmax()])
    assert peaks == pytest.approx([80.0, 120.0], abs=1.0)
