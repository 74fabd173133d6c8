"""Shape of the heard model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class HearingConfig:
    """What it sees of a cochleagram, and how large it is. Checked where it is made, by `vis.config.ModelConfig`."""

    channels: int  # of the cochleagram
    materials: int
    units: int
    dropout: float
    before: int  # sound frames before the onset
    after: int  # and after it

    @classmethod
    def of(cls, model: Mapping[str, Any]) -> HearingConfig:
        """From the section `model` of a checkpoint's config. Raises KeyError for a field that is missing."""
        return cls(
            model["channels"],
            model["materials"],
            model["heard_units"],
            model["dropout"],
            model["heard_before"],
            model["heard_after"],
        )

    @property
    def frames(self) -> int:
        """Sound frames of a window."""
        return self.before + self.after
