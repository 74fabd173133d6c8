import numpy as np
import pytest

from foley_synthesis.flow.sight.confusions import confusions_of, draw_confused
from foley_synthesis.flow.sight.examples import Examples
from foley_synthesis.flow.sight.model import Beliefs
from foley_synthesis.flow.what import (
    HOLLOW_COLUMN,
    MATERIAL_COLUMNS,
    MATERIALS,
    SHAPE_COLUMNS,
    SHAPES,
    SIZE_COLUMNS,
    WHAT_DIMS,
    what_of,
)

COUNT = 400


@pytest.fixture(scope="module")
def truth() -> Examples:
    """Wood and metal by turns; metal is hollow."""
    material = np.arange(COUNT) % 2
    return Examples(
        np.zeros((COUNT, 1), np.float32), np.arange(COUNT), tuple(map(str, range(COUNT))), material,
        np.zeros(COUNT, np.int64), np.zeros((COUNT, 3), np.float32), (0.6 * material).astype(np.float32),
        ("",) * COUNT, tuple(map(str, range(COUNT))),
    )  # fmt: skip


def test_what_is_drawn_is_confused_as_sight_was(truth: Examples) -> None:
    material = np.zeros((COUNT, len(MATERIALS)))
    material[truth.material == 0, 0] = 1.0  # wood is always seen
    material[truth.material == 1, :2] = (0.25, 0.75)  # metal is taken for wood now and then
    said = Beliefs(
        material, np.eye(len(SHAPES))[truth.shape], truth.log_size + 0.3, np.full((COUNT, 3), 0.4),
        np.where(truth.material == 1, 0.8, 0.1), np.full(COUNT, 0.6),
    )  # fmt: skip
    confusions = confusions_of(said, truth)
    assert confusions.material.sum(axis=1) == pytest.approx(1.0)
    assert confusions.material[1, 0] == pytest.approx(0.25, abs=0.01)
    assert confusions.size_std == pytest.approx(0.5, abs=0.01)  # 0.3 off and 0.4 unsure
    objects = [
        {"material": name, "shape": "plate", "size": [0.1, 0.1, 0.01], "hollowness": share}
        for name, share in (("wood", 0.0), ("metal", 0.6))
    ]
    what = np.stack([*map(what_of, objects), np.zeros(WHAT_DIMS, np.float32)])
    rng = np.random.default_rng(0)
    drawn = np.stack([draw_confused(what, confusions, rng) for _ in range(1500)])
    wood, metal = drawn[:, 0], drawn[:, 1]
    assert wood[:, MATERIAL_COLUMNS.start].mean() > 0.98
    assert metal[:, MATERIAL_COLUMNS.start].mean() == pytest.approx(0.25, abs=0.04)
    assert (metal[:, SHAPE_COLUMNS].sum(axis=1) == 1).all()
    assert metal[:, SIZE_COLUMNS].std(axis=0) == pytest.approx(0.5, abs=0.04)
    assert (wood[:, HOLLOW_COLUMN] > 0).mean() == pytest.approx(0.1, abs=0.03)
    assert (metal[:, HOLLOW_COLUMN] > 0).mean() == pytest.approx(0.8, abs=0.04)
    assert not drawn[:, 2].any()  # nothing stays nothing


def test_a_truth_that_was_seldom_seen_is_drawn_as_things_on_the_whole(truth: Examples) -> None:
    said = Beliefs(
        np.full((COUNT, len(MATERIALS)), 1 / len(MATERIALS)), np.eye(len(SHAPES))[truth.shape],
        truth.log_size.astype(float), np.full((COUNT, 3), 0.1), np.full(COUNT, 0.5), np.full(COUNT, 0.6),
    )  # fmt: skip
    confusions = confusions_of(said, truth)
    assert confusions.material[5] == pytest.approx(1 / len(MATERIALS))
    assert np.isfinite(confusions.shape).all() and confusions.shape[3, 0] == pytest.approx(1.0)
