import numpy as np
import pytest

from foley_sim.looks import PAINTED_SHARE, draw_look, table_texture
from foley_sim.materials import MATERIALS


@pytest.mark.parametrize("material", MATERIALS)
def test_looks_follow_from_the_seed_and_differ(material):
    first, again, other = (draw_look(material, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.texture, again.texture)
    assert not np.array_equal(first.texture, other.texture)
    assert first.texture.dtype == np.uint8 and first.texture.ndim == 3
    assert 0 <= first.specular <= 1 and 0 <= first.shininess <= 1 and 0 < first.alpha <= 1


def test_some_objects_are_painted_so_that_sight_may_err():
    for material, share in PAINTED_SHARE.items():
        painted = np.mean([draw_look(material, seed, size=16).painted for seed in range(300)])
        assert painted == pytest.approx(share, abs=0.08)


def test_palettes_overlap():
    """A nearest-mean classifier on mean colour is better than chance, and far from perfect."""
    colours = {
        m: np.array([draw_look(m, s, size=24).texture.mean((0, 1)) for s in range(60)]) for m in MATERIALS
    }
    centres = np.stack([c[:30].mean(0) for c in colours.values()])
    right = [
        np.mean(np.linalg.norm(c[30:, None] - centres, axis=2).argmin(1) == i)
        for i, c in enumerate(colours.values())
    ]
    assert 1.3 / len(MATERIALS) < np.mean(right) < 0.8


def test_table_texture_is_deterministic():
    assert np.array_equal(table_texture(5, 64), table_texture(5, 64))
