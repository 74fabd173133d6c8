import dataclasses

import numpy as np
import pytest

from foley_sim.materials import draw_material
from foley_sim.physics.surfaces import STEEPEST, face_radius, path_scale, sphere_radius, surface, usable_half
from foley_sim.spec import ObjectSpec, Shape

TIP = 0.006


def _body(shape: Shape, size: tuple[float, float, float]) -> ObjectSpec:
    name = "gravel" if shape == "heap" else "wood"
    material = draw_material(name, np.random.default_rng(0))
    return ObjectSpec("thing", shape, size, 0.0, material, (0.05, -0.02, size[2] / 2), 0.7, 0)


CURVED = (
    _body("rod", (0.14, 0.03, 0.03)),
    _body("dome", (0.10, 0.10, 0.04)),
    _body("heap", (0.12, 0.12, 0.03)),
)


def test_a_cap_passes_through_its_summit_and_its_rim():
    dome = CURVED[1]
    assert surface(dome, np.zeros(2))[0] == pytest.approx(dome.top)
    assert surface(dome, np.array([0.05, 0.0]))[0] == pytest.approx(0.0, abs=1e-9)
    assert sphere_radius(_body("dome", (0.1, 0.1, 0.05))) == pytest.approx(0.05), "half a sphere"


@pytest.mark.parametrize("item", CURVED, ids=lambda o: o.shape)
def test_curved_tops_are_touched_where_they_are_not_steep(item):
    half = usable_half(item, TIP)
    assert np.all(half > 0) and face_radius(item, TIP) == half.min()
    for angle in np.linspace(0, 6, 13):
        height, normal = surface(item, half * (np.cos(angle), np.sin(angle)))
        assert np.linalg.norm(normal) == pytest.approx(1)
        assert np.hypot(*normal[:2]) <= STEEPEST + 1e-9 and 0 < height <= item.top


@pytest.mark.parametrize("item", CURVED, ids=lambda o: o.shape)
def test_the_normal_is_the_gradient_of_the_height(item):
    point, step = usable_half(item, TIP) * (0.4, 0.6), 1e-6
    _, normal = surface(item, point)
    slope = [
        (surface(item, point + d)[0] - surface(item, point - d)[0]) / (2 * step)
        for d in (np.array([step, 0.0]), np.array([0.0, step]))
    ]
    c, s = np.cos(item.yaw), np.sin(item.yaw)
    local = np.array([c * normal[0] + s * normal[1], -s * normal[0] + c * normal[1]])
    assert local / -normal[2] == pytest.approx(slope, abs=1e-5)


def test_flat_tops_are_level():
    disc = _body("disc", (0.1, 0.1, 0.01))
    assert surface(disc, np.array([0.03, 0.01])) == (disc.top, (0.0, 0.0, 1.0))
    assert path_scale(disc, TIP) == pytest.approx((1.0, 1.0))
    assert path_scale(CURVED[0], TIP) == pytest.approx((1.0, (0.015 + TIP) / 0.015))
    assert face_radius(dataclasses.replace(disc, size=(0.01, 0.01, 0.01)), TIP) < 0
