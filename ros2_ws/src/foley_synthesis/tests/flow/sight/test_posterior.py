import numpy as np
import pytest
import torch

from foley_synthesis.flow.sight.model import Beliefs, Scaling
from foley_synthesis.flow.sight.posterior import WhatPosterior, posterior_of
from foley_synthesis.flow.what import (
    HOLLOW_COLUMN,
    MATERIAL_COLUMNS,
    MATERIALS,
    PRESENCE_COLUMN,
    SHAPE_COLUMNS,
    SHAPES,
    SIZE_COLUMNS,
    WHAT_DIMS,
    what_of,
)

WOOD, METAL, LEAVES = (MATERIALS.index(name) for name in ("wood", "metal", "leaves"))
BOX, HEAP = SHAPES.index("box"), SHAPES.index("heap")
FRAMES = np.array([0, 0, -1, 1, 1, 0])


@pytest.fixture(scope="module")
def posterior() -> WhatPosterior:
    """Two things: wood or metal as a box, leaves or wood as a box or a heap; training had leaves in heaps alone."""
    pairs = np.zeros((len(MATERIALS), len(SHAPES)))
    pairs[WOOD, BOX], pairs[METAL, BOX], pairs[LEAVES, HEAP] = 0.4, 0.4, 0.2
    hollow = np.zeros_like(pairs)
    hollow[METAL, BOX] = 1.0
    material, shape = np.zeros((2, len(MATERIALS))), np.zeros((2, len(SHAPES)))
    material[0, [WOOD, METAL]], shape[0, BOX] = (0.7, 0.3), 1.0
    material[1, [WOOD, LEAVES]], shape[1, [BOX, HEAP]] = (0.5, 0.5), (0.4, 0.6)
    beliefs = Beliefs(
        material, shape, np.array([[-0.2, -0.5, -1.0], [0.1, 0.1, -1.2]]), np.full((2, 3), 0.1),
        np.array([0.4, 0.01]), np.array([0.8, 0.5]),
    )  # fmt: skip
    none = torch.zeros(0)
    scaling = Scaling(
        none, none, none, none, torch.from_numpy(pairs), torch.from_numpy(hollow), torch.tensor(0.7), none
    )
    return posterior_of(FRAMES, beliefs, scaling)


def test_a_draw_is_one_thing_throughout_and_reads_as_truth_does(posterior: WhatPosterior) -> None:
    drawn = posterior.draw(np.random.default_rng(0))
    assert drawn.shape == (6, WHAT_DIMS) and drawn.dtype == np.float32
    assert np.array_equal(drawn[0], drawn[1]) and np.array_equal(drawn[0], drawn[5])
    assert np.array_equal(drawn[3], drawn[4]) and not np.array_equal(drawn[0], drawn[3])
    assert not drawn[2].any()
    size = [0.1 * np.exp(v) for v in drawn[0, SIZE_COLUMNS]]
    name = MATERIALS[int(drawn[0, MATERIAL_COLUMNS].argmax())]
    truth = what_of(
        {"material": name, "shape": "box", "size": size, "hollowness": float(drawn[0, HOLLOW_COLUMN])}
    )
    assert np.allclose(drawn[0], truth, atol=1e-5)


def test_draws_are_as_frequent_as_they_are_probable(posterior: WhatPosterior) -> None:
    rng = np.random.default_rng(1)
    drawn = np.stack([posterior.draw(rng) for _ in range(3000)])
    metal = drawn[:, 0, MATERIAL_COLUMNS.start + METAL] > 0
    assert metal.mean() == pytest.approx(0.3, abs=0.03)
    assert drawn[:, 0, SIZE_COLUMNS].std(axis=0) == pytest.approx(0.1, abs=0.01)
    hollow = drawn[:, 0, HOLLOW_COLUMN] > 0
    assert (
        hollow[metal].mean() > 0.9 and hollow[~metal].mean() < 0.1
    )  # metal boxes were hollow, wooden ones not
    assert np.allclose(drawn[:, 0, HOLLOW_COLUMN][hollow], 0.8)
    assert np.allclose(drawn.mean(axis=0), posterior.expected(), atol=0.03)


def test_materials_are_drawn_in_shapes_they_come_in(posterior: WhatPosterior) -> None:
    joint = posterior.joint[1]
    assert joint.sum() == pytest.approx(1.0)
    assert joint[LEAVES, BOX] + joint[WOOD, HEAP] < 0.02
    # As boxes 2.5 times, as heaps 5 times as often as if they were independent; without that .2 and .3.
    assert joint[LEAVES, HEAP] == pytest.approx(0.3 * 5 / (0.3 * 5 + 0.2 * 0.4 / (0.4 * 0.8)), abs=0.02)


def test_what_is_expected_is_present_and_its_classes_sum_to_one(posterior: WhatPosterior) -> None:
    expected = posterior.expected()
    over = FRAMES >= 0
    assert np.array_equal(expected[:, PRESENCE_COLUMN], over.astype(np.float32))
    for columns in (MATERIAL_COLUMNS, SHAPE_COLUMNS):
        assert np.allclose(expected[over, columns].sum(axis=1), 1.0) and not expected[~over, columns].any()
