"""Lag, presence and level of an onset: the heads, their loss, and what they are told of a motion."""

import math

import numpy as np
import pytest
import torch

from foley_perception.clips.grid import ONSET_FRAME
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.networks.onset_net import (
    OnsetNet,
    OnsetTargets,
    lags_s,
    motion_summary,
    onset_loss,
)
from foley_synthesis.vis.networks.sound_net import normalise_action
from foley_synthesis.vis.outputs import LEVEL_SCALE_DB, OnsetOutput, median_lag_s


def output(lag: torch.Tensor, level_db: float = -40.0) -> OnsetOutput:
    n = len(lag)
    return OnsetOutput(lag, torch.zeros(n), torch.full((n,), level_db))


def blow(speed: float) -> torch.Tensor:
    """A tip [90, 8] that comes down at a speed [m/s] until the contact, and rests there."""
    action = torch.zeros(90, 8)
    rows = torch.arange(90)
    coming = rows <= ONSET_FRAME
    action[:, 2] = torch.where(coming, speed * (ONSET_FRAME - rows) / 90.0, torch.zeros(()))
    action[coming, 5] = -speed
    return action


def test_the_median_of_a_lag_is_where_half_of_its_probability_lies() -> None:
    logits = torch.full((2, len(lags_s())), -30.0)
    logits[0, 47] = 0.0
    logits[1, (lags_s().abs() < 0.03)] = 0.0  # as plans do that are up to 30 ms early or late
    found = median_lag_s(output(logits))
    assert float(found[0]) == pytest.approx(float(lags_s()[47]), abs=1e-4)
    assert float(found[1]) == pytest.approx(0.0, abs=1e-4)


def test_the_loss_asks_for_the_level_of_all_and_for_the_lag_of_those_that_are_heard() -> None:
    logits = torch.zeros(2, len(lags_s()))
    heard, unheard = torch.tensor([0.012, math.nan]), torch.tensor([math.nan, math.nan])
    level = torch.tensor([-40.0, -55.0])
    none = onset_loss(output(logits), OnsetTargets(unheard, level))
    expected = 2.0 * 7.5 / LEVEL_SCALE_DB + 0.5 * math.log(2.0)
    assert float(none) == pytest.approx(expected, abs=1e-5)
    both = onset_loss(output(logits), OnsetTargets(heard, level))
    assert float(both) == pytest.approx(expected + 0.2 * math.log(len(lags_s())), abs=1e-5)
    logits[0, int((lags_s() - 0.012).abs().argmin())] = 20.0
    assert float(onset_loss(output(logits), OnsetTargets(heard, level))) == pytest.approx(expected, abs=1e-4)


def test_a_faster_blow_is_told_as_a_faster_one_and_one_that_stays_as_staying() -> None:
    slow, fast = motion_summary(normalise_action(torch.stack([blow(0.1), blow(0.4)])))
    assert float((fast[0] - slow[0]).abs()) == pytest.approx(0.3 / 0.3, abs=1e-5)  # down, 6 frames before
    away = normalise_action(blow(0.4)[None].clone())
    away[:, 23:, 2] = 1.0  # 5 cm over the surface
    assert int((motion_summary(away)[0] != fast).sum()) > 5


def test_the_level_is_learned_from_the_motion() -> None:
    torch.manual_seed(0)
    speeds = torch.rand(96) * 0.5 + 0.05
    action = normalise_action(torch.stack([blow(float(s)) for s in speeds]))
    level = -50.0 + 40.0 * (speeds - 0.05)
    still, executed = torch.zeros(96, 1), torch.zeros(96)
    net = OnsetNet(ModelConfig(encoder_dims=1, still_units=1, head_units=32, dropout=0.0))
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
    for _ in range(150):
        targets = OnsetTargets(torch.zeros(96), level)
        loss = onset_loss(net(action, still, executed), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    net.eval()
    with torch.no_grad():
        made = net(action, still, executed)
    assert float((made.level_db - level).abs().mean()) < 0.2 * float((level - level.median()).abs().mean())
    assert float(np.abs(median_lag_s(made)).max()) < 0.01
