import dataclasses

import numpy as np
import pytest

from foley_sim.sound import Impact, Sliding
from foley_sim.sound.contact import contact_time, effective_modulus, force_pulse
from foley_sim.sound.examples import OAK, RATE, RUBBER, STEEL
from foley_sim.spec import StrikerSpec

STRIKER = StrikerSpec()
GOOD_IMPACT = {
    "time_s": 1.0,
    "object_id": "a",
    "point": (0.0, 0.0, 0.1),
    "normal": (0.0, 0.0, 1.0),
    "impulse": 0.01,
    "speed": 0.3,
}
GOOD_SLIDING = {
    "start_s": 1.0,
    "end_s": 1.1,
    "object_id": "a",
    "point": (0.0, 0.0, 0.1),
    "slip_speed": 0.1,
    "normal_force": 2.0,
}


def test_contact_time_of_two_equal_steel_spheres():
    """Johnson, Contact Mechanics, section 11.4, worked by hand: m = 0.0163 kg, R = 0.01 m, E* = 110 GPa, v = 1 m/s.

    T = 2.87 (0.0163^2 / (0.01 * (1.0989e11)^2 * 1))^(1/5) = 57.8 us
    """
    steel = StrikerSpec(tip_radius=0.01, tip_mass=0.0326, youngs_modulus=2e11, poisson_ratio=0.3)
    assert effective_modulus(steel, STEEL) == pytest.approx(1.0989e11, rel=1e-3)
    expected = 2.87 * (0.0163**2 / (0.01 * 1.0989e11**2)) ** 0.2
    assert contact_time(steel, STEEL, 0.0326, 1.0) == pytest.approx(expected, rel=1e-3)
    assert expected == pytest.approx(57e-6, rel=0.1)


def test_contact_is_shorter_when_faster_lighter_or_stiffer():
    speeds = [contact_time(STRIKER, OAK, 0.3, v) for v in (0.05, 0.1, 0.3, 1.0)]
    assert speeds == sorted(speeds, reverse=True)
    masses = [contact_time(STRIKER, OAK, m, 0.3) for m in (0.01, 0.1, 1.0, 10.0)]
    assert masses == sorted(masses)
    materials = [contact_time(STRIKER, m, 0.3, 0.3) for m in (STEEL, OAK, RUBBER)]
    assert materials == sorted(materials)
    assert materials[2] > 4 * materials[0]


def test_resting_contact_does_not_last_forever():
    assert contact_time(STRIKER, OAK, 0.3, 0.0) == contact_time(STRIKER, OAK, 0.3, 1e-3) < 0.02


@pytest.mark.parametrize("duration_s", [1e-6, 5e-5, 3.3e-4, 8e-3])
@pytest.mark.parametrize("onset_s", [0.0, 0.1, 0.100013])
def test_pulse_carries_exactly_its_impulse(duration_s, onset_s):
    first, impulses = force_pulse(0.02, duration_s, onset_s, RATE)
    assert impulses.sum() == pytest.approx(0.02, rel=1e-9)
    assert (impulses >= 0).all()
    assert first / RATE <= onset_s < (first + 1) / RATE
    assert (first + impulses.size) / RATE >= onset_s + duration_s
    centre = ((first + np.arange(impulses.size) + 0.5) * impulses).sum() / impulses.sum() / RATE
    assert centre == pytest.approx(onset_s + duration_s / 2, abs=0.6 / RATE)


@pytest.mark.parametrize(("mass", "speed"), [(0.0, 1.0), (-1.0, 1.0), (float("nan"), 1.0), (1.0, -0.1)])
def test_impossible_bodies_are_refused(mass, speed):
    with pytest.raises(ValueError, match="contact"):
        contact_time(STRIKER, OAK, mass, speed)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time_s", float("nan")),
        ("time_s", -0.1),
        ("impulse", -1e-3),
        ("impulse", float("inf")),
        ("speed", -1.0),
        ("point", (0.0, float("nan"), 0.0)),
        ("point", (0.0, 0.0)),
        ("normal", (0.0, 0.0, 0.0)),
        ("normal", (0.0, 0.0, 2.0)),
    ],
)
def test_impossible_impacts_are_refused(field, value):
    Impact(**GOOD_IMPACT)
    with pytest.raises(ValueError, match=f"`a`.*{field}"):
        Impact(**{**GOOD_IMPACT, field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("end_s", 1.0),
        ("start_s", float("nan")),
        ("slip_speed", -0.1),
        ("normal_force", -1.0),
        ("normal_force", float("nan")),
        ("point", (float("inf"), 0.0, 0.0)),
    ],
)
def test_impossible_slides_are_refused(field, value):
    Sliding(**GOOD_SLIDING)
    with pytest.raises(ValueError, match=f"`a`.*{field}"):
        Sliding(**{**GOOD_SLIDING, field: value})


def test_events_are_values():
    assert dataclasses.replace(Impact(**GOOD_IMPACT), speed=0.5) == Impact(**{**GOOD_IMPACT, "speed": 0.5})
