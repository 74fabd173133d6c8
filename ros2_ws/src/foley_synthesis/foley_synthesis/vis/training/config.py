"""How a model is trained."""

from __future__ import annotations

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Either a number of epochs or a time budget; with both, whichever ends first."""

    minutes: float | None = 4.0  # of the whole run, features included
    epochs: int | None = None  # over the training split
    seed: int = 0
    threads: int = 2
    batch: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 2e-2
    clip_norm: float = 1.0  # of the gradient
    planned_share: float = 0.6  # of the examples that are seen in planned mode
    head_gradient: float = 0.3  # share of the material head's gradient that shapes the sound network
    exemplars: int = 240  # real sounds kept for example-based synthesis, at most
    shuffle_labels: bool = False  # permute the labels of the training clips: nothing may be learned
    save_every_s: float = 20.0  # of training state, so that it can be resumed

    def __post_init__(self) -> None:
        if self.minutes is None and self.epochs is None:
            raise ValueError("minutes and epochs are both unset, one of them must end the training")
        if self.minutes is not None and not (math.isfinite(self.minutes) and self.minutes > 0):
            raise ValueError(f"minutes is {self.minutes}, must be positive")
        if self.epochs is not None and self.epochs < 1:
            raise ValueError(f"epochs is {self.epochs}, must be at least 1")
        for name in ("threads", "batch", "exemplars"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        for name in ("planned_share", "head_gradient"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be in [0, 1]")
