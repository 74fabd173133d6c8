"""How the flow is trained on sessions."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from foley_common.session_file import MOTION_RATE
from foley_perception.action.contact_motion import GROUPS
from foley_synthesis.flow.networks.contact_field import CONDITIONS, SIZES

Precision = Literal["auto", "bf16", "fp32"]


@dataclasses.dataclass(frozen=True)
class ContactTrainConfig:
    """Training ends after so many steps or minutes, whichever comes first.

    Raises:
        ValueError: a field has a value that cannot work; the message names it.
    """

    size: str = "small"
    without: tuple[str, ...] = ()  # ablation: conditions, and groups of motion, that are never given
    motion_rate_hz: float = float(MOTION_RATE)  # ablation, below 125: motion is held at this rate
    minutes: float = 40.0
    steps: int | None = None
    batch: int = 32  # crops, of all processes together
    frames: int = 80  # of a crop: 2.56 s
    learning_rate: float = 1e-3  # at its highest; warmed up, then falling in half a cosine
    weight_decay: float = 1e-2
    ema_decay: float = 0.999  # of the exponential moving average of the weights, a step
    time_mean: float = -0.6  # of the logit-normal times: early ones, where what is known of the hand decides
    time_spread: float = 1.0
    level_weight: float = 0.25  # of the level's error against that of all the content
    foreground_weight: float = 5.0  # of a frame that stands out of the room's tone, against one that does not
    near_contact: float = 0.5  # share of the crops that hold a contact on purpose
    executed: float = 0.5  # share of the crops that are given the motion as measured
    joint_dropout: float = 0.15  # share of the crops that are given but the room's tone
    dropout: float = 0.15  # of each condition of the others
    what_true: float = 0.4  # share of the crops that are told truly what lies under the tip
    what_blurred: float = 0.3  # and as if sight had said so; the rest is not told
    shift_s: float = 0.03  # by which planned motion comes too early or late at most
    lift_m: float = 0.005  # by which the surface is mistaken at most
    seed: int = 0
    threads: int = 2
    device: str = ""  # cuda where there is one, else cpu
    precision: Precision = "auto"  # auto: bf16 where the device multiplies in it
    save_every_s: float = 30.0
    validate_every_s: float = 120.0
    listen_every_s: float = 600.0  # foreground error of sounds; 0: never
    listen_windows: int = 12

    def __post_init__(self) -> None:
        object.__setattr__(self, "without", tuple(self.without))
        if self.size not in SIZES:
            raise ValueError(f"size is `{self.size}`, known are {', '.join(SIZES)}")
        for name in self.without:
            if name not in CONDITIONS and name not in GROUPS:
                raise ValueError(f"without is `{name}`, known are {', '.join((*CONDITIONS, *GROUPS))}")
        if set(self.without) >= set(GROUPS) - {"force"}:
            raise ValueError(
                "without names every group of planned motion; name `motion`, to leave all of it out"
            )
        if not 1.0 <= self.motion_rate_hz <= MOTION_RATE:
            raise ValueError(f"motion_rate_hz is {self.motion_rate_hz}, must be in [1, {MOTION_RATE}]")
        if self.precision not in ("auto", "bf16", "fp32"):
            raise ValueError(f"precision is `{self.precision}`, must be auto, bf16 or fp32")
        for name in (
            "minutes",
            "learning_rate",
            "save_every_s",
            "validate_every_s",
            "level_weight",
            "time_spread",
        ):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name} is {getattr(self, name)}, must be positive")
        for name in ("batch", "frames", "threads", "listen_windows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps is {self.steps}, must be at least 1")
        if not self.foreground_weight >= 1.0:
            raise ValueError(f"foreground_weight is {self.foreground_weight}, must be at least 1")
        for name in ("weight_decay", "shift_s", "lift_m", "listen_every_s"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name} is {getattr(self, name)}, must not be negative")
        for name in ("ema_decay", "joint_dropout", "dropout"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be in [0, 1)")
        for name in ("near_contact", "executed", "what_true", "what_blurred"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be in [0, 1]")
        if self.what_true + self.what_blurred > 1.0:
            raise ValueError("what_true and what_blurred are shares of one whole, must not exceed 1 together")

    @property
    def conditions_left_out(self) -> tuple[str, ...]:
        """Whole conditions that are never given."""
        return tuple(name for name in self.without if name in CONDITIONS)

    @property
    def groups_left_out(self) -> tuple[str, ...]:
        """Groups of motion that are never looked at."""
        return tuple(name for name in self.without if name in GROUPS)
