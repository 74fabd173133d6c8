"""Tensors of a checkpoint as plain arrays, each checked where it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class WrongWeights(ValueError):
    """A tensor is missing or of another shape: the weights are of another network."""


class Weights:
    """Tensors by name, in any precision, as float32."""

    def __init__(self, tensors: Mapping[str, NDArray[Any]], prefix: str = "") -> None:
        self._tensors, self._prefix = tensors, prefix

    def __call__(self, name: str, *shape: int) -> Array:
        """The tensor of this name. Raises WrongWeights."""
        found = self._tensors.get(self._prefix + name)
        if found is None or found.shape != shape:
            what = "is missing" if found is None else f"has shape {found.shape}"
            raise WrongWeights(f"tensor `{self._prefix}{name}` {what}, must be {shape}")
        return np.ascontiguousarray(found, np.float32)

    def linear(self, name: str, made: int, given: int) -> tuple[Array, Array]:
        """Matrix [made, given] and bias [made] of an affine map. Raises WrongWeights."""
        return self(f"{name}.weight", made, given), self(f"{name}.bias", made)
