"""Size of the regression and how it is trained."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

DOWN = 4
"""Each level of the network has a quarter of the frames of the one above."""


@dataclasses.dataclass(frozen=True)
class RegressionConfig:
    """Inputs and size of the network.

    Raises:
        ValueError: a field has a value that cannot work; the message names it.
    """

    groups: tuple[tuple[str, int, int], ...]  # of channels: name, first, the one behind the last
    noise: int = 0  # channels of noise at each level, for several draws; 0: one sound, the mean
    width: int = 64  # at 125 Hz
    deep_width: int = 96  # at the levels below it: 31.25, 7.8 and 2 Hz
    levels: int = 3  # below that of 125 Hz
    kernel: int = 5
    motion_hz: float = 125.0  # at which motion is told; 30: as the paper's flow is

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", tuple((str(n), int(b), int(e)) for n, b, e in self.groups))
        if not self.groups or any(end <= begin for _, begin, end in self.groups):
            raise ValueError(f"groups is {self.groups}, must name channels")
        for name in ("width", "deep_width", "levels", "kernel"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel is {self.kernel}, must be odd")
        if not 1.0 <= self.motion_hz <= 125.0:
            raise ValueError(f"motion_hz is {self.motion_hz}, must be in [1, 125]")
        if self.noise < 0:
            raise ValueError(f"noise is {self.noise}, must be at least 0")

    @classmethod
    def of(cls, groups: Mapping[str, int], **sizes: Any) -> RegressionConfig:
        """For groups of so many channels, which follow one another."""
        found, at = [], 0
        for name, channels in groups.items():
            found.append((name, at, at + channels))
            at += channels
        return cls(tuple(found), **sizes)

    @property
    def channels(self) -> int:
        """Of the features."""
        return self.groups[-1][2]

    @property
    def stride(self) -> int:
        """Frames at 125 Hz for one of the lowest level."""
        return int(DOWN**self.levels)


@dataclasses.dataclass(frozen=True)
class RegressionTrainConfig:
    """Training ends after so many minutes or steps, whichever comes first.

    Raises:
        ValueError: a field has a value that cannot work; the message names it.
    """

    minutes: float = 8.0
    steps: int | None = None
    batch: int = 16
    crop_s: float = 4.096
    learning_rate: float = 2e-3  # at its highest; warmed up, then half a cosine down to a fiftieth
    weight_decay: float = 1e-2
    group_dropout: float = 0.15  # share of the items that miss a group, of each group of contact motion
    what: float = 0.4  # share of the items that are told what lies under the tip
    executed: float = 0.5  # share told the motion as measured, not as planned; half of them the force too
    foreground_weight: float = 8.0  # of bins that stand out of the room's tone, against those that do not
    onset_weight: float = 2.0  # further weight of the frames in which the level rises
    rise_weight: float = 0.5  # of the error of the rise within 3 frames, against that of the level
    quantile: float = 0.65  # of levels that one sound has: a median is too quiet to have the onsets
    height_error_m: float = 0.002  # heights are moved by up to so much either way
    plan_error_s: float = 0.0  # planned time is moved by up to so much either way, each item anew
    ema_decay: float = 0.995  # of the exponential moving average of the weights, a step
    validate_every: int = 100  # steps
    seed: int = 0
    threads: int = 1
    save_every_s: float = 30.0

    def __post_init__(self) -> None:
        for name in ("minutes", "crop_s", "learning_rate", "save_every_s"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name} is {getattr(self, name)}, must be positive")
        for name in ("batch", "validate_every", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps is {self.steps}, must be at least 1")
        for name in ("group_dropout", "ema_decay"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be in [0, 1)")
        for name in ("what", "executed"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be in [0, 1]")
        for name in ("foreground_weight", "onset_weight", "rise_weight", "weight_decay"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 0")
        if not 0.0 < self.quantile < 1.0:
            raise ValueError(f"quantile is {self.quantile}, must be in (0, 1)")
        for name in ("plan_error_s", "height_error_m"):
            if not 0.0 <= getattr(self, name) < 0.1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be in [0, 0.1)")
