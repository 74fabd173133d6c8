"""How the hearing model is trained."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from foley_synthesis.hearing.front_end import FrontEndConfig
from foley_synthesis.hearing.training.augment import AugmentConfig
from foley_synthesis.hearing.training.objective import Objective


@dataclasses.dataclass(frozen=True)
class HearingTrainConfig:
    """It ends after so many steps or minutes, whichever comes first; minutes are those of all members together."""

    minutes: float = 30.0
    steps: int | None = None  # of each member
    seeds: tuple[int, ...] = (0,)  # a member of the ensemble for each
    batch: int = 128
    no_contact_share: float = 0.15  # of a batch, that is no contact
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warm_up: float = 0.15  # share of the training in which the rate rises
    ema_decay: float = 0.998
    validate_every_s: float = 120.0
    validate_every: int | None = None  # steps
    validated: int = 1000  # clips of validation that choose among weights, at most
    save_every_s: float = 120.0
    threads: int = 1
    jobs: int = 1  # processes that make features
    device: str = "cpu"
    bf16: bool = True  # multiply in bfloat16 where the processor does so faster: twice as many steps a minute
    front_end: FrontEndConfig = dataclasses.field(default_factory=FrontEndConfig)
    augment: AugmentConfig = dataclasses.field(default_factory=AugmentConfig)
    objective: Objective = dataclasses.field(default_factory=Objective)
    network: dict[str, Any] = dataclasses.field(
        default_factory=dict
    )  # fields of `NetConfig`, where not its own

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds are {self.seeds}, must be one or more, all different")
        if self.batch < 2 or self.validated < 1:
            raise ValueError(
                f"batch is {self.batch}, must be 2 or more, and validated ({self.validated}) 1 or more"
            )
        if not 0.0 <= self.no_contact_share < 1.0:
            raise ValueError(f"no_contact_share is {self.no_contact_share}, must be in [0, 1)")
        if not (math.isfinite(self.minutes) and self.minutes > 0):
            raise ValueError(f"minutes is {self.minutes}, must be positive")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps is {self.steps}, must be positive")
