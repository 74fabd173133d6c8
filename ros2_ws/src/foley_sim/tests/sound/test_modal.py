import dataclasses
import math

import numpy as np
import pytest

from foley_sim.materials import MATERIALS, ranges
from foley_sim.sound import modal, modes
from foley_sim.sound.examples import OAK, RUBBER, STEEL, body, random_body
from foley_sim.spec import SHAPES


def test_thin_plate_matches_kirchhoff():
    """w_mn = pi^2 sqrt(D / rho h) (m^2 / a^2 + n^2 / b^2), D = E h^3 / 12 (1 - nu^2)."""
    a, b, h = 0.30, 0.20, 0.002
    stiffness = STEEL.youngs_modulus * h**3 / (12 * (1 - STEEL.poisson_ratio**2))
    wave = math.pi**2 * math.sqrt(stiffness / (STEEL.density * h)) / (2 * math.pi)
    expected = sorted(wave * ((m / a) ** 2 + (n / b) ** 2) for m in range(1, 20) for n in range(1, 20))[:12]
    found = modes.plate(a, b, h, STEEL).frequency_hz[:12]
    np.testing.assert_allclose(found, expected, rtol=0.01)


def test_thin_bar_matches_euler_bernoulli():
    """beta L = 4.7300, 7.8532, 10.9956, 14.1372, 17.2788 (Blevins)."""
    length, height = 0.4, 0.005
    beta = np.array([4.7300, 7.8532, 10.9956, 14.1372, 17.2788]) / length
    expected = beta**2 / (2 * math.pi) * math.sqrt(STEEL.youngs_modulus * height**2 / (12 * STEEL.density))
    found = modes.bar(length, 0.03, height, STEEL).frequency_hz[:5]
    np.testing.assert_allclose(found, expected, rtol=0.01)


def test_clamped_disc_matches_leissa():
    """lambda^2 = 10.2158, 21.260, 34.877, 39.771, 51.030 (Leissa, table 2.1)."""
    radius, h = 0.1, 0.001
    speed = math.sqrt(STEEL.youngs_modulus * h**2 / (12 * STEEL.density * (1 - STEEL.poisson_ratio**2)))
    expected = np.array([10.2158, 21.260, 34.877, 39.771, 51.030]) * speed / (2 * math.pi * radius**2)
    np.testing.assert_allclose(modes.disc(radius, h, STEEL).frequency_hz[:5], expected, rtol=0.01)


def test_thick_bodies_lie_below_their_thin_formula():
    thick = modes.bar(0.2, 0.04, 0.04, STEEL).frequency_hz[0]
    thin = (
        4.73004**2 / 0.2**2 / (2 * math.pi) * math.sqrt(STEEL.youngs_modulus * 0.04**2 / (12 * STEEL.density))
    )
    assert 0.7 * thin < thick < 0.95 * thin


def test_free_free_shape_has_unit_rms_and_is_two_at_the_ends():
    length = 0.3  # its first mode is inside the audible range, and so are seven more
    bar = modes.bar(length, 0.03, 0.002, STEEL)
    x = np.linspace(-length / 2, length / 2, 2001)
    shapes = np.stack([bar.shapes(np.array([u, 0.0, 0.0])) for u in x])[:, :8]
    np.testing.assert_allclose((shapes**2).mean(axis=0), 1.0, atol=0.01)
    np.testing.assert_allclose(np.abs(shapes[[0, -1]]), 2.0, rtol=1e-6)
    assert (shapes[0] * shapes[-1] > 0).tolist() == [True, False] * 4


def test_where_it_is_struck_decides_which_modes_ring():
    bank = modal.object_bank(body(STEEL))
    plate = bank.families[0]
    centre = plate.shapes(np.zeros(3))
    off = plate.shapes(np.array([0.03, 0.02, 0.0]))
    second = int(np.argmin(np.abs(centre[:4])))
    assert abs(centre[second]) < 1e-9 < abs(off[second])
    assert centre[0] > off[0] > 0


def test_metal_rings_longer_than_wood_and_wood_longer_than_rubber():
    def longest(material):
        """Among modes around 1 kHz: far below, where only rubber has modes, even they last."""
        bank = modal.object_bank(body(material))
        return float(bank.t60()[(bank.frequency_hz > 600) & (bank.frequency_hz < 2000)].max())

    assert longest(STEEL) > 2 * longest(OAK) > 4 * longest(RUBBER)


def test_damping_follows_rayleigh_and_loss_factor():
    bank = modal.object_bank(body(STEEL))
    free = (STEEL.damping_alpha + STEEL.damping_beta * (2 * np.pi * bank.frequency_hz) ** 2) / 2
    assert (bank.decay > free).all()
    np.testing.assert_allclose(bank.t60() * bank.decay, math.log(1000.0))


def test_hollow_bodies_are_lower_and_louder_than_solid_ones():
    size = (0.11, 0.08, 0.06)
    hollow = modal.object_bank(body(OAK, "box", size, wall=0.004))
    solid = modal.object_bank(body(OAK, "box", size))
    first = [bank.families[0].frequency_hz[0] for bank in (hollow, solid)]
    assert first[0] < 0.5 * first[1]
    assert hollow.frequency_hz.size > 2 * solid.frequency_hz.size
    point = np.array([0.02, 0.01, 0.03])
    loud = [float(np.sum(np.abs(b.radiation * b.drive(point, 0.03, 3e-4)))) for b in (hollow, solid)]
    assert loud[0] > 3 * loud[1]


def test_a_light_surface_cannot_leave_faster_than_its_striker():
    paper = body(OAK, "plate", (0.2, 0.14, 0.001))
    bank = modal.object_bank(paper)
    point = np.array([0.03, 0.02, 0.0])
    slow = bank.frequency_hz < 500
    velocity = float(np.sum((bank.drive(point, 0.03, 1e-3) * bank.shapes(point))[slow]))
    assert velocity <= 1 / 0.03


@pytest.mark.parametrize("material", MATERIALS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_bank_is_well_formed(material, shape):
    rng = np.random.default_rng([MATERIALS.index(material), SHAPES.index(shape)])
    if shape == "heap" and ranges()[material].grain_hz is None:
        with pytest.raises(ValueError, match="has no grains"):
            random_body(material, shape, rng)
        return
    for _ in range(6 if shape != "dome" else 1):  # each dome is solved by finite elements
        spec = random_body(material, shape, rng)
        bank = modal.object_bank(spec, scene_seed=int(rng.integers(100)))
        count = bank.frequency_hz.size
        soft = spec.material.youngs_modulus < 1e8  # so lossy that nothing in it may swing
        assert (0 if soft else 1) <= count <= modal.MAX_MODES
        assert all(
            a.shape == (count,) for a in (bank.decay, bank.mass_kg, bank.radiation, bank.shapes(np.zeros(3)))
        )
        assert ((bank.frequency_hz >= modes.MIN_HZ) & (bank.frequency_hz <= modes.MAX_HZ)).all()
        assert (bank.decay > 0).all()
        assert (bank.decay < np.pi * bank.frequency_hz).all()  # swings at all
        assert (bank.mass_kg > 0).all()
        assert (bank.radiation > 0).all()


def test_mounts_differ_between_objects_but_not_between_runs():
    one, again, other = (modal.object_bank(body(STEEL, name=n), scene_seed=1) for n in ("a", "a", "b"))
    np.testing.assert_array_equal(one.decay, again.decay)
    assert not np.allclose(one.decay, other.decay)


def test_mass_counts_walls_only():
    solid, hollow = body(OAK, "box", (0.1, 0.1, 0.1)), body(OAK, "box", (0.1, 0.1, 0.1), wall=0.01)
    assert modal.object_mass(solid) == pytest.approx(0.65)
    assert modal.object_mass(hollow) == pytest.approx(0.65 * (1 - 0.08**3 / 0.1**3))


@pytest.mark.parametrize("shape", ["plate", "dome", "rod"])
def test_a_clamp_takes_the_ring_out_of_a_body(shape):
    rng = np.random.default_rng(3)
    spec = random_body("metal", shape, rng)
    t60 = [
        float(np.max(modal.object_bank(dataclasses.replace(spec, grasp=grasp)).t60()))
        for grasp in (0.0, 0.3, 1.0)
    ]
    assert t60[0] > t60[1] > t60[2] and t60[2] < t60[0] / 5


def test_mass_follows_the_body():
    disc = body(OAK, "disc", (0.1, 0.1, 0.01))
    assert modal.object_mass(disc) == pytest.approx(650 * np.pi * 0.05**2 * 0.01)
    tube = body(OAK, "rod", (0.2, 0.04, 0.04), wall=0.004)
    assert modal.object_mass(tube) == pytest.approx(650 * np.pi * (0.02**2 - 0.016**2) * 0.2)


def test_a_solid_dome_moves_with_half_its_mass():
    """The column that stands for it has its mass and height; the modal mass of a column is half the whole."""
    solid = body(OAK, "dome", (0.1, 0.1, 0.04))
    bank = modal.object_bank(solid)
    np.testing.assert_allclose(bank.families[0].mass_kg, modal.object_mass(solid) / 2)
