"""What a body may be made of by its look and shape, held to the rules that make scenes."""

import dataclasses

import numpy as np
import pytest

from foley_sim.foleysim1.appearances import LOOKS
from foley_sim.foleysim1.posterior import look_likelihood, material_posterior, visible_look
from foley_sim.foleysim1.scenes import MATERIALS, STREAM, make_scene

ITEM = make_scene(0, STREAM).objects[0]


def looking(look, shape, size=(0.1, 0.1, 0.03), seed=0):
    """An object that is made to look like this; its material does not matter as it is not looked at."""
    return dataclasses.replace(ITEM, look_material=look, shape=shape, size=size, wall=0.0, look_seed=seed)


@pytest.mark.parametrize("material", MATERIALS)
def test_the_looks_of_a_material_are_all_that_it_can_have(material):
    assert sum(look_likelihood(look, material) for look in LOOKS) == pytest.approx(1.0)


def test_what_only_one_material_can_be_is_certain():
    gravel = material_posterior(looking("gravel", "heap"), "train")
    assert gravel[MATERIALS.index("gravel")] == 1.0 and gravel.sum() == 1.0


def test_fruit_is_shared_among_what_is_disguised_so():
    shares = material_posterior(looking("fruit", "box", (0.08, 0.06, 0.06)), "train")
    odds = dict(zip(MATERIALS, shares, strict=True))
    assert {name for name, share in odds.items() if share} == {"wood", "ceramic", "plastic", "foam"}
    # One of two, three, five and two disguises, each material equally often in a box.
    weights = {"wood": 1 / 2, "ceramic": 1 / 3, "plastic": 1 / 5, "foam": 1 / 2}
    for name, weight in weights.items():
        assert odds[name] == pytest.approx(weight / sum(weights.values()))


def test_a_thin_plate_is_not_of_paper():
    thin = material_posterior(looking("paper", "plate", (0.12, 0.1, 0.02)), "train")
    assert thin[MATERIALS.index("paper")] == 1.0
    fruit = material_posterior(looking("fruit", "plate", (0.12, 0.1, 0.008)), "train")
    assert fruit[MATERIALS.index("foam")] == 0.0 and fruit[MATERIALS.index("wood")] > 0


def test_it_is_calibrated_over_the_stream():
    """Of what it gives some share to, that share is of the material."""
    given, true = [], []
    for seed in range(40):
        for item in make_scene(seed, STREAM).objects:
            shares = material_posterior(item, "train")
            given.append(shares)
            true.append(np.eye(len(MATERIALS))[MATERIALS.index(item.material.name)])
    given, true = np.array(given), np.array(true)
    assert (given[true == 1] > 0).all()
    for low, high in ((0.05, 0.3), (0.3, 0.6), (0.6, 0.95)):
        chosen = (given >= low) & (given < high)
        spread = np.sqrt((given[chosen] * (1 - given[chosen])).sum()) / chosen.sum()
        assert chosen.sum() > 30
        assert true[chosen].mean() == pytest.approx(given[chosen].mean(), abs=4 * spread)


def test_painted_wood_looks_like_paint():
    seen = {visible_look(looking("wood", "box", (0.08, 0.06, 0.06), seed)) for seed in range(20)}
    assert seen == {"wood", "paint"}
