"""What a network of hearing says of contacts, and how large such a network is; without torch."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

LOG10_DENSITY_CENTRE = 3.0  # log10 of density [kg/m^3]; foam to steel is -1.7 to +0.9
STD_RANGE = (0.05, 2.0)  # of standard deviations that are said
GROUPS = 8  # of GroupNorm: an average of the weights has no running statistics to keep


@dataclasses.dataclass(frozen=True)
class NetConfig:
    """How large the network is."""

    bands: int
    materials: int
    actions: int
    widths: tuple[int, ...] = (16, 32, 64, 128)  # channels of the stages; all but the first halve time
    blocks: int = 2  # of each stage but the first
    squeezed: int = 64  # channels that are pooled
    times: int = 3  # into so many spans of time ...
    frequencies: int = 4  # ... and of frequency, so that it stays known where something was
    embedding: int = 128
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if len(self.widths) < 2 or any(width % GROUPS for width in self.widths):
            raise ValueError(f"widths is {self.widths}, must be two or more multiples of {GROUPS}")
        for name in ("materials", "actions", "blocks", "squeezed", "times", "frequencies", "embedding"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be positive")

    @property
    def strides(self) -> tuple[tuple[int, int], ...]:
        """Of each block, in time and frequency: the first of a stage halves time, frequency every second time only."""
        found: list[tuple[int, int]] = []
        for i in range(len(self.widths) - 1):
            found += [(2, 2 if i % 2 else 1)] + [(1, 1)] * (self.blocks - 1)
        return tuple(found)


class HearingOutput(NamedTuple):
    """One row per contact: tensors in training, NumPy's arrays where a model is used."""

    logits: Any  # [n, materials]
    log10_e_mean: Any  # [n]
    log10_e_std: Any  # [n]
    log10_density_mean: Any  # [n]
    log10_density_std: Any  # [n]
    roughness: Any  # [n] in [0, 1]
    hollowness: Any  # [n] in [0, 1]
    action_logits: Any  # [n, actions]
    contact_logit: Any  # [n], of a contact being heard at all
    embedding: Any  # [n, e]
