"""Taps for measuring how evidence adds up: each object so many times at places apart, and as often at one place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foley_sim.motion.policy import PERIOD_S, Policy
from foley_sim.robots.actions import Target
from foley_sim.spec import ObjectSpec, SceneSpec

Array = NDArray[np.float64]


class EvenTaps(Policy):
    """Rounds in which each object is tapped once somewhere on its face and once at its place, in shuffled order.

    Speeds are drawn for each tap, also at the one place: what taps there have in common is the place alone.
    """

    def __init__(self, scene: SceneSpec, seed: int) -> None:
        super().__init__(scene, seed, {"tap": 1.0})
        draw = super()._local
        self._places = {item.object_id: draw(item) for item in self._touchable}
        self._next: list[tuple[ObjectSpec, bool]] = []
        self._there = False

    def target(self) -> Target:
        """The next tap."""
        if not self._next:
            both = [(item, there) for item in self._touchable for there in (False, True)]
            self._next = [both[i] for i in self._rng.permutation(len(both))]
        item, self._there = self._next.pop()
        return self._struck(item, "tap", float(self._rng.uniform(-0.6, 0.6)))

    def _local(self, item: ObjectSpec) -> Array:
        return self._places[item.object_id] if self._there else super()._local(item)

    def duration_s(self, taps: int) -> float:
        """Within which each object has had so many of both [s], but for some by chance."""
        return 2.0 + 2 * taps * len(self._touchable) * sum(PERIOD_S) / 2 + PERIOD_S[1]
