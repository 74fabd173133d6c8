"""When a contact is heard, whether it is, and how loud it is: each by a head of its own, read off the motion.

A regression of the sound on the plan's grid spends itself on the mean over what it does not know: a contact that may be
early or late, loud or soft, becomes a slow swell that is too quiet. Here time and level are taken out of the sound. The
onset is the planned time plus a lag, of which a distribution is learned; the level is predicted in dB; what is left for
the regression is a sound at unit level that begins where a clip's contact lies.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from foley_perception.clips.grid import ONSET_FRAME
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.outputs import (
    LAG_REACH_S,
    LAG_STEP_S,
    LAGS,
    LEVEL_CENTRE_DB,
    LEVEL_SCALE_DB,
    OnsetOutput,
)  # fmt: skip

_POOLED = 18  # stretches of 5 rows, of which the mean motion is told
_SPEED = slice(3, 6)


class OnsetTargets(NamedTuple):
    """What was heard of each contact."""

    lag_s: Tensor  # [n] from the planned time to the onset; NaN: none is heard
    level_db: Tensor  # [n]


def lags_s() -> Tensor:
    """Lags [lags] that the logits are of, each the middle of a step."""
    return (torch.arange(LAGS) + 0.5) * LAG_STEP_S - LAG_REACH_S


def motion_summary(action: Tensor) -> Tensor:
    """What of a motion decides about its level [n, dims], from normalised actions [n, t, 8]; see `normalise_action`.

    Boosted trees on such numbers told the level of planned contacts better than an LSTM on the motion itself.
    """
    at = int(ONSET_FRAME)
    speed = action[..., _SPEED].norm(dim=-1)
    across = action[..., 3:5].norm(dim=-1)
    down, height = action[..., 5], action[..., 2]
    bend = action[:, 1:, _SPEED] - action[:, :-1, _SPEED]
    near, after = slice(at - 6, at + 7), slice(at, at + 54)
    # The blow: the tip's speed in the last frames before it is stopped, whichever frame that is.
    columns = [
        *(down[:, at + k] for k in range(-6, 7, 2)),
        *(height[:, at + k] for k in (-12, -6, -3, 3, 6, 12)),
        *(values[:, near].amin(dim=1) for values in (down, height)),
        *(values[:, near].amax(dim=1) for values in (down, speed, across)),
        bend[:, near].norm(dim=-1).amax(dim=1),
        bend[:, after].norm(dim=-1).mean(dim=1),
        *(values[:, after].mean(dim=1) for values in (across, speed, height, down.abs())),
        *(values[:, after].amax(dim=1) for values in (across, speed)),
        height[:, after].amin(dim=1),
        (height[:, after] < 0.1).float().mean(dim=1),  # 5 mm: how long it stays
        action[:, at, 6],
        action[:, near, 7].amax(dim=1),
        action[:, after, 7].mean(dim=1),
    ]
    pooled = torch.cat([speed[..., None], across[..., None], height[..., None], down[..., None]], dim=-1)
    pooled = pooled.reshape(len(action), _POOLED, -1, pooled.shape[-1]).mean(dim=2).flatten(1)
    return torch.cat([torch.stack(columns, dim=1), pooled], dim=1)


class OnsetNet(nn.Module):
    """Lag, presence and level of an onset."""

    background: Tensor  # [channels], the mean frame before contacts of training, over which sounds stand

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        summary = motion_summary(torch.zeros(1, config.sound_frames, config.action_dims)).shape[1]
        units = config.head_units
        self.register_buffer("background", torch.zeros(config.channels))
        self.scale = nn.BatchNorm1d(summary, affine=False)
        self.mix = nn.Sequential(
            nn.Linear(summary + config.still_units + 1, units),
            nn.SiLU(),
            nn.Dropout(0.4 * config.dropout),
            nn.Linear(units, units),
            nn.SiLU(),
            nn.Dropout(0.4 * config.dropout),
        )
        self.output = nn.Linear(units, LAGS + 2)

    def forward(self, action: Tensor, still: Tensor, executed: Tensor) -> OnsetOutput:
        """Of actions [n, t, 8], what is kept of the still [n, still_units], and the mode [n]."""
        told = torch.cat([self.scale(motion_summary(action)), still, executed[:, None]], dim=1)
        lag, present, level = self.output(self.mix(told)).split([LAGS, 1, 1], dim=1)
        return OnsetOutput(lag, present[:, 0], LEVEL_CENTRE_DB + LEVEL_SCALE_DB * level[:, 0])


def onset_loss(output: OnsetOutput, targets: OnsetTargets) -> Tensor:
    """Cross entropy of lag and presence, and the absolute error of the level in units of its spread.

    The absolute error asks for the median level: the mean would be pulled by contacts that nobody hears.
    """
    heard = targets.lag_s.isfinite()
    level = (output.level_db - targets.level_db).abs().mean() / LEVEL_SCALE_DB
    present = functional.binary_cross_entropy_with_logits(output.present, heard.to(output.present))
    loss: Tensor = 2.0 * level + 0.5 * present
    if bool(heard.any()):
        steps = (targets.lag_s[heard] + LAG_REACH_S) / LAG_STEP_S
        loss = loss + 0.2 * functional.cross_entropy(output.lag[heard], steps.long().clamp(0, LAGS - 1))
    return loss
