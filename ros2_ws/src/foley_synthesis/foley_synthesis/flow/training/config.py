"""How a flow is trained."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from foley_synthesis.flow.networks.vector_field import SIZES

Without = Literal["", "vision", "action"]


@dataclasses.dataclass(frozen=True)
class FlowTrainConfig:
    """Each stage ends after so many epochs or minutes, whichever comes first.

    Raises:
        ValueError: a field has a value that cannot work; the message names it.
    """

    size: str = "small"
    without: Without = ""  # ablation: leave out what is seen or what is done
    autoencoder_minutes: float = 5.0
    minutes: float = 15.0  # of the flow
    epochs: int | None = None  # of each stage
    batch: int = 16
    learning_rate: float = 1e-3  # at its highest; warmed up from a fortieth, then falling in a line
    weight_decay: float = 1e-2
    condition_dropout: float = 0.2  # share of the samples that see the null condition, for guidance
    spliced: float = 0.5  # share of the items that are spliced of two
    ema_decay: float = 0.99  # of the exponential moving average of the weights, a step
    seed: int = 0
    threads: int = 2
    device: str = ""  # cuda where there is one, else cpu
    save_every_s: float = 30.0  # after the epoch in which it has passed

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise ValueError(f"size is `{self.size}`, known are {', '.join(SIZES)}")
        if self.without not in ("", "vision", "action"):
            raise ValueError(f"without is `{self.without}`, must be vision, action or empty")
        for name in ("autoencoder_minutes", "minutes", "learning_rate", "save_every_s"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name} is {getattr(self, name)}, must be positive")
        for name in ("batch", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        if self.epochs is not None and self.epochs < 1:
            raise ValueError(f"epochs is {self.epochs}, must be at least 1")
        for name in ("condition_dropout", "spliced", "ema_decay"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be in [0, 1)")
