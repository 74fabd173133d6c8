"""Heights of flat Gaussians that lie as a table with a block on it."""

import numpy as np
import pytest
import torch

from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.height_map import surface_of


def test_a_table_and_a_block_have_their_heights_and_what_is_beyond_is_marked() -> None:
    x, y = (
        g.ravel()
        for g in torch.meshgrid(torch.arange(-0.1, 0.1, 0.006), torch.arange(-0.1, 0.1, 0.006), indexing="ij")
    )
    z = torch.where((x.abs() < 0.04) & (y.abs() < 0.04), 0.06, 0.02)
    count = len(x)
    scene = Gaussians(
        torch.stack([x, y, z], dim=1),
        torch.tensor([[1.0, 0, 0, 0]]).repeat(count, 1),
        torch.tensor([[0.004, 0.004, 0.0003]]).repeat(count, 1),
        torch.full((count,), 0.95),
        torch.zeros(count, 1, 3),
    )
    surface = surface_of(scene, (-0.09, -0.09, 0.2, 0.09))
    places = [[0.0, 0.0], [0.02, -0.03], [0.07, 0.07], [-0.08, 0.0]]
    np.testing.assert_allclose(surface.height(places), [0.06, 0.06, 0.02, 0.02], atol=1e-3)
    assert surface.seen_at([*places, [0.15, 0.0]]).tolist() == [True] * 4 + [False]
    with pytest.raises(ValueError, match="no surface"):
        surface_of(scene, (1.0, 1.0, 1.1, 1.1))
