"""How sight errs, so that a flow can be trained on what it will be told without looking at every session again.

    truth of an object -> draw -> what sight might have drawn for it

A flow that is trained on truth alone believes whatever sight says. Drawing from the mean belief about things of the
same truth, which sight did not learn from, teaches it how far to trust; it needs no views.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.flow.sight.examples import Examples
from foley_synthesis.flow.sight.model import Beliefs, Confusions
from foley_synthesis.flow.what import (
    HOLLOW_COLUMN,
    MATERIAL_COLUMNS,
    MATERIALS,
    PRESENCE_COLUMN,
    SHAPE_COLUMNS,
    SHAPES,
    SIZE_COLUMNS,
    WHAT_DIMS,
)

Array = NDArray[np.float64]

_EXTRA = 1.0  # objects' worth of the mean belief that every row starts with: rare truths are not told by one object


def confusions_of(said: Beliefs, truth: Examples) -> Confusions:
    """Mean beliefs about objects of each truth, of objects that sight did not learn from."""
    hollow = (truth.hollowness > 0).astype(np.int64)
    odds = np.stack([1 - said.hollow, said.hollow], axis=1)
    spread = np.sqrt(np.mean((said.log_size - truth.log_size) ** 2 + said.log_size_std**2, axis=0))
    empty = truth.hollowness[hollow > 0]
    return Confusions(
        _rows(said.material, truth.material),
        _rows(said.shape, truth.shape),
        _rows(odds, hollow),
        spread,
        float(empty.mean()) if len(empty) else 0.0,
    )


def draw_confused(
    what: NDArray[np.floating], confusions: Confusions, generator: np.random.Generator
) -> NDArray[np.float32]:
    """What sight might draw for objects of truth ``what`` [m, WHAT_DIMS]; rows without presence stay 0.

    A material or shape that is none of the known ones is drawn as any.
    """
    rows = np.zeros((len(what), WHAT_DIMS), np.float32)
    for k, truth in enumerate(what):
        if not truth[PRESENCE_COLUMN] > 0:
            continue
        for columns, names, table in (
            (MATERIAL_COLUMNS, MATERIALS, confusions.material),
            (SHAPE_COLUMNS, SHAPES, confusions.shape),
        ):
            known = truth[columns][: len(names)]
            chances = table[int(known.argmax())] if known.any() else table.mean(axis=0)
            rows[k, columns.start + int(generator.choice(len(names), p=chances))] = 1.0
        noise = generator.standard_normal(SIZE_COLUMNS.stop - SIZE_COLUMNS.start)
        rows[k, SIZE_COLUMNS] = truth[SIZE_COLUMNS] + confusions.size_std * noise
        hollow = truth[HOLLOW_COLUMN]
        if generator.random() < confusions.hollow[int(hollow > 0), 1]:
            rows[k, HOLLOW_COLUMN] = hollow if hollow > 0 else confusions.hollowness
        rows[k, PRESENCE_COLUMN] = 1.0
    return rows


def _rows(said: Array, truth: NDArray[np.integer]) -> Array:
    """Mean of said [m, classes] over objects of each truth [classes, classes]."""
    classes = said.shape[1]
    total = np.zeros((classes, classes))
    np.add.at(total, truth, said)
    total += _EXTRA * said.mean(axis=0)
    return np.asarray(total / total.sum(axis=1, keepdims=True))
