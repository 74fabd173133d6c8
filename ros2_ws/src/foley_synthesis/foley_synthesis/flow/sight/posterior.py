"""The posterior over what is touched, on the latent's grid, and draws of it: what a flow is conditioned on.

    posterior -> draw -> one `what` for each thing of the window, held as long as that thing lies under the tip
    posterior -> expected -> the mean of such draws

What lies under the tip comes from the height map, what that is from its views. Frames over the table are 0, as in truth
(flow/what.py).
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.flow.sight.model import Beliefs, Scaling
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

_LEAST_PAIR = 1e-3  # relative to independence: pairs that training never saw are drawn seldom, not never
_MOST_PAIR = 10.0
_LEAST_SHARE, _MOST_SHARE = 0.02, 0.98  # of hollow ones among a pair


@dataclasses.dataclass(frozen=True, eq=False)
class WhatPosterior:
    """Of n latent frames over t things.

    Args:
        thing: [n] which thing lies under the tip; -1: the table.
        beliefs: of the t things.
        pairs: [materials, shapes] how much more often the two come together than if they were independent.
        hollow_odds: [materials, shapes] factor on the odds of being hollow.
    """

    thing: NDArray[np.int32]
    beliefs: Beliefs
    pairs: Array
    hollow_odds: Array

    def __len__(self) -> int:
        return len(self.thing)

    @property
    def joint(self) -> Array:
        """Probabilities of material and shape together [t, materials, shapes]: leaves come in heaps."""
        both = self.beliefs.material[:, :, None] * self.beliefs.shape[:, None] * self.pairs
        return np.asarray(both / both.sum(axis=(1, 2), keepdims=True))

    def expected(self) -> NDArray[np.float32]:
        """Mean over draws [n, WHAT_DIMS]; classes are probabilities."""
        joint = self.joint
        rows = np.zeros((len(self.beliefs) + 1, WHAT_DIMS), np.float32)
        known = rows[:-1]
        known[:, _names(MATERIAL_COLUMNS, MATERIALS)] = joint.sum(axis=2)
        known[:, _names(SHAPE_COLUMNS, SHAPES)] = joint.sum(axis=1)
        known[:, SIZE_COLUMNS] = self.beliefs.log_size
        hollow = (joint * self._hollow()).sum(axis=(1, 2))
        known[:, HOLLOW_COLUMN] = hollow * self.beliefs.hollowness
        known[:, PRESENCE_COLUMN] = 1.0
        return rows[self.thing]

    def draw(self, generator: np.random.Generator) -> NDArray[np.float32]:
        """One possibility [n, WHAT_DIMS]: of each thing one material, shape, size and hollowness throughout."""
        count = len(self.beliefs)
        rows = np.zeros((count + 1, WHAT_DIMS), np.float32)
        joint, hollow = self.joint.reshape(count, len(MATERIALS) * len(SHAPES)), self._hollow()
        for k in range(count):
            material, shape = divmod(int(generator.choice(joint.shape[1], p=joint[k])), len(SHAPES))
            rows[k, MATERIAL_COLUMNS.start + material] = 1.0
            rows[k, SHAPE_COLUMNS.start + shape] = 1.0
            noise = generator.standard_normal(SIZE_COLUMNS.stop - SIZE_COLUMNS.start)
            rows[k, SIZE_COLUMNS] = self.beliefs.log_size[k] + self.beliefs.log_size_std[k] * noise
            if generator.random() < hollow[k, material, shape]:
                rows[k, HOLLOW_COLUMN] = self.beliefs.hollowness[k]
            rows[k, PRESENCE_COLUMN] = 1.0
        return rows[self.thing]

    def _hollow(self) -> Array:
        """Probability of being hollow given material and shape [t, materials, shapes]."""
        own = np.clip(self.beliefs.hollow, 1e-4, 1 - 1e-4)
        odds = (own / (1 - own))[:, None, None] * self.hollow_odds
        return np.asarray(odds / (1 + odds))


def posterior_of(thing: NDArray[np.integer], beliefs: Beliefs, scaling: Scaling) -> WhatPosterior:
    """A posterior with how materials, shapes and hollowness went together in training.

    Args:
        thing: [n] of the beliefs; -1: the table.
    """
    pairs = scaling.pairs.double().numpy()
    alone = pairs.sum(axis=1, keepdims=True) * pairs.sum(axis=0, keepdims=True)
    never = alone <= 0  # of a material or a shape that training lacks nothing is known
    ratio = np.where(never, 1.0, np.clip(pairs / np.where(never, 1.0, alone), _LEAST_PAIR, _MOST_PAIR))
    hollow = scaling.hollow_pairs.double().numpy()
    overall = np.clip((pairs * hollow).sum(), _LEAST_SHARE, _MOST_SHARE)
    share = np.where(pairs > 0, np.clip(hollow, _LEAST_SHARE, _MOST_SHARE), overall)
    odds = share / (1 - share) * (1 - overall) / overall
    return WhatPosterior(np.asarray(thing, np.int32), beliefs, np.asarray(ratio), np.asarray(odds))


def _names(columns: slice, names: tuple[str, ...]) -> slice:
    """Columns without the last one, for what is none of them."""
    return slice(columns.start, columns.start + len(names))
