"""What linear heads say of frozen features: materials, action, whether there is a contact, and numbers.

With so many features and so wide a simulation, anything deeper learned the simulation instead of the materials.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.hearing.output import HearingOutput

Array = NDArray[np.float32]
NUMBERS = ("log10_e", "log10_density", "roughness", "hollowness")
PREFIX = "heads."  # of tensors' names


@dataclasses.dataclass(frozen=True, eq=False)
class LinearHeads:
    """f features in; one matrix for everything that is said.

    Raises:
        ValueError: sizes do not fit.
    """

    centre: Array  # [f]
    scale: Array  # [f], by which centred features are divided
    weight: Array  # [f, m + a + 2 + 4]: materials, actions, contact, known world, NUMBERS
    bias: Array  # [m + a + 2 + 4]
    spread: Array  # [2], standard deviations of log10_e and log10_density
    axes: Array  # [f, e], principal axes of some of the scaled features
    actions: int

    def __post_init__(self) -> None:
        f, k = self.weight.shape
        if self.centre.shape != (f,) or self.scale.shape != (f,) or self.axes.shape[0] != f:
            raise ValueError(f"weight has {f} features, the rest has not")
        if self.bias.shape != (k,) or self.materials < 2 or self.spread.shape != (2,):
            raise ValueError(f"bias has shape {self.bias.shape}, weight {self.weight.shape}")

    @property
    def materials(self) -> int:
        return int(self.weight.shape[1]) - self.actions - 2 - len(NUMBERS)

    @property
    def embedding(self) -> int:
        """Its size."""
        return int(self.axes.shape[1])

    def scaled(self, features: Array) -> Array:
        """Features [n, f] as the matrix takes them."""
        return np.asarray((features - self.centre) / self.scale, np.float32)

    def embed(self, features: Array) -> Array:
        """[n, e] from features [n, f]."""
        return np.asarray(self.scaled(features) @ self.axes, np.float32)

    def known_world(self, features: Array) -> Array:
        """Log odds [n] that a contact is of the simulated world, and not of anywhere else."""
        column = self.materials + self.actions + 1
        return np.asarray(self.scaled(features) @ self.weight[:, column] + self.bias[column], np.float32)

    def __call__(self, features: Array) -> HearingOutput:
        """One row for each of features [n, f]."""
        said = np.asarray(self.scaled(features) @ self.weight + self.bias, np.float32)
        m, a = self.materials, self.actions
        e, density, rough, hollow = said[:, m + a + 2 :].T
        e_std, density_std = (np.full_like(e, value) for value in self.spread)
        return HearingOutput(
            said[:, :m], e, e_std, density, density_std, np.clip(rough, 0.0, 1.0), np.clip(hollow, 0.0, 1.0),
            said[:, m : m + a], said[:, m + a], self.embed(features),
        )  # fmt: skip

    def to_tensors(self) -> dict[str, Array]:
        """For safetensors."""
        return {
            PREFIX + field.name: np.ascontiguousarray(value)
            for field in dataclasses.fields(self)
            if isinstance(value := getattr(self, field.name), np.ndarray)
        }

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[Any]], actions: int) -> LinearHeads:
        """What :meth:`to_tensors` made. Raises KeyError or ValueError."""
        values = {
            field.name: tensors[PREFIX + field.name].astype(np.float32)
            for field in dataclasses.fields(cls)
            if field.name != "actions"
        }
        return cls(**values, actions=actions)
