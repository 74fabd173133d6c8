"""Materials of the judge, and how they lose energy: relaxation peaks over a floor of constant Q."""

from __future__ import annotations

import functools
import importlib.resources
import math
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from foley_sim.materials import MaterialRange, parse_ranges
from foley_sim.spec import MaterialSample

Array = NDArray[np.float64]


@functools.cache
def _text() -> str:
    return (importlib.resources.files("foley_sim.judge") / "materials_b.yaml").read_text(encoding="utf-8")


@functools.cache
def ranges() -> dict[str, MaterialRange]:
    """The judge's ranges, by name of the material."""
    return parse_ranges(_text())


@functools.cache
def _relaxation() -> dict[str, Any]:
    peaks: dict[str, Any] = yaml.safe_load(_text())["relaxation"]
    return peaks


def loss(material: MaterialSample, omega: Array, rng: np.random.Generator) -> Array:
    """Loss factor at angular frequencies [m] [rad/s] -> [m]: two Debye peaks (C. Zener, Elasticity and Anelasticity
    of Metals, 1948) over the material's own floor."""
    eta = np.full(omega.shape, material.loss_factor)
    entry = _relaxation()[material.name]
    for _ in range(2):
        delta = math.exp(rng.uniform(*np.log(entry["strength"])))
        x = omega / (2 * math.pi * math.exp(rng.uniform(*np.log(entry["peak_hz"]))))
        eta = eta + delta * x / (1 + x * x)
    return np.asarray(eta)
