"""What a network takes of a motion: that nothing of what is left out reaches it, by any way."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from foley_perception.action.contact_motion import GROUPS, NAMES, contact_motion
from foley_perception.geometry.height_map import HeightMap
from foley_perception.geometry.se3 import SE3
from foley_synthesis.flow.networks.motion_encoder import MotionConfig, MotionEncoder
from foley_synthesis.flow.networks.motion_taken import held, over_no_surface

_ROWS = 80


def motion(slope: float | None, bend: float = 0.0) -> Tensor:
    """A tip that moves across and into a slope, [1, 80, channels]; None: no surface was seen."""
    t = np.arange(_ROWS) / 125
    tips = np.stack(
        [0.1 * t + bend * np.sin(9 * t), -0.05 * t, 0.06 - 0.2 * t + 0.03 * np.cos(7 * t)], axis=1
    )
    surface = None
    if slope is not None:
        x, y = (g.ravel() for g in np.meshgrid(*[np.arange(-0.2, 0.2, 0.003)] * 2))
        surface = HeightMap.from_points(np.stack([x, y, 0.02 + slope * x], axis=1))
    poses = SE3(np.tile([0.0, 0.0, 0.0, 1.0], (_ROWS, 1)), tips)
    made = contact_motion(poses, np.full(_ROWS, 0.02), SE3.identity(), surface)
    return torch.from_numpy(made.values)[None]


def encoder(**settings: object) -> MotionEncoder:
    torch.manual_seed(0)
    config = dataclasses.replace(MotionConfig.of(GROUPS, output=12, width=8), **settings)  # type: ignore[arg-type]
    return MotionEncoder(config).eval()


def test_velocities_over_no_surface_are_those_of_a_motion_whose_surface_nobody_saw() -> None:
    made, blind = over_no_surface(motion(0.6))[..., GROUPS["velocity"]], motion(None)[..., GROUPS["velocity"]]
    torch.testing.assert_close(made, blind, atol=2e-5, rtol=0)
    sloped = motion(0.6)[..., GROUPS["velocity"]]
    assert float((sloped - blind).abs().amax()) > 0.05


def test_beside_rows_that_are_not_known_there_is_no_acceleration() -> None:
    features = motion(0.6)
    features[:, 30:, GROUPS["velocity"]] = 0.0  # as contact_motion has poses that are not known
    made = over_no_surface(features)[0]
    assert not made[29:, [NAMES.index("acceleration_normal"), NAMES.index("acceleration_tangential")]].any()
    assert bool(made[28, NAMES.index("acceleration_normal")] != 0.0)
    features[:, :, GROUPS["velocity"]] = torch.nan
    assert bool(over_no_surface(features)[..., NAMES.index("velocity_normal")].isnan().all())


def test_a_network_without_the_surface_cannot_tell_how_it_slopes() -> None:
    blind = encoder(without=("height", "keypoints"))
    torch.testing.assert_close(blind(motion(0.6)), blind(motion(0.0)), atol=1e-4, rtol=0)
    assert not torch.allclose(encoder()(motion(0.6)), encoder()(motion(0.0)), atol=1e-2)
    # It is not blind for the motion itself.
    assert not torch.allclose(blind(motion(0.6)), blind(motion(0.6, bend=0.02)), atol=1e-2)


def test_groups_that_a_network_never_takes_are_as_ones_that_are_not_known() -> None:
    features = motion(0.6)
    unknown = features.clone()
    unknown[..., GROUPS["velocity"]] = torch.nan
    less = encoder(without=("velocity",))
    torch.testing.assert_close(less(features), encoder()(unknown))
    torch.testing.assert_close(less(features, torch.ones(1, 6)), encoder()(unknown))  # whatever is asked for


def test_motion_is_held_at_the_rate_that_a_network_takes() -> None:
    rows = torch.arange(100, dtype=torch.float32)[None, :, None]
    came = held(rows, 30.0).flatten()
    assert int(came.unique().numel()) == 25 and float((came - rows.flatten()).abs().max()) <= 2.0
    # Between two rows of that rate nothing reaches it.
    slow, features = encoder(rate_hz=30.0), motion(0.6)
    other = features.clone()
    dropped = sorted(set(range(_ROWS)) - set(held(rows, 30.0)[0, :_ROWS, 0].int().tolist()))
    assert len(dropped) == 60
    other[:, dropped] += 1.0
    torch.testing.assert_close(slow(other), slow(features), rtol=0, atol=0)
    assert not torch.allclose(encoder()(other), encoder()(features), atol=1e-2)
