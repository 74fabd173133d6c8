import dataclasses
import math

import numpy as np
import pytest
from scipy import integrate

from foley_sim.condition import NONE, Condition, Crack, Fill, Part
from foley_sim.sound import conditions, modal
from foley_sim.sound.examples import OAK, STEEL, body
from foley_sim.spec import MaterialSample

GLASS = MaterialSample("glass", 2500.0, 7.0e10, 0.22, 2.0, 1e-8, 1e-3, 0.4, 0.0)


def bank(spec, condition):
    return modal.object_bank(dataclasses.replace(spec, condition=condition))


def vessel():
    return body(GLASS, shape="cylinder", size=(0.08, 0.08, 0.1), wall=0.003)


def part(loose, diameter=0.03):
    return Part(STEEL, diameter, 0.003, (0.3, 0.2), loose)


def test_a_full_glass_sounds_lower_by_the_water_that_moves_along():
    spec = vessel()
    level = 0.9
    families = modal._body_modes(spec)
    face, wall = families
    wet_face, wet_wall = conditions.changed(
        families, dataclasses.replace(spec, condition=Condition(fill=Fill(level)))
    )
    assert np.all(wet_face.frequency_hz >= face.frequency_hz)  # on air
    plate = math.sqrt(GLASS.youngs_modulus * 0.003**2 / 12 / GLASS.density / (1 - GLASS.poisson_ratio**2))
    k = np.sqrt(2 * np.pi * wall.frequency_hz / plate)
    ratio = 1 / np.sqrt(1 + level * 998.0 / (GLASS.density * 0.003 * k))
    assert wet_wall.frequency_hz / wall.frequency_hz == pytest.approx(ratio)
    assert 0.4 < ratio.min() < 0.7 and np.all(np.diff(ratio) > 0)  # the lowest most
    assert wet_wall.mass_kg / wall.mass_kg == pytest.approx(ratio**-2)
    brim = conditions.changed(families, dataclasses.replace(spec, condition=Condition(fill=Fill(1.0))))
    assert np.all(brim[0].frequency_hz < face.frequency_hz)


def test_the_less_air_is_left_under_a_thin_face_the_stiffer_it_is():
    """A supported plate's first mode has the mean shape 4 / pi^2; modes with an even number of waves push no air."""
    spec = body(STEEL, shape="box", size=(0.08, 0.06, 0.07), wall=0.001)
    face = modal._body_modes(spec)[0]
    level = 0.95
    filled = conditions.changed((face,), dataclasses.replace(spec, condition=Condition(fill=Fill(level))))[0]
    cavity = 0.078 * 0.058 * 0.068
    push = 0.08 * 0.06 * 4 / math.pi**2
    air = 1.42e5 * push**2 * (1 / (cavity * 0.05) - 1 / cavity) / face.mass_kg[0]
    expected = np.sqrt((2 * np.pi * face.frequency_hz[0]) ** 2 + air) / (2 * np.pi)
    assert filled.frequency_hz[0] == pytest.approx(expected, rel=2e-3)
    assert filled.frequency_hz[0] > 1.03 * face.frequency_hz[0]
    assert filled.frequency_hz[1] == pytest.approx(face.frequency_hz[1], rel=1e-6)
    round_face = modal._body_modes(vessel())[0]
    on_air = conditions.changed(
        (round_face,), dataclasses.replace(vessel(), condition=Condition(fill=Fill(level)))
    )[0]
    stiffer = on_air.frequency_hz > round_face.frequency_hz * (1 + 1e-9)
    assert np.array_equal(stiffer, round_face.order == 0)


def test_what_it_holds_slows_its_bounce_and_grain_takes_the_ring():
    spec = vessel()
    empty, water = bank(spec, NONE), bank(spec, Condition(fill=Fill(0.9)))
    grain = bank(spec, Condition(fill=Fill(0.9, "grain")))
    held = 998.0 * 0.9 * math.pi / 4 * 0.074**2 * 0.094
    assert water.mass - empty.mass == pytest.approx(held, rel=0.01)
    assert water.bounce_hz / empty.bounce_hz == pytest.approx(math.sqrt(empty.mass / water.mass))
    quality = [np.median(b.frequency_hz / b.decay) for b in (empty, water, grain)]
    assert quality[2] < 0.3 * quality[0] and quality[2] < 0.5 * quality[1]


def test_a_part_that_is_fast_is_a_mass_and_one_that_is_loose_is_none():
    spec = body(STEEL, shape="plate", size=(0.12, 0.09, 0.006), wall=0.0)
    free = bank(spec, NONE)
    assert np.array_equal(bank(spec, Condition(part=part(True))).frequency_hz, free.frequency_hz)
    families = modal._body_modes(spec)
    fast = conditions.changed(families, dataclasses.replace(spec, condition=Condition(part=part(False))))[0]
    phi = families[0].shapes(np.array([0.3 * 0.06, 0.2 * 0.045, 0.003]))
    f = families[0].frequency_hz
    added = part(False).mass / (1 + (f / 2000.0) ** 2) * phi**2
    assert fast.frequency_hz == pytest.approx(f / np.sqrt(1 + added / families[0].mass_kg))
    assert fast.frequency_hz[0] < 0.99 * f[0]


def test_the_compliance_of_a_crack_is_the_integral_of_its_stress_intensity():
    """F of an edge crack in bending (Tada): 1.122 - 1.40 x + 7.33 x^2 - 13.08 x^3 + 14 x^4, to 0.2 % up to 0.6."""
    for depth in (0.1, 0.3, 0.5):
        x = np.linspace(0, depth, 2001)
        factor = 1.122 - 1.40 * x + 7.33 * x**2 - 13.08 * x**3 + 14.0 * x**4
        assert conditions.opening(depth) == pytest.approx(integrate.trapezoid(x * factor**2, x), rel=0.03)


def test_a_crack_lowers_modes_that_bend_there_and_damps_them():
    spec = body(OAK, shape="bar", size=(0.14, 0.03, 0.02), wall=0.0)
    crack = Crack(0.5, (0.0, 0.0))
    whole = modal._body_modes(spec)[0]
    cracked = conditions.changed((whole,), dataclasses.replace(spec, condition=Condition(crack=crack)))[0]
    ratio = cracked.frequency_hz / whole.frequency_hz
    assert ratio[0] == pytest.approx(1 / math.sqrt(1 + conditions.softening(spec, crack)), rel=1e-3)
    assert ratio[1] == pytest.approx(1.0, abs=1e-3)  # a node lies on it
    assert cracked.extra_loss[0] == pytest.approx(0.015, rel=0.01) and cracked.extra_loss[1] < 1e-4


def test_a_crack_splits_the_pairs_of_a_round_body():
    spec = vessel()
    crack = Crack(0.6, (0.8, 0.0))
    wall = modal._body_modes(spec)[1]
    split = conditions.changed((wall,), dataclasses.replace(spec, condition=Condition(crack=crack)))[0]
    count = wall.frequency_hz.size
    low, stayed = split.frequency_hz[:count], split.frequency_hz[count:]
    assert np.array_equal(stayed, wall.frequency_hz) and np.all(low < 0.99 * stayed)
    on, off = np.array([0.03, 0.0, 0.05]), np.array([0.0, 0.03, 0.05])
    assert split.shapes(on)[:count] == pytest.approx(wall.shapes(on))
    assert split.shapes(on)[count:] == pytest.approx(0.0)
    both = split.shapes(off) ** 2  # a blow anywhere drives the pair as much as before
    assert both[:count] + both[count:] == pytest.approx(wall.shapes(off) ** 2)


@pytest.mark.parametrize(
    ("made", "match"),
    [
        (lambda: Fill(1.2), "level is 1.2"),
        (lambda: Fill(0.5, "mercury"), "filling is `mercury`"),
        (lambda: Crack(0.0, (0.0, 0.0)), "depth is 0.0"),
        (lambda: Crack(0.5, (1.5, 0.0)), "place is"),
        (lambda: dataclasses.replace(part(True), play=0.0), "play is 0.0"),
        (lambda: dataclasses.replace(part(True), restitution=1.0), "restitution is 1.0"),
        (lambda: dataclasses.replace(body(STEEL), condition=Condition(fill=Fill(0.5))), "can be filled"),
    ],
)
def test_impossible_conditions_are_refused(made, match):
    with pytest.raises(ValueError, match=match):
        made()
