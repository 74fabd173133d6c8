"""Materials as ranges, and instances drawn from them. The numbers and their sources stand in `data/materials.yaml`."""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import math
from typing import Any

import numpy as np
import yaml

from foley_sim.spec import MaterialSample

LOG_UNIFORM = frozenset(
    {
        "youngs_modulus", "damping_alpha", "damping_beta", "loss_factor",
        "grain_hz", "grain_decay_s", "grain_rate", "grain_level",
    }
)  # fmt: skip
"""Properties that span decades: drawn uniformly in their logarithm."""

GRAIN: tuple[str, ...] = ("grain_hz", "grain_spread", "grain_decay_s", "grain_rate", "grain_level")
"""Properties of loose and fibrous matter; solids have none."""

_MAX_DRAWS = 1000


@dataclasses.dataclass(frozen=True)
class MaterialRange:
    """Lower and upper bound of every property of one material. Units as in `MaterialSample`."""

    name: str
    density: tuple[float, float]
    youngs_modulus: tuple[float, float]
    poisson_ratio: tuple[float, float]
    wave_speed: tuple[float, float]  # sqrt(E / density) [m/s], a check on the drawn pair
    damping_alpha: tuple[float, float]
    damping_beta: tuple[float, float]
    loss_factor: tuple[float, float]
    friction: tuple[float, float]
    roughness: tuple[float, float]
    source: str
    grain_hz: tuple[float, float] | None = None
    grain_spread: tuple[float, float] | None = None
    grain_decay_s: tuple[float, float] | None = None
    grain_rate: tuple[float, float] | None = None
    grain_level: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        given = [name for name in GRAIN if getattr(self, name) is not None]
        if given and len(given) != len(GRAIN):
            raise ValueError(
                f"material `{self.name}`: {', '.join(given)} given without "
                f"{', '.join(name for name in GRAIN if name not in given)}; grains need all of them"
            )
        for field in dataclasses.fields(self):
            if field.name in ("name", "source") or getattr(self, field.name) is None:
                continue
            low, high = getattr(self, field.name)
            if not (math.isfinite(low) and math.isfinite(high) and 0 <= low <= high):
                raise ValueError(
                    f"material `{self.name}`: {field.name} is [{low}, {high}], must be 0 <= low <= high"
                )
            if field.name in LOG_UNIFORM and low <= 0:
                raise ValueError(f"material `{self.name}`: {field.name} starts at {low}, must be positive")
        if not self.source.strip():
            raise ValueError(f"material `{self.name}`: source is empty")

    def draw(self, rng: np.random.Generator) -> MaterialSample:
        """One instance. Raises ValueError if `wave_speed` excludes (nearly) every pair of density and modulus."""
        for _ in range(_MAX_DRAWS):
            density, modulus = self._value("density", rng), self._value("youngs_modulus", rng)
            if self.wave_speed[0] <= math.sqrt(modulus / density) <= self.wave_speed[1]:
                break
        else:
            raise ValueError(
                f"material `{self.name}`: wave_speed {self.wave_speed} fits no density and youngs_modulus"
            )
        rest = {
            name: self._value(name, rng)
            for name in (
                "poisson_ratio",
                "damping_alpha",
                "damping_beta",
                "loss_factor",
                "friction",
                "roughness",
            )
        }
        if self.grain_hz is not None:
            rest.update({name: self._value(name, rng) for name in GRAIN})
        return MaterialSample(name=self.name, density=density, youngs_modulus=modulus, **rest)

    def _value(self, name: str, rng: np.random.Generator) -> float:
        low, high = getattr(self, name)
        if name in LOG_UNIFORM:
            return float(math.exp(rng.uniform(math.log(low), math.log(high))))
        return float(rng.uniform(low, high))


def parse_ranges(text: str) -> dict[str, MaterialRange]:
    """Read YAML laid out like `data/materials.yaml`. Raises ValueError naming the material and the field."""
    document = yaml.safe_load(text)
    if not isinstance(document, dict) or not isinstance(document.get("materials"), dict):
        raise ValueError("materials: the file has no mapping `materials`")
    return {str(name): _parse_one(str(name), entry) for name, entry in document["materials"].items()}


def _parse_one(name: str, entry: Any) -> MaterialRange:
    if not isinstance(entry, dict):
        raise ValueError(f"material `{name}`: is {entry!r}, must be a mapping")
    wanted = {field.name for field in dataclasses.fields(MaterialRange)} - {"name"}
    absent, unknown = wanted - set(GRAIN) - set(entry), set(entry) - wanted
    if absent or unknown:
        raise ValueError(f"material `{name}`: missing {sorted(absent)}, unknown {sorted(unknown)}")
    values: dict[str, Any] = {"name": name, "source": str(entry["source"])}
    for field in set(entry) - {"source"}:
        bounds = entry[field]
        if not (isinstance(bounds, list) and len(bounds) == 2):
            raise ValueError(f"material `{name}`: {field} is {bounds!r}, must be [low, high]")
        values[field] = (float(bounds[0]), float(bounds[1]))
    return MaterialRange(**values)


@functools.cache
def ranges() -> dict[str, MaterialRange]:
    """The ranges that ship with the package, by name."""
    resource = importlib.resources.files("foley_sim") / "data" / "materials.yaml"
    return parse_ranges(resource.read_text(encoding="utf-8"))


MATERIALS: tuple[str, ...] = tuple(ranges())


def draw_material(name: str, rng: np.random.Generator) -> MaterialSample:
    """One instance of material `name`. Raises ValueError naming the known materials."""
    if name not in ranges():
        raise ValueError(f"material is `{name}`, known are {', '.join(MATERIALS)}")
    return ranges()[name].draw(rng)
