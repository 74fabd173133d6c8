"""Appearances of FoleySim-1."""

import importlib.resources

import numpy as np
import pytest

from foley_sim.foleysim1.appearances import DISGUISE_LOOKS, PHOTOGRAPHS, draw_appearance
from foley_sim.materials import MATERIALS


@pytest.mark.parametrize("look", [*MATERIALS, *DISGUISE_LOOKS])
def test_looks_repeat_and_differ(look):
    first, again, other = (draw_appearance(look, seed, 48) for seed in (1, 1, 2))
    assert first.texture.shape == (48, 48, 3) and first.texture.dtype == np.uint8
    assert np.array_equal(first.texture, again.texture)
    assert not np.array_equal(first.texture, other.texture)


def test_an_unknown_look_is_refused():
    with pytest.raises(ValueError, match="look is `jelly`"):
        draw_appearance("jelly", 0)


def test_photographs_ship_with_their_licence():
    folder = importlib.resources.files("foley_sim") / "data" / "textures"
    assert "MIT License" in (folder / "LICENSE").read_text(encoding="utf-8")
    shipped = {path.name for path in folder.iterdir()} - {"LICENSE"}
    assert {f"{name}.jpg" for names in PHOTOGRAPHS.values() for name in names} == shipped


def test_mean_colour_does_not_name_the_material():
    """The nearest mean colour of 40 looks per material names fewer than half of 20 others."""
    colours = {
        m: np.array([draw_appearance(m, s, 24).texture.mean((0, 1)) for s in range(60)]) for m in MATERIALS
    }
    means = np.stack([c[:40].mean(axis=0) for c in colours.values()])
    right = [
        np.argmin(np.linalg.norm(means - colour, axis=1)) == index
        for index, c in enumerate(colours.values())
        for colour in c[40:]
    ]
    assert 1.3 / len(MATERIALS) < np.mean(right) < 0.5
