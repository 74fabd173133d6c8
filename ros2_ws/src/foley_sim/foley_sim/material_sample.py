"""One instance of a material, drawn from its range."""

from __future__ import annotations

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class MaterialSample:
    """One instance of a material, drawn from its range. SI units."""

    name: str
    density: float  # [kg/m^3]
    youngs_modulus: float  # [Pa]
    poisson_ratio: float
    damping_alpha: float  # [1/s], mass-proportional part of Rayleigh damping
    damping_beta: float  # [s], stiffness-proportional part of Rayleigh damping
    loss_factor: float  # frequency-independent part of the damping
    friction: float  # Coulomb coefficient against the striker
    roughness: float  # [0, 1], 0 polished, 1 coarse
    # Loose or fibrous matter also sounds by its grains: each is a short damped ring (Cook's PhISEM). 0 Hz: none.
    grain_hz: float = 0.0  # centre of the grains' frequencies [Hz]
    grain_spread: float = 0.0  # standard deviation of their logarithm to base 2 [octaves]
    grain_decay_s: float = 0.0  # amplitude decay time of one grain [s]
    grain_rate: float = 0.0  # grains set off per joule of work done on the matter [1/J]
    grain_level: float = 0.0  # pressure at 1 m of one grain of unit energy [Pa / sqrt(J)]

    def __post_init__(self) -> None:
        for name in ("grain_hz", "grain_spread", "grain_decay_s", "grain_rate", "grain_level"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"material `{self.name}`: {name} is {value}, must not be negative")
        if self.grain_hz > 0 and not (self.grain_decay_s > 0 and self.grain_rate > 0):
            raise ValueError(
                f"material `{self.name}`: grain_hz is {self.grain_hz}, so grain_decay_s ({self.grain_decay_s}) and "
                f"grain_rate ({self.grain_rate}) must be positive"
            )
        for name in ("density", "youngs_modulus"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"material `{self.name}`: {name} is {value}, must be positive")
        if not 0.0 <= self.poisson_ratio < 0.5:
            raise ValueError(
                f"material `{self.name}`: poisson_ratio is {self.poisson_ratio}, not in [0, 0.5)"
            )
        for name in ("damping_alpha", "damping_beta", "loss_factor", "friction"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"material `{self.name}`: {name} is {value}, must not be negative")
        if not 0.0 <= self.roughness <= 1.0:
            raise ValueError(f"material `{self.name}`: roughness is {self.roughness}, not in [0, 1]")
