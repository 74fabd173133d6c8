"""Sessions as the regression is given them: channels of motion, what is touched, and levels over the floor."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from foley_common.session_file import MOTION_RATE
from foley_perception.action.contact_motion import GROUPS
from foley_synthesis.flow.networks.mel import decibels
from foley_synthesis.flow.regression.config import RegressionConfig, RegressionTrainConfig
from foley_synthesis.flow.regression.loss import FOREGROUND_DB
from foley_synthesis.flow.regression.sound import levels_over
from foley_synthesis.flow.regression.training import Crops
from foley_synthesis.flow.sessions import Jitter, Place, SessionBatch, SessionSet
from foley_synthesis.flow.what import WHAT_DIMS

FORCE, WHAT = "force", "what"
CHANNELS = {**{name: part.stop - part.start for name, part in GROUPS.items()}, WHAT: WHAT_DIMS}
"""Of each group, in order; force is 0 with its flag of a plan."""
_STATISTICS = 64  # crops that tell what is usual


def features_of(part: SessionBatch, executed: Tensor, config: RegressionConfig) -> Tensor:
    """Features [b, r, channels] of stretches.

    Args:
        executed: [b] bool, which are told the motion and the force as they were measured, not the plan.
    """
    measured = executed[:, None, None]
    motion = torch.where(measured, part.executed, part.planned)
    force = torch.where(measured, part.force, torch.zeros(()))
    what = part.what.repeat_interleave(motion.shape[1] // part.what.shape[1], dim=1)
    every = dict(zip((*GROUPS, WHAT), torch.cat([motion, force, what], dim=-1).split(list(CHANNELS.values()), -1)))
    return held(torch.cat([every[name] for name, _, _ in config.groups], dim=-1), config.motion_hz)


def held(features: Tensor, rate_hz: float) -> Tensor:
    """Features [b, r, channels] as if they came at a lower rate: each row is the nearest that came."""
    if rate_hz >= MOTION_RATE:
        return features
    rows = torch.arange(features.shape[1], dtype=torch.float64)
    nearest = ((rows * rate_hz / MOTION_RATE).round() * MOTION_RATE / rate_hz).round().long()
    return features[:, nearest.clamp(max=features.shape[1] - 1)]


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
        return self._crops(part, torch.rand(config.batch, generator=generator) < config.executed)

    def validation(self) -> Sequence[Crops]:
        """Whole windows, and the plan."""
        return [self.windows(part) for part in _in_parts(self.sessions.windows("validation"), self.config.batch)]

    def windows(self, places: Sequence[Place], executed: bool = False) -> Crops:
        """Windows of 8 s; the plan runs late by as much as in training, at most."""
        jitter = Jitter(self.config.plan_error_s, 0.0)
        rng = np.random.default_rng(self.config.seed)
        part = self.sessions.batch(places, rng=rng, jitter=jitter)
        return self._crops(part, torch.full((len(part),), executed))

    def statistics(self) -> tuple[Tensor, Tensor, Tensor]:
        """See `Source`."""
        rng = np.random.default_rng(self.config.seed)
        part = self.sessions.crops(rng, "train", _STATISTICS, self.config.crop_s)
        made = self._crops(part, torch.arange(_STATISTICS) % 2 == 0)
        level = made.over + made.floor[..., None]
        loud = made.over.mean(dim=1, keepdim=True) > FOREGROUND_DB
        if not bool(loud.any()):
            loud = torch.ones_like(loud)
        return made.features, made.floor, (level * loud).sum(dim=(0, 2)) / loud.sum()

    def _crops(self, part: SessionBatch, executed: Tensor) -> Crops:
        floor = decibels(part.floor)
        return Crops(features_of(part, executed, self.network), floor, levels_over(part.sound, floor))


def _in_parts(places: Sequence[Place], size: int) -> list[Sequence[Place]]:
    return [places[i : i + size] for i in range(0, len(places), size)]
