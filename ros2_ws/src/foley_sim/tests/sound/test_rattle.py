import dataclasses
import math

import numpy as np
import pytest

from foley_sim.condition import NONE, Condition, Crack, Part
from foley_sim.sound import Sliding, rattle
from foley_sim.sound.examples import OAK, QUIET, RATE, STEEL, body, scene, tap
from foley_sim.sound.modal import object_bank
from foley_sim.sound.renderer import SoundRenderer


def plate(condition, material=STEEL):
    return dataclasses.replace(body(material), condition=condition)


def lid(**changes):
    part = Part(STEEL, 0.03, 0.002, (0.4, -0.2), loose=True)
    return Condition(part=dataclasses.replace(part, **changes))


def render(spec, *events, cuts=(1.0,)):
    renderer = SoundRenderer(scene(spec, room=QUIET), seed=1)
    for event in events:
        renderer.add(event)
    return np.concatenate([renderer.render(float(t)) for t in cuts])


class Alone:
    """A loose body on a body without modes that move: what it does by itself, sample by sample."""

    def __init__(self, *, pressed=9.81, play=0.01, restitution=0.5, speed=0.0, height=0.0):
        loose = rattle.LooseBody(0.01, pressed, play, restitution, np.zeros(1), 1e-4, 0.0)
        self.bank = rattle.RattlingResonators(
            np.array([1000.0]), np.array([100.0]), np.zeros(1), np.ones(1), (loose,),
            sample_rate=RATE, grid=480, silence=1e-9,
        )  # fmt: skip
        self.bank._moves[0, :2] = height, speed
        self.bank.ringing = True

    def run(self, seconds):
        """Impulses of its bounces by their time [s]."""
        found = []
        for i in range(round(seconds * RATE)):
            was_free = self.bank._moves[0, 3] >= self.bank._pulse.shape[1]
            self.bank.run(i, np.zeros(1), [])
            if was_free and self.bank._moves[0, 3] < self.bank._pulse.shape[1]:
                found.append((i / RATE, float(self.bank._moves[0, 2])))
        return found


def test_bounces_follow_gravity_and_restitution():
    """Thrown at v: back after 2 v / g; each flight is e times as long, each blow e times as hard."""
    bounces = Alone(speed=0.2, height=1e-9).run(0.09)
    times, impulses = (np.array(column) for column in zip(*bounces, strict=True))
    assert times[0] == pytest.approx(2 * 0.2 / 9.81, rel=0.01)
    assert np.diff(times)[:3] == pytest.approx(2 * 0.2 / 9.81 * 0.5 ** np.arange(1, 4), rel=0.08)
    assert impulses[:3] == pytest.approx(0.01 * 1.5 * 0.2 * 0.5 ** np.arange(3), rel=0.05)
    assert times[-1] < 2 * 0.2 / 9.81 / (1 - 0.5)  # and rests


def test_play_ends_at_a_stop_that_pushes_the_other_way():
    bounces = Alone(speed=0.2, height=1e-9, play=5e-4).run(0.01)
    times, impulses = zip(*bounces, strict=True)
    assert times[0] == pytest.approx(5e-4 / 0.2, rel=0.1) and impulses[0] < 0 < impulses[1]


def test_it_lies_still_on_what_does_not_move():
    alone = Alone(pressed=500.0)
    assert alone.run(0.02) == []
    alone.bank.settle(False)
    assert not alone.bank.ringing


@pytest.mark.parametrize("material", [STEEL, OAK])
@pytest.mark.parametrize(
    "condition", [lid(), lid(diameter=0.06, thickness=0.006), Condition(crack=Crack(0.5, (0.1, 0.2)))]
)
def test_rattling_takes_energy_and_gives_none(condition, material):
    spec = plate(condition, material)
    bank = object_bank(spec)
    loose = rattle.loose_bodies(spec, bank)
    modes = rattle.RattlingResonators(
        bank.frequency_hz, bank.decay, bank.radiation, bank.mass_kg, loose,
        sample_rate=RATE, grid=480, silence=1e-9,
    )  # fmt: skip
    modes._re += bank.drive(np.array([0.01, 0.01, 0.003]), 0.03, 2e-4) * 0.02
    modes.ringing = True

    def energy():
        vibration = 0.5 * np.sum(bank.mass_kg * (modes._re**2 + modes._im**2))
        height, speed = modes._moves[0, :2]
        return vibration + loose[0].mass * (0.5 * speed**2 + loose[0].pressed * max(height, 0.0))

    first, largest, bounced = energy(), 0.0, False
    for i in range(1500):
        modes.run(i, np.zeros(1), [])
        largest = max(largest, energy())
        bounced |= bool(modes._moves[0, 4] != 0)
    assert largest < 1.01 * first and bounced


def test_a_loose_part_sounds_after_the_blow_and_a_fast_one_does_not():
    fast, loose = (render(plate(lid(loose=state)), tap(plate(NONE), speed=0.6)) for state in (False, True))
    first, later = (slice(round(a * RATE), round(b * RATE)) for a, b in ((0.05, 0.06), (0.1, 0.2)))
    treble = [[float(np.std(np.diff(x[part]))) for part in (first, later)] for x in (fast, loose)]
    assert treble[1][0] == pytest.approx(treble[0][0], rel=0.5)
    assert treble[1][1] > 2 * treble[0][1]


def test_a_crack_buzzes_under_a_hard_blow_only():
    crack = Condition(crack=Crack(0.5, (0.1, 0.2)))
    spec = plate(crack)
    loose = rattle.loose_bodies(spec, object_bank(spec))
    assert loose[0].pressed >= 60.0

    def shape(speed):
        sound = render(spec, tap(spec, speed=speed))
        return sound / np.abs(sound).max()

    soft, softer, hard = shape(2e-5), shape(1e-5), shape(0.5)
    assert np.abs(soft - softer).max() < 0.02  # does not open: linear, but for the blow's duration
    assert np.abs(hard - soft).max() > 0.1


def test_cutting_the_time_line_changes_nothing():
    spec = plate(dataclasses.replace(lid(), crack=Crack(0.5, (0.1, 0.2))))
    slides = [
        Sliding(0.3 + 0.02 * k, 0.32 + 0.02 * k, "thing", (0.01, 0.0, spec.top), 0.1, 4.0) for k in range(5)
    ]
    events = [tap(spec), tap(spec, time_s=0.093), *slides]
    whole = render(spec, *events)
    cut = render(spec, *events, cuts=(0.0501, 0.0777, 0.1, 0.123456, 0.31, 0.5, 1.0))
    assert whole.shape == cut.shape and np.abs(whole - cut).max() < 1e-7
    assert np.isfinite(whole).all()


def test_a_resting_part_hears_a_scrape():
    spec = plate(lid())
    slides = [
        Sliding(0.1 + 0.02 * k, 0.12 + 0.02 * k, "thing", (0.01, 0.0, spec.top), 0.2, 6.0) for k in range(20)
    ]
    with_part, fast = (render(plate(lid(loose=state)), *slides) for state in (True, False))
    assert not np.allclose(with_part, fast, atol=1e-6)
    assert math.isfinite(float(with_part.sum()))
