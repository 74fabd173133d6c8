"""How a model is trained."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

LOSSES = ("robust", "squared")
MAX_PLAN_ERROR_S = 0.1


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How VIS learns the sound of a contact."""

    decoding: str  # of `ModelConfig`
    loss: str  # of frames: Eq. 4 of the paper, or the squared distance
    plan_error_s: float  # a planned contact comes early or late by up to so much

    def model(self) -> dict[str, Any]:
        """Fields of `ModelConfig`."""
        return {"decoding": self.decoding}

    def training(self) -> dict[str, Any]:
        """Fields of `TrainConfig`."""
        return {"loss": self.loss, "plan_error_s": self.plan_error_s}


RECIPES: dict[str, Recipe] = {
    "paper": Recipe("clip", "robust", 0.0),
    "paper, late plans": Recipe("clip", "robust", 0.03),
    "squared": Recipe("clip", "squared", 0.03),
    "onset": Recipe("onset", "squared", 0.03),
}
"""The paper's own configuration, and what is changed in it step by step."""


def recipe_of(name: str) -> Recipe:
    """By its name, or the one that a `foley vis` chose, by the path of its metrics.json.

    Raises:
        ValueError: there is neither.
    """
    path = Path(name)
    if name not in RECIPES and path.suffix == ".json":
        try:
            name = str(json.loads(path.read_text(encoding="utf-8"))["chosen"]["example"]["recipe"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} tells no choice of `foley vis` ({error!r})") from error
    if name not in RECIPES:
        raise ValueError(f"recipe is `{name}`, known are {', '.join(RECIPES)}")
    return RECIPES[name]


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
    loss: str = "robust"
    plan_error_s: float = 0.0
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
        if self.loss not in LOSSES:
            raise ValueError(f"loss is `{self.loss}`, known are {', '.join(LOSSES)}")
        if not 0.0 <= self.plan_error_s <= MAX_PLAN_ERROR_S:
            raise ValueError(f"plan_error_s is {self.plan_error_s}, must be in [0, {MAX_PLAN_ERROR_S}]")
        for name in ("planned_share", "head_gradient"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be in [0, 1]")
