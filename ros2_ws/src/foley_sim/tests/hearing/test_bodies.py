"""Bodies: what their material and their shape make of their modes."""

from __future__ import annotations

import numpy as np
import pytest

from foley_sim.hearing.bodies import HIGHEST_HZ, LOWEST_HZ, MODES, SHAPE_WEIGHTS, draw_body, material_rate
from foley_sim.hearing.vocabulary import SHAPES
from foley_sim.materials import MATERIALS, draw_material


def test_every_material_comes_in_known_shapes() -> None:
    assert tuple(SHAPE_WEIGHTS) == MATERIALS
    assert {len(weights) for weights in SHAPE_WEIGHTS.values()} == {len(SHAPES)}


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape not in ("heap", "loose")])
def test_modes_are_audible_finite_and_not_too_many(shape: str) -> None:
    rng = np.random.default_rng(1)
    found = 0
    for name in ("wood", "metal", "foam"):
        body = draw_body(3, name, rng, shape)
        assert body.shape == shape
        assert body.object_id == 3
        assert body.hz.size == body.rate.size == body.level.size <= MODES
        assert ((body.hz > LOWEST_HZ) & (body.hz < HIGHEST_HZ)).all()
        assert np.isfinite(body.rate).all()
        assert (body.rate > 0).all()
        assert (body.level > 0).all()
        found += body.hz.size
    assert found > 0


def _median_rate(name: str) -> float:
    rng = np.random.default_rng(0)
    hz = np.array([1000.0])
    return float(np.median([material_rate(draw_material(name, rng), hz, rng)[0] for _ in range(200)]))


def test_materials_differ_in_how_fast_they_fall_silent() -> None:
    """In the order of their published loss factors (Cremer & Heckl)."""
    rates = [_median_rate(name) for name in ("metal", "glass", "ceramic", "stone", "wood", "rubber")]
    assert rates[0] < rates[1] < rates[2] < rates[3] < rates[5]
    assert rates[4] > 5 * rates[1]


def test_specimens_of_one_material_scatter() -> None:
    rng = np.random.default_rng(0)
    hz = np.array([1000.0])
    rates = np.log([material_rate(draw_material("metal", rng), hz, rng)[0] for _ in range(200)])
    assert rates.std() > 0.6


def test_stiffer_matter_of_one_shape_is_higher() -> None:
    def lowest(name: str) -> float:
        lows = [draw_body(0, name, np.random.default_rng(i), "plate").hz for i in range(60)]
        return float(np.median([hz.min() if hz.size else HIGHEST_HZ for hz in lows]))

    assert lowest("rubber") < lowest("plastic") < lowest("glass")


def test_only_hollow_shapes_are_hollow() -> None:
    rng = np.random.default_rng(2)
    assert draw_body(0, "glass", rng, "shell").hollowness > 0.5
    assert draw_body(0, "glass", rng, "block").hollowness == 0.0


def test_loose_matter_has_no_modes_of_its_own() -> None:
    body = draw_body(0, "gravel", np.random.default_rng(0))
    assert body.shape == "heap"
    assert body.hz.size == 0
