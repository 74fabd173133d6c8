"""Sessions as the regression is given them: channels of motion, what is touched, and levels over the floor."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from foley_perception.action.contact_motion import GROUPS
from foley_synthesis.flow.networks.mel import decibels
from foley_synthesis.flow.networks.motion_taken import held
from foley_synthesis.flow.regression.config import RegressionConfig, RegressionTrainConfig
from foley_synthesis.flow.regression.loss import FOREGROUND_DB
from foley_synthesis.flow.regression.sound import levels_over
from foley_synthesis.flow.regression.training import Crops
from foley_synthesis.flow.sessions import Jitter, Place, SessionBatch, SessionSet
from foley_synthesis.flow.what import WHAT_DIMS
from foley_synthesis.flow.window_model import WindowGiven

MEASURED, WHAT = "measured", "what"
CHANNELS = {**{name: part.stop - part.start for name, part in GROUPS.items()}, MEASURED: 1, WHAT: WHAT_DIMS}
"""Of each group, in order: contact motion, whether it was measured and not planned, and what lies under the tip."""
GIVEN: tuple[WindowGiven, ...] = ("plan", "motion", "motion and force")
_STATISTICS = 64  # crops that tell what is usual


def features_of(
    planned: Tensor, executed: Tensor, force: Tensor, what: Tensor, told: Tensor, config: RegressionConfig
) -> Tensor:
    """Features [b, r, channels] of stretches.

    Args:
        planned, executed: [b, r, motion channels].
        force: [b, r, force channels] as measured.
        what: [b, r / 4, what channels] that lies under the tip, in truth or as views show it.
        told: [b] int64, 0 the plan, 1 the motion as it was measured, 2 the force as well.
    """
    how = told[:, None, None]
    motion = torch.where(how > 0, executed, planned)
    known = torch.where(how > 1, force, torch.zeros(()))
    under = what.repeat_interleave(motion.shape[1] // what.shape[1], dim=1)
    measured = (how > 0).to(motion).expand(-1, motion.shape[1], 1)
    sizes = list((CHANNELS | {WHAT: under.shape[-1]}).values())
    every = torch.split(torch.cat([motion, known, measured, under], dim=-1), sizes, dim=-1)
    named = dict(zip(CHANNELS, every, strict=True))
    return held(torch.cat([named[name] for name, _, _ in config.groups], dim=-1), config.motion_hz)


@dataclasses.dataclass(frozen=True, eq=False)
class SessionSource:
    """Crops of sessions; see `Source`."""

    sessions: SessionSet
    network: RegressionConfig
    config: RegressionTrainConfig

    def crops(self, generator: torch.Generator) -> Crops:
        """A batch for a step."""
        config = self.config
        seed = int(torch.randint(2**62, (1,), generator=generator))
        jitter = Jitter(config.plan_error_s, config.height_error_m)
        part = self.sessions.crops(
            np.random.default_rng(seed), "train", config.batch, config.crop_s, jitter=jitter
        )
        share = torch.rand(config.batch, generator=generator)
        return self._crops(part, (share < config.executed).long() + (share < config.executed / 2))

    def validation(self) -> Sequence[Crops]:
        """Whole windows, and the plan."""
        return [
            self.windows(part) for part in _in_parts(self.sessions.windows("validation"), self.config.batch)
        ]

    def windows(self, places: Sequence[Place], told: int = 0) -> Crops:
        """Windows of 8 s; the plan runs late by as much as in training, at most."""
        jitter = Jitter(self.config.plan_error_s, 0.0)
        rng = np.random.default_rng(self.config.seed)
        part = self.sessions.batch(places, rng=rng, jitter=jitter)
        return self._crops(part, torch.full((len(part),), told))

    def statistics(self) -> tuple[Tensor, Tensor, Tensor]:
        """See `Source`."""
        rng = np.random.default_rng(self.config.seed)
        part = self.sessions.crops(rng, "train", _STATISTICS, self.config.crop_s)
        made = self._crops(part, torch.arange(_STATISTICS) % 3)
        level = made.over + made.floor[..., None]
        loud = made.over.mean(dim=1, keepdim=True) > FOREGROUND_DB
        if not bool(loud.any()):
            loud = torch.ones_like(loud)
        return made.features, made.floor, (level * loud).sum(dim=(0, 2)) / loud.sum()

    def _crops(self, part: SessionBatch, told: Tensor) -> Crops:
        floor = decibels(part.floor)
        features = features_of(part.planned, part.executed, part.force, part.what, told, self.network)
        return Crops(features, floor, levels_over(part.sound, floor))


def _in_parts(places: Sequence[Place], size: int) -> list[Sequence[Place]]:
    return [places[i : i + size] for i in range(0, len(places), size)]
