"""Noise drawn in blocks of fixed size, each from the seed and its own number: it does not depend on how it is read."""

from __future__ import annotations

import abc

import numpy as np

from foley_sim.sound.kernels import Array

BLOCK = 4800  # samples


class BlockSignal(abc.ABC):
    """An endless signal, read in stretches of any length."""

    def __init__(self) -> None:
        self._number = 0  # of the next block
        self._rest = np.zeros(0)  # drawn and not yet read

    def take(self, count: int) -> Array:
        """The next samples [count]."""
        parts, have = [self._rest], self._rest.size
        while have < count:
            parts.append(self._block(self._number))
            self._number += 1
            have += BLOCK
        joined = np.concatenate(parts)
        self._rest = joined[count:]
        return joined[:count]

    @abc.abstractmethod
    def _block(self, number: int) -> Array:
        """Samples [BLOCK] of the block with this number; they are asked for in order."""
