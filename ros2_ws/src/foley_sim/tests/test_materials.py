import dataclasses
import math

import numpy as np
import pytest
import yaml

from foley_sim.materials import LOG_UNIFORM, MATERIALS, draw_material, parse_ranges, ranges

RANGE = {
    "density": [1000, 2000],
    "youngs_modulus": [1e9, 2e9],
    "poisson_ratio": [0.2, 0.3],
    "wave_speed": [100, 9000],
    "damping_alpha": [1, 2],
    "damping_beta": [1e-8, 1e-7],
    "loss_factor": [0.01, 0.02],
    "friction": [0.1, 0.2],
    "roughness": [0.1, 0.9],
    "source": "made up",
}


def parse(**changes):
    entry = {**RANGE, **changes}
    return parse_ranges(
        yaml.safe_dump({"materials": {"jelly": {k: v for k, v in entry.items() if v is not None}}})
    )


@pytest.mark.parametrize("name", MATERIALS)
def test_draws_stay_inside_their_range(name):
    bounds, rng = ranges()[name], np.random.default_rng(0)
    for _ in range(200):
        sample = draw_material(name, rng)
        assert sample.name == name
        for field in dataclasses.fields(sample):
            if field.name != "name":
                low, high = getattr(bounds, field.name) or (0.0, 0.0)  # no grains
                assert low <= getattr(sample, field.name) <= high, field.name
        speed = math.sqrt(sample.youngs_modulus / sample.density)
        assert bounds.wave_speed[0] <= speed <= bounds.wave_speed[1]


def test_loose_and_fibrous_matter_has_grains_and_solids_have_none():
    rng = np.random.default_rng(0)
    grainy = {name for name in MATERIALS if draw_material(name, rng).grain_hz > 0}
    assert grainy == {"paper", "fabric", "leaves", "gravel"}
    sample = draw_material("gravel", rng)
    assert sample.grain_rate > 0 and sample.grain_decay_s > 0 and sample.grain_level > 0
    assert all(entry.grain_hz is None for name, entry in ranges().items() if name not in grainy)


def test_the_issue_materials_exist_and_every_range_names_a_source():
    assert {"wood", "metal", "glass", "ceramic", "plastic", "stone", "rubber", "cardboard"} <= set(MATERIALS)
    assert all(entry.source for entry in ranges().values())


def test_draws_follow_the_generator():
    first = [draw_material("wood", np.random.default_rng(3)) for _ in range(2)]
    assert first[0] == first[1]
    assert draw_material("wood", np.random.default_rng(4)) != first[0]


def test_decades_are_drawn_by_logarithm():
    rng = np.random.default_rng(0)
    drawn = [draw_material("rubber", rng).damping_beta for _ in range(600)]
    low, high = ranges()["rubber"].damping_beta
    assert "damping_beta" in LOG_UNIFORM
    assert np.median(drawn) == pytest.approx(math.sqrt(low * high), rel=0.15)


@pytest.mark.parametrize(
    ("a", "b"), [("metal", "glass"), ("glass", "ceramic"), ("ceramic", "stone"), ("plastic", "cardboard")]
)
def test_neighbours_overlap_in_damping(a, b):
    first, second = ranges()[a].loss_factor, ranges()[b].loss_factor
    assert max(first[0], second[0]) < min(first[1], second[1])


def test_unknown_material_names_the_known_ones():
    with pytest.raises(ValueError, match=r"`cheese`.*wood.*cardboard"):
        draw_material("cheese", np.random.default_rng(0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"density": None}, "missing.*density"),
        ({"colour": [0, 1]}, "unknown.*colour"),
        ({"density": [2000, 1000]}, "density"),
        ({"density": 5}, "density"),
        ({"loss_factor": [0.0, 0.1]}, "loss_factor"),
        ({"source": " "}, "source"),
        ({"grain_hz": [1000, 2000]}, "grain_hz given without grain_spread"),
    ],
)
def test_bad_ranges_are_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=f"jelly.*{message}"):
        parse(**changes)


def test_a_wave_speed_that_fits_nothing_is_refused():
    with pytest.raises(ValueError, match="wave_speed"):
        parse(wave_speed=[8000, 9000])["jelly"].draw(np.random.default_rng(0))
