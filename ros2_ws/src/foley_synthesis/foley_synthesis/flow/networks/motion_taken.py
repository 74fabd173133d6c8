"""Which part of a motion a network takes: fewer groups of channels, and a lower rate, as ablations have them."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from foley_common.session_file import MOTION_RATE
from foley_perception.action.contact_motion import CHANNELS, GROUPS

OF_SURFACE = frozenset({"height", "keypoints"})
"""Groups that a surface is needed for. Velocities lean on it too: see `over_no_surface`."""
_SPEED, _ACCELERATION, _CLIP = 0.3, 10.0, 3.0  # units of `contact_motion` [m/s], [m/s^2], and their range
_AT = {name: GROUPS["velocity"].start + k for k, name in enumerate(CHANNELS["velocity"])}


def taken(features: Tensor, names: Collection[str], without: Collection[str], rate_hz: float) -> Tensor:
    """Features [b, n, channels] as a network is given them that takes no groups ``without`` of those of ``names``.

    Channels of groups that are left out remain where they are: their presence flags say that nobody looks at them.
    """
    if set(without) >= OF_SURFACE and "velocity" in names and "velocity" not in without:
        features = over_no_surface(features)
    return held(features, rate_hz)


def held(features: Tensor, rate_hz: float) -> Tensor:
    """Features [b, n, channels] as if they came at a lower rate: each row is the nearest that came."""
    if rate_hz >= MOTION_RATE:
        return features
    rows = torch.arange(features.shape[1], dtype=torch.float64)
    nearest = ((rows * rate_hz / MOTION_RATE).round() * MOTION_RATE / rate_hz).round().long()
    return features[:, nearest.clamp(max=features.shape[1] - 1)]


def over_no_surface(features: Tensor) -> Tensor:
    """Features [..., n, channels] of contact motion with velocity and acceleration along the vertical and across it.

    Along the normal they would tell how a surface slopes that is not to be known. Acceleration is that of the
    velocity, by central differences as `contact_motion` has them; beside rows that are not known it is 0.
    """
    velocity = features[..., [_AT[f"velocity_{axis}"] for axis in "xyz"]]
    rows = torch.arange(features.shape[-2])
    behind, ahead = (rows - 1).clamp(min=0), (rows + 1).clamp(max=len(rows) - 1)
    seconds = ((ahead - behind) / MOTION_RATE).clamp(min=1.0 / MOTION_RATE).to(features)
    change = (velocity[..., ahead, :] - velocity[..., behind, :]) / seconds[:, None]
    change = change * (_SPEED / _ACCELERATION)
    known = features[..., _AT["pose_known"]] > 0
    apart = ~(known & known[..., behind] & known[..., ahead]) & features[..., _AT["pose_known"]].isfinite()
    change = torch.where(apart[..., None], 0.0, change)
    made = features.clone()
    for name, vector in (("velocity", velocity), ("acceleration", change)):
        across = "speed_tangential" if name == "velocity" else "acceleration_tangential"
        made[..., _AT[f"{name}_normal"]] = vector[..., 2].clamp(-_CLIP, _CLIP)
        made[..., _AT[across]] = vector[..., :2].norm(dim=-1).clamp(max=_CLIP)
    return made
