import dataclasses
import itertools

import numpy as np
import pytest

from foley_sim.materials import draw_material
from foley_sim.sound import Hold, Impact, Sliding
from foley_sim.sound.examples import OAK, QUIET, RATE, body, scene, tap
from foley_sim.sound.grains import LONGEST_DELAY_S, MAX_GRAINS, GrainVoice, work
from foley_sim.sound.renderer import SoundRenderer

GRAVEL = draw_material("gravel", np.random.default_rng(0))
PAPER = draw_material("paper", np.random.default_rng(0))
FABRIC = draw_material("fabric", np.random.default_rng(0))
UP, HERE = (0.0, 0.0, 1.0), (0.0, 0.0, 0.02)


def voice(material=GRAVEL, seed=1):
    return GrainVoice(material, 0.03, [seed], RATE)


def sound(material, *events, seed=1, seconds=0.5):
    grains = voice(material, seed)
    for event in events:
        grains.add(event, 0)
    out = np.zeros(round(seconds * RATE))
    grains.run(0, out)
    return out


def hit(speed, time_s=0.1):
    return Impact(time_s, "thing", HERE, UP, 0.03 * speed * 1.4, speed)


def slide(speed, start_s=0.1, force=2.0):
    return Sliding(start_s, start_s + 0.2, "thing", HERE, speed, force)


def test_work_is_kinetic_frictional_and_of_pressing():
    assert work(hit(0.4), GRAVEL, 0.03) == pytest.approx(0.5 * 0.03 * 0.16)
    assert work(slide(0.1), GRAVEL, 0.03) == pytest.approx(GRAVEL.friction * 2.0 * 0.1 * 0.2)
    press = Hold(0.1, 0.3, "thing", HERE, 5.0, 0.02)
    assert work(press, GRAVEL, 0.03) == pytest.approx(5.0 * 0.02 * 0.2)
    assert work(dataclasses.replace(press, indent_speed=-0.02), GRAVEL, 0.03) == 0.0


@pytest.mark.parametrize("material", [GRAVEL, PAPER, FABRIC])
def test_energy_grows_with_the_work(material):
    energies = []
    for speed in (0.1, 0.2, 0.4, 0.8):
        sounds = [sound(material, hit(speed), seed=seed) for seed in range(240)]
        energies.append(np.mean([np.sum(s**2) for s in sounds]))
    assert energies == sorted(energies)
    assert energies[-1] / energies[0] == pytest.approx(64, rel=0.6)


def test_more_work_than_the_bound_keeps_its_energy():
    assert GRAVEL.grain_rate * work(hit(3.0), GRAVEL, 0.03) > MAX_GRAINS
    few, many = (np.mean([np.sum(sound(GRAVEL, hit(v), seed=s) ** 2) for s in range(20)]) for v in (1.0, 4.0))
    assert many / few == pytest.approx(16, rel=0.4)


def test_nothing_sounds_before_its_event():
    for event, begin in ((hit(0.8), 0.1), (slide(0.2), 0.1), (Hold(0.1, 0.2, "thing", HERE, 9.0, 0.1), 0.1)):
        out = sound(GRAVEL, event)
        assert np.abs(out[: int(begin * RATE)]).max() == 0.0
        assert np.abs(out).max() > 0.01
    late = 0.1 + LONGEST_DELAY_S + 8 * GRAVEL.grain_decay_s
    assert np.abs(sound(GRAVEL, hit(0.8))[round(late * RATE) :]).max() == 0.0


def test_cut_and_order_change_nothing():
    events = [hit(0.5), slide(0.2), Hold(0.12, 0.15, "thing", HERE, 4.0, 0.05), hit(0.3, 0.22)]
    whole = sound(GRAVEL, *events)
    grains = voice()
    for event in reversed(events):
        grains.add(event, 0)
    parts, rng = [], np.random.default_rng(0)
    edges = [0, *np.sort(rng.choice(np.arange(1, whole.size), 400, replace=False)), whole.size]
    for begin, end in itertools.pairwise(edges):
        part = np.zeros(end - begin)
        if grains.due(end):
            grains.run(int(begin), part)
        parts.append(part)
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-12, rtol=0)
    assert not grains.due(2**50)


def test_a_late_event_begins_now():
    grains = voice()
    grains.add(hit(0.8, 0.1), 24_000)
    assert grains.next_start() == 24_000


def test_clicks_of_paper_are_fewer_and_farther_apart_in_strength():
    """Kurtosis of the samples: heavy tails stand out of the rest."""

    def kurtosis(material):
        x = np.concatenate([sound(material, slide(0.1), seed=s)[4800:14400] for s in range(4)])
        return float(np.mean(x**4) / np.mean(x**2) ** 2)

    assert kurtosis(PAPER) > 2 * kurtosis(FABRIC)


def test_objects_with_grains_are_heard_through_the_room_and_solids_have_none():
    def level(material):
        spec = body(material, "box", (0.1, 0.1, 0.05))
        renderer = SoundRenderer(scene(spec, room=QUIET), seed=1)
        renderer.add(tap(spec, time_s=0.0, speed=0.5))
        heard = renderer.render(0.3)
        assert np.isfinite(heard).all() and renderer.limited_samples == 0
        return float(np.abs(heard).max())

    silent = dataclasses.replace(GRAVEL, grain_hz=0.0)
    assert level(GRAVEL) > 3 * level(silent)
    assert sound(OAK, hit(0.5)).max() == 0.0
